"""WebDataset tars and parquet files, one and several: the same images become the same dataset."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2l.data.arrays import NotFiniteError
from g2l.data.columns import BadColumnError, MultiLabelError, UnknownColumnError
from g2l.data.groups import NoGroupsError
from g2l.data.limits import HostileArchiveError
from g2l.data.pack import Pack, write_pack
from g2l.data.shards import MixedShardsError, splits_by_name
from g2l.data.zips import BrokenArchiveError
from tests.fixtures.images import encoded, write_folder, write_tar, write_zip
from tests.fixtures.shards import image_parquet, sample, webdataset, write_parquet

Features = dict[str, dict[str, Any]]
IMAGES = [(encoded("png", seed), ("cat", "dog", "owl")[seed % 3]) for seed in range(30)]


def packed(path: Path, into: Path, **options: Any) -> Pack:
    write_pack(path, path.name, into / "pack", **options)
    return Pack(into / "pack")


def facts(pack: Pack) -> set[tuple[bytes, str]]:
    """Each image and its class, wherever it came from."""
    return {(bytes(d), pack.classes[i]) for d, i in zip(pack.digests, pack.class_ids, strict=True)}


def folder_of(images: Sequence[tuple[bytes, str]], path: Path) -> Path:
    return write_folder(path, {f"{name}/{i}.png": data for i, (data, name) in enumerate(images)})


def _sharded(kind: str, into: Path) -> Path:
    """The images in one or several files of a kind, in or without a zip around them."""
    into.mkdir()
    thirds = [IMAGES[:10], IMAGES[10:20], IMAGES[20:]]
    if kind == "webdataset":
        return webdataset(into / "pool.tar", IMAGES)
    if kind == "webdataset, gzipped, json":
        return webdataset(into / "pool.tar.gz", IMAGES, field="json")
    if kind == "webdataset, txt":
        return webdataset(into / "pool.tar", IMAGES, field="txt")
    if kind == "parquet":
        return image_parquet(into / "pool.parquet", IMAGES)
    for i, third in enumerate(thirds):
        if kind.startswith("parquet"):
            image_parquet(into / f"pool-{i:05d}-of-00003.parquet", third)
        else:  # every file counts from 0, as some do
            webdataset(into / f"pool-{i}.tar", third)
    if kind.endswith("zip"):
        return write_zip(into.parent / "pool.zip", {f"data/{p.name}": p.read_bytes() for p in into.iterdir()})
    return into


KINDS = ["webdataset", "webdataset, gzipped, json", "webdataset, txt", "webdataset shards",
         "webdataset shards, zip", "parquet", "parquet shards", "parquet shards, zip"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_is_the_same_dataset_as_a_folder_per_class(kind: str, tmp_path: Path) -> None:
    pack = packed(_sharded(kind, tmp_path / "files"), tmp_path)
    (tmp_path / "plain").mkdir()
    plain = packed(folder_of(IMAGES, tmp_path / "images"), tmp_path / "plain")
    assert len(pack) == len(IMAGES)
    assert facts(pack) == facts(plain)
    assert pack.summary.n_rejected == 0
    assert pack.summary.splits["derived"]
    np.testing.assert_array_equal(pack.digests, [*map(_digest, IMAGES)])
    assert {path.name for path in (tmp_path / "pack").iterdir()} == {
        "images.bin",
        "index.parquet",
        "pack.json",
    }


def _digest(image: tuple[bytes, str]) -> bytes:
    return sha256(image[0]).hexdigest().encode()


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_shards_named_after_splits_are_splits(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    parts = {
        "train-00000-of-00002": IMAGES[:9],
        "train-00001-of-00002": IMAGES[9:18],
        "test-00000-of-00001": IMAGES[18:24],
        "validation-00000-of-00001": IMAGES[24:],
    }
    for name, images in parts.items():
        if kind == "parquet":
            image_parquet(folder / f"{name}.parquet", images)
        else:
            webdataset(folder / f"{name}.tar", images)
    pack = packed(folder, tmp_path)
    assert pack.summary.splits == {"train": 24, "test": 6, "derived": False}
    in_test = {d for d, s in zip(pack.digests, pack.splits, strict=True) if s == "test"}
    assert in_test == {_digest(image) for image in IMAGES[18:24]}


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train-0.tar", "test-0.tar"], ["train", "test"]),
        (["data/train/0000.parquet", "data/test/0000.parquet"], ["train", "test"]),
        (["train.parquet", "valid.parquet"], ["train", "test"]),
        (["train.parquet", "val.parquet", "test.parquet"], ["train", "train", "test"]),
        (["extra-0.tar", "train-0.tar", "test-0.tar"], ["train", "train", "test"]),
        (["train-0.tar", "train-1.tar"], [None, None]),
        (["test-0.tar"], [None]),
        (["validation-0.tar", "pool-0.tar"], [None, None]),
        (["pool-0.tar", "pool-1.tar"], [None, None]),
        (["testing_0.tar", "TRAIN_0.tar"], ["test", "train"]),
        (["trains-0.tar", "tests-0.tar"], [None, None]),
    ],
)
def test_splits_by_name(names: list[str], splits: list[str | None]) -> None:
    assert splits_by_name(names) == splits


def test_plain_tars_of_folders_go_on_as_before(tmp_path: Path) -> None:
    files = {f"{name}/{i}.png": data for i, (data, name) in enumerate(IMAGES)}
    beside = {f"{name}/{i}.txt": b"a photograph" for i, (_, name) in enumerate(IMAGES)}
    dotted = {"cat/v1.0.a.png": encoded("png", 50), "cat/v1.0.b.png": encoded("png", 51)}
    notes = {f"{name}/{i}.json": b'{"labels": ["a", "b"]}' for i, (_, name) in enumerate(IMAGES)}
    pack = packed(write_tar(tmp_path / "pool.tar", files | beside | dotted | notes), tmp_path)
    assert facts(pack) == {
        *((_digest(image), image[1]) for image in IMAGES),
        *((_digest((data, "")), "cat") for data in dotted.values()),
    }


def test_several_plain_tars_share_their_folders(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for i in range(3):
        write_tar(folder / f"{i}.tar", {f"{n}/{j}.png": d for j, (d, n) in enumerate(IMAGES) if j % 3 == i})
    pack = packed(folder, tmp_path)
    assert facts(pack) == {(_digest(image), image[1]) for image in IMAGES}


def test_captions_are_no_classes(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for i, (data, _) in enumerate(IMAGES):
        members |= sample(f"{i:04d}", data, txt=f"picture number {i}")
    pack = packed(write_tar(tmp_path / "pool.tar", members), tmp_path)
    assert (len(pack), pack.classes) == (30, [])


def test_a_class_in_a_cls_may_be_a_number_and_wins_over_the_rest(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for i, (data, name) in enumerate(IMAGES):
        members |= sample(f"{i:04d}", data, ending="PNG", cls=f" {i % 2}\n", json={"label": name}, txt="x")
    pack = packed(write_tar(tmp_path / "pool.tar", members), tmp_path)
    assert pack.classes == ["0", "1"]
    (tmp_path / "other").mkdir()
    assert packed(tmp_path / "pool.tar", tmp_path / "other", label_by="label").classes == [
        "cat",
        "dog",
        "owl",
    ]


def test_masks_beside_an_image_are_no_items(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for i, (data, name) in enumerate(IMAGES):
        members |= {f"{i:04d}.seg.png": encoded("grey png", i)} | sample(f"{i:04d}", data, cls=name)
    pack = packed(write_tar(tmp_path / "pool.tar", members), tmp_path)
    assert facts(pack) == {(_digest(image), image[1]) for image in IMAGES}


def test_samples_without_a_class_stay_without(tmp_path: Path) -> None:
    members = (
        sample("0", IMAGES[0][0], cls="cat") | sample("1", IMAGES[1][0]) | sample("2", IMAGES[2][0], cls=3)
    )
    pack = packed(write_tar(tmp_path / "pool.tar", members), tmp_path)
    assert (pack.classes, pack.class_ids.tolist()) == (["3", "cat"], [1, -1, 0])


@pytest.mark.parametrize(
    "fields",
    [
        {"json": {"label": ["cat", "dog"]}},
        {"json": {"labels": [0, 1, 0, 1]}},
        {"cls": "[1, 4]"},
        {"colour_cls": "red", "shape_cls": "round"},
    ],
)
def test_several_labels_in_a_sample_are_refused(fields: dict[str, Any], tmp_path: Path) -> None:
    path = write_tar(tmp_path / "pool.tar", sample("0", IMAGES[0][0], **fields))
    with pytest.raises(MultiLabelError, match="keep one label an image"):
        packed(path, tmp_path)


def test_groups_come_from_the_json(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for i, (data, name) in enumerate(IMAGES):
        members |= sample(f"{i:04d}", data, json={"label": name, "patient": i // 5})
    path = write_tar(tmp_path / "pool.tar", members)
    pack = packed(path, tmp_path, group_by="patient")
    assert pack.summary.n_groups == 6
    assert pack.table["group"].to_pylist() == [str(i // 5) for i in range(30)]
    with pytest.raises(NoGroupsError, match="JSON fields 'label', 'patient'"):
        packed(path, tmp_path / "x", group_by="tile")
    with pytest.raises(UnknownColumnError, match="'label', 'patient'"):
        packed(path, tmp_path / "x", label_by="species")


def test_columns_of_a_parquet_are_named(tmp_path: Path) -> None:
    patients = [f"p{i // 5}" for i in range(30)]
    sexes = ["f", "m"] * 15
    path = image_parquet(tmp_path / "pool.parquet", IMAGES, patient=patients, sex=sexes)
    pack = packed(path, tmp_path, group_by="patient", label_by="sex")
    assert (pack.summary.n_groups, pack.classes) == (6, ["f", "m"])
    with pytest.raises(NoGroupsError, match="'image', 'label', 'patient', 'sex'"):
        packed(path, tmp_path / "x", group_by="tile")
    with pytest.raises(UnknownColumnError, match="'image', 'label', 'patient', 'sex'"):
        packed(path, tmp_path / "x", label_by="species")


def _images_table(**columns: Any) -> pa.Table:
    return pa.table({"image": [data for data, _ in IMAGES], **columns})


def test_plain_binary_and_text_columns_will_do(tmp_path: Path) -> None:
    table = pa.table({"picture": [d for d, _ in IMAGES], "class": [n for _, n in IMAGES], "n": range(30)})
    pack = packed(write_parquet(tmp_path / "pool.parquet", table), tmp_path)
    assert facts(pack) == {(_digest(image), image[1]) for image in IMAGES}


def test_the_only_class_label_is_the_class_and_minus_one_is_none(tmp_path: Path) -> None:
    features: Features = {"image": {"_type": "Image"}, "kind": {"_type": "ClassLabel", "names": ["a", "b"]}}
    table = _images_table(kind=[(0, 1, -1, None)[i % 4] for i in range(30)])
    pack = packed(write_parquet(tmp_path / "pool.parquet", table, features), tmp_path)
    assert pack.class_ids[:4].tolist() == [0, 1, -1, -1]


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        (_images_table(label=[[0, 1]] * 30), MultiLabelError, "column 'label' gives an image several labels"),
        (_images_table(labels=[["a"]] * 30), MultiLabelError, "label_by"),
        (_images_table(label=[0.5] * 30), BadColumnError, "'label' holds double"),
        (pa.table({"name": ["x"], "url": ["y"]}), UnknownColumnError, "columns are 'name', 'url'"),
        (pa.table({"a": [b"x"], "b": [b"y"]}), UnknownColumnError, "name one of them 'image'"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(
    table: pa.Table, error: type[Exception], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        packed(write_parquet(tmp_path / "pool.parquet", table), tmp_path)
    assert not (tmp_path / "pack").exists()


def test_several_class_labels_need_a_choice(tmp_path: Path) -> None:
    kinds = {"_type": "ClassLabel", "names": ["a", "b"]}
    features: Features = {"image": {"_type": "Image"}, "coarse": kinds, "fine": kinds}
    table = _images_table(coarse=[0, 1] * 15, fine=[1, 0] * 15)
    path = write_parquet(tmp_path / "pool.parquet", table, features)
    with pytest.raises(UnknownColumnError, match="'coarse', 'fine' could all be the class"):
        packed(path, tmp_path)
    assert packed(path, tmp_path, label_by="fine").class_ids[:2].tolist() == [1, 0]


def test_a_class_beyond_the_names_is_refused(tmp_path: Path) -> None:
    features: Features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a"]}}
    path = write_parquet(tmp_path / "pool.parquet", _images_table(label=[0, 1] * 15), features)
    with pytest.raises(BadColumnError, match="the class 1, and its schema names 1 classes"):
        packed(path, tmp_path)


def test_rows_without_an_image_are_rejected(tmp_path: Path) -> None:
    struct = pa.array([{"bytes": None, "path": "/etc/passwd"}, None, {"bytes": IMAGES[0][0], "path": None},
                       {"bytes": b"no image", "path": None}])  # fmt: skip
    pack = packed(write_parquet(tmp_path / "pool.parquet", pa.table({"image": struct})), tmp_path)
    assert (len(pack), pack.summary.n_rejected) == (1, 3)
    assert "paths of files elsewhere are not followed" in pack.summary.rejected[0]["reason"]


@pytest.mark.parametrize("fixed", [True, False])
def test_embeddings_in_parquet(fixed: bool, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    kind = pa.list_(pa.float32(), 5) if fixed else pa.list_(pa.float64())
    folder = tmp_path / "files"
    folder.mkdir()
    for i in range(3):
        rows = slice(10 * i, 10 * i + 10)
        table = pa.table({"embeddings": pa.array(vectors[rows].tolist(), kind), "label": ["a", "b"] * 5})
        write_parquet(folder / f"{i}.parquet", table)
    pack = packed(folder, tmp_path)
    assert (pack.kind, len(pack), pack.summary.channels) == ("embeddings", 30, 5)
    np.testing.assert_array_equal(pack.embeddings(), vectors)
    assert pack.class_ids.tolist() == [0, 1] * 15


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([[1.0, 2.0], [1.0]], BadColumnError),
        ([[1.0, 2.0], None], BadColumnError),
        ([[1.0, 2.0], [1.0, None]], BadColumnError),
        ([[], []], BadColumnError),
        ([[1.0, 2.0], [1.0, float("nan")]], NotFiniteError),
    ],
)
def test_embeddings_that_are_no_vectors_are_refused(
    rows: list[Any], error: type[Exception], tmp_path: Path
) -> None:
    table = pa.table({"embeddings": pa.array(rows, pa.list_(pa.float32()))})
    with pytest.raises(error):
        packed(write_parquet(tmp_path / "pool.parquet", table), tmp_path)


def test_files_of_several_kinds_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    webdataset(folder / "a.tar", IMAGES)
    image_parquet(folder / "b.parquet", IMAGES)
    with pytest.raises(MixedShardsError, match="tars and parquet files"):
        packed(folder, tmp_path)


def test_images_in_a_folder_come_before_archives_in_it(tmp_path: Path) -> None:
    folder = folder_of(IMAGES, tmp_path / "images")
    webdataset(folder / "backup.tar", IMAGES[:2])
    assert len(packed(folder, tmp_path)) == 30


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_shards_cut_short_are_broken(kind: str, share: float, tmp_path: Path) -> None:
    path = _sharded(kind, tmp_path / "files")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BrokenArchiveError):
        packed(path, tmp_path)


def test_a_parquet_of_one_value_a_million_times_is_a_bomb(tmp_path: Path) -> None:
    huge = encoded("png") + bytes(2**20)
    table = pa.table({"image": pa.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), [huge])})
    path = tmp_path / "bomb.parquet"
    pq.write_table(table, path, compression="zstd", store_schema=False, dictionary_pagesize_limit=2**30)
    assert path.stat().st_size < 2**20
    with pytest.raises(HostileArchiveError):
        packed(path, tmp_path)


def test_damaged_metadata_of_the_schema_does_not_matter(tmp_path: Path) -> None:
    for told in (b"[", b"[]", b'{"info": 3}', json.dumps({"info": {"features": {"label": 7}}}).encode()):
        table = _images_table(label=[n for _, n in IMAGES]).replace_schema_metadata({b"huggingface": told})
        path = tmp_path / "pool.parquet"
        pq.write_table(table, path)
        (tmp_path / "out").mkdir(exist_ok=True)
        write_pack(path, path.name, tmp_path / "out" / str(len(told)))
        assert Pack(tmp_path / "out" / str(len(told))).classes == ["cat", "dog", "owl"]
