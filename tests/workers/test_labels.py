"""The labels' file says what was put in, whatever the shape."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from workers.labels import Labels, read_labels, write_labels


def some(n: int, *, geometric: bool, soft: bool) -> Labels:
    rng = np.random.default_rng(0)
    full = np.stack([rng.permutation(3)[:2] for _ in range(n)])
    full[0, 1] = -1
    return Labels(
        paths=[f"cat/{i}.png" for i in range(n)],
        classes=["a", "a-b", "c"],
        class_ids=rng.integers(0, 3, n),
        names=["a", "b", "c"],
        anchors=np.where(np.arange(2) < 1, full, -1),
        full=full,
        log_content=np.append(-np.inf, rng.normal(size=n - 1)) if geometric else None,
        margin=rng.uniform(size=n) if geometric else None,
        soft=rng.uniform(size=(n, 2, 3)).astype(np.float32) if soft else None,
    )


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("geometric", [True, False])
@pytest.mark.parametrize("n", [5, 20_000])
def test_what_is_written_is_read(tmp_path: Path, n: int, geometric: bool, soft: bool) -> None:
    labels = some(n, geometric=geometric, soft=soft)
    write_labels(tmp_path / "labels.parquet", labels)
    back = read_labels(tmp_path / "labels.parquet")
    for name in ("class_ids", "anchors", "full", "log_content", "margin", "soft"):
        np.testing.assert_array_equal(getattr(back, name), getattr(labels, name), err_msg=name)
    assert (list(back.paths), back.classes, back.names) == (labels.paths, labels.classes, labels.names)


def test_a_row_reads_as_the_contract_words_it(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.parquet", some(5, geometric=True, soft=True))
    row = pq.read_table(tmp_path / "labels.parquet").to_pylist()[0]
    assert row["item_id"] == 0
    assert row["path"] == "cat/0.png"
    assert row["label"] in ("a", "a-b", "c")
    assert len(row["anchors"]) == len(row["full"]) == 1  # the sequence ended after one
    assert row["log_content"] is None
    assert len(row["soft"]) == 6
