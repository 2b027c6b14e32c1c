"""npz files: images and embeddings."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from g2l.data.archives import UnsupportedArchiveError
from g2l.data.arrays import BadArraysError, NotFiniteError
from g2l.data.columns import MultiLabelError, UnknownColumnError
from g2l.data.ingest import NoImagesError
from g2l.data.pack import Pack, WrongKindError, write_pack

RNG = np.random.default_rng(0)


def pack_of(folder: Path, *, compressed: bool = False, **arrays: Any) -> Pack:
    (np.savez_compressed if compressed else np.savez)(folder / "data.npz", **arrays)
    write_pack(folder / "data.npz", "data.npz", folder / "pack")
    return Pack(folder / "pack")


def stack(*shape: int, dtype: str = "uint8") -> NDArray[Any]:
    return RNG.integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2"])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (5,)])
def test_images_come_back(dtype: str, channels: tuple[int, ...], compressed: bool, tmp_path: Path) -> None:
    images = stack(7, 9, 8, *channels, dtype=dtype)
    pack = pack_of(tmp_path, compressed=compressed, images=images)
    n_channels = (*channels, 1)[0]
    assert (len(pack), pack.summary.channels, pack.summary.dtype) == (7, n_channels, np.dtype(dtype).name)
    for i in range(7):
        np.testing.assert_array_equal(pack.image(i), images[i].reshape(9, 8, n_channels))
    assert pack.summary.classes == []
    assert pack.summary.image_size == {"min": 8, "max": 9}


@pytest.mark.parametrize(
    ("labels", "names"),
    [(np.array([3, 10, 3]), ["3", "10", "3"]), (np.array(["é a-b", "x", "x"]), ["é a-b", "x", "x"]),
     (np.array([b"cat", b"dog", b"cat"]), ["cat", "dog", "cat"])],
)  # fmt: skip
def test_labels_are_class_names(labels: NDArray[Any], names: list[str], tmp_path: Path) -> None:
    pack = pack_of(tmp_path, images=stack(3, 4, 4), labels=labels)
    assert [pack.classes[i] for i in pack.class_ids] == names


def test_many_images_come_in_order(tmp_path: Path) -> None:
    images = stack(3000, 40, 40)
    pack = pack_of(tmp_path, images=images)
    np.testing.assert_array_equal(pack.resized(40, 1)[..., 0], images)
    assert pack.paths[2999].as_py() == "images/0002999"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_embeddings_come_back(dtype: str, tmp_path: Path) -> None:
    vectors = RNG.normal(size=(40, 6)).astype(dtype)
    pack = pack_of(tmp_path, embeddings=vectors, labels=np.arange(40) % 2)
    assert (pack.kind, len(pack), pack.summary.channels) == ("embeddings", 40, 6)
    assert pack.embeddings().dtype == np.float32
    np.testing.assert_array_equal(pack.embeddings(), vectors.astype(np.float32))
    assert pack.summary.classes == [{"name": "0", "count": 20}, {"name": "1", "count": 20}]
    assert pack.summary.splits == {"train": 28, "test": 12, "derived": True}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_refused_with_their_row(value: float, tmp_path: Path) -> None:
    vectors = RNG.normal(size=(100_000, 16))
    vectors[77_777, 3] = value
    with pytest.raises(NotFiniteError, match="row 77777"):
        pack_of(tmp_path, embeddings=vectors)
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": RNG.random((3, 4, 4))}, "must be uint8 or uint16.*float64, 3 x 4 x 4"),
        ({"images": stack(3, 4)}, "must be uint8 or uint16"),
        ({"images": stack(3, 0, 4)}, "must be uint8 or uint16"),
        ({"images": np.array(["a", None], object)}, "Python objects"),
        ({"images": np.asfortranarray(stack(3, 4, 4))}, "Fortran order"),
        ({"images": stack(3, 4, 4), "labels": np.arange(2)}, "must be 3 integers or texts"),
        ({"images": stack(3, 4, 4), "labels": np.zeros(3)}, "must be 3 integers or texts"),
        ({"embeddings": np.arange(6).reshape(3, 2)}, "must be float, N x D"),
        ({"embeddings": np.zeros((2, 3, 4))}, "must be float, N x D"),
        ({"embeddings": np.zeros((2, 0))}, "must be float, N x D"),
    ],
)
def test_other_arrays_are_refused(arrays: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(BadArraysError, match=says) as caught:
        pack_of(tmp_path, **arrays)
    assert caught.value.field == "file"
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize(
    "labels", [np.eye(3, dtype=np.uint8), np.array([[True, False], [True, True], [False, True]])]
)
def test_several_labels_an_item_are_refused_with_the_cure(labels: NDArray[Any], tmp_path: Path) -> None:
    with pytest.raises(MultiLabelError, match=r"array 'labels' .*keep one label an image"):
        pack_of(tmp_path, images=stack(3, 4, 4), labels=labels)


def test_label_by_names_an_array(tmp_path: Path) -> None:
    species = np.array(["a", "b", "a"])
    arrays: dict[str, Any] = {"images": stack(3, 4, 4), "labels": np.arange(3), "species": species}
    np.savez(tmp_path / "data.npz", **arrays)
    write_pack(tmp_path / "data.npz", "data.npz", tmp_path / "pack", label_by="species")
    assert Pack(tmp_path / "pack").classes == ["a", "b"]
    with pytest.raises(UnknownColumnError, match="arrays 'labels', 'species'"):
        write_pack(tmp_path / "data.npz", "data.npz", tmp_path / "other", label_by="kind")


def test_both_kinds_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedArchiveError, match="one of them"):
        pack_of(tmp_path, images=stack(3, 4, 4), embeddings=np.zeros((3, 2)))


@pytest.mark.parametrize("name", ["images", "embeddings"])
def test_no_rows_are_no_dataset(name: str, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {name: stack(0, 4, 4) if name == "images" else np.zeros((0, 4))}
    with pytest.raises(NoImagesError):
        pack_of(tmp_path, **arrays)


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("images.npy", b"not an array")
    with pytest.raises(BadArraysError, match=r"not an array that numpy.save writes"):
        write_pack(tmp_path / "data.npz", "data.npz", tmp_path / "pack")


def test_an_array_shorter_than_its_header_says_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (10, 4, 4)})
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("images.npy", file.getvalue() + b"\0" * 100)
    with pytest.raises(BadArraysError, match="ends before its 10 rows"):
        write_pack(tmp_path / "data.npz", "data.npz", tmp_path / "pack")


def test_embeddings_have_no_pixels_and_images_no_embeddings(tmp_path: Path) -> None:
    vectors = pack_of(tmp_path, embeddings=np.zeros((3, 2)))
    for ask in (lambda: vectors.image(0), lambda: vectors.thumbnail(0, 8), lambda: vectors.resized(8, 3)):
        with pytest.raises(WrongKindError, match="holds embeddings, and images are needed"):
            ask()
    (tmp_path / "other").mkdir()
    with pytest.raises(WrongKindError, match="holds images"):
        pack_of(tmp_path / "other", images=stack(2, 4, 4)).embeddings()
