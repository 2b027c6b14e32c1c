"""Labels and splits from folders."""

import pytest

from g2l.data.layout import infer_layout


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["x.png", "y.png"], [(None, None), (None, None)]),
        (["cat/x.png", "dog/x.png"], [("cat", None), ("dog", None)]),
        (["cat/x.png", "cat/y.png"], [("cat", None), ("cat", None)]),
        (["pool/x.png", "pool/y.png"], [(None, None), (None, None)]),
        (["pool/cat/x.png", "pool/dog/x.png"], [("cat", None), ("dog", None)]),
        (["other/cat/x.png", "other/dog/x.png"], [("cat", None), ("dog", None)]),
        (["cat/2020/x.png", "dog/2021/y.png"], [("cat", None), ("dog", None)]),
        (["x.png", "cat/y.png"], [(None, None), ("cat", None)]),
        (["train/cat/x.png", "test/cat/y.png"], [("cat", "train"), ("cat", "test")]),
        (["Train/cat/x.png", "TEST/cat/y.png"], [("cat", "train"), ("cat", "test")]),
        (["pool/train/cat/x.png", "pool/test/dog/y.png"], [("cat", "train"), ("dog", "test")]),
        (["a/b/train/cat/x.png", "a/b/test/dog/y.png"], [("cat", "train"), ("dog", "test")]),
        (["train/x.png", "test/y.png"], [(None, "train"), (None, "test")]),
        (["train/cat/x.png", "train/dog/y.png"], [("cat", "train"), ("dog", "train")]),
        (["train/cat/x.png", "val/cat/y.png"], [("cat", "train"), ("cat", "test")]),
        (["train/a/x.png", "val/a/y.png", "test/a/z.png"], [("a", "train"), ("a", "train"), ("a", "test")]),
        (["train/x.png", "plane/y.png"], [("train", None), ("plane", None)]),
        (["val/x.png", "test-set/y.png"], [("val", None), ("test-set", None)]),
        (["x.png", "train/cat/y.png"], [(None, "train"), ("cat", "train")]),
        (["é a-b/x.png", "日本/y.png"], [("é a-b", None), ("日本", None)]),
    ],
)
def test_places(paths: list[str], expected: list[tuple[str | None, str | None]]) -> None:
    layout = infer_layout({path.rpartition("/")[0] for path in paths}, "pool")
    assert [layout.place(path) for path in paths] == expected
