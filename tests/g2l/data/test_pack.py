"""From an archive to a pack and back: items, summary, labels, splits, resized arrays."""

import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from g2l.data.images import decode
from g2l.data.ingest import NoImagesError
from g2l.data.pack import Pack, write_pack
from g2l.data.pixels import ChannelMismatchError
from g2l.data.splits import ClassTooSmallError
from g2l.data.zips import BrokenArchiveError
from tests.fixtures.images import (
    HEIGHT,
    WIDTH,
    broken,
    classes_of,
    encoded,
    one_of_each,
    picture,
    picture16,
    saved,
    write_folder,
    write_tar,
    write_zip,
)


def pack_of(folder: Path, files: dict[str, bytes], name: str = "pool.zip") -> Pack:
    source = (write_zip if name.endswith("zip") else write_tar)(folder / name, files)
    write_pack(source, name, folder / "pack")
    return Pack(folder / "pack")


def test_every_kind_goes_in_and_the_broken_are_listed(tmp_path: Path) -> None:
    good = one_of_each()
    pack = pack_of(tmp_path, good | broken())
    assert len(pack) == pack.summary.n_items == len(good)
    assert pack.summary.n_rejected == len(broken())
    assert {r["path"] for r in pack.summary.rejected} == set(broken())
    assert all(r["reason"] for r in pack.summary.rejected)
    assert (pack.summary.channels, pack.summary.dtype) == (3, "uint16")
    assert pack.summary.image_size == {"min": HEIGHT, "max": WIDTH}
    for i, path in enumerate(pack.paths.to_pylist()):
        data, media_type = pack.encoded(i)
        assert data == good[path]
        assert pack.digests[i].decode() == pack.item(i).sha256.hex() == hashlib.sha256(data).hexdigest()
        assert media_type.startswith("image/")
        np.testing.assert_array_equal(pack.image(i), decode(good[path]))
        assert Image.open(io.BytesIO(pack.thumbnail(i, 16))).format == "JPEG"


def test_a_hundred_rejections_are_listed_and_all_counted(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {f"{i:03d}.png": b"no image" for i in range(150)} | {"good.png": encoded("png")})
    assert (len(pack), pack.summary.n_rejected, len(pack.summary.rejected)) == (1, 150, 100)
    assert [r["path"] for r in pack.summary.rejected[:2]] == ["000.png", "001.png"]


def test_labels_and_splits_come_from_folders(tmp_path: Path) -> None:
    files = classes_of({"train/é a-b": 3, "train/zoo": 2, "test/zoo": 2})
    pack = pack_of(tmp_path, files)
    assert pack.summary.classes == [{"name": "zoo", "count": 4}, {"name": "é a-b", "count": 3}]
    assert pack.summary.splits == {"train": 5, "test": 2, "derived": False}
    for i in range(len(pack)):
        split, label, _ = pack.paths[i].as_py().split("/")
        assert (pack.splits[i], pack.classes[pack.class_ids[i]]) == (split, label)
        assert (pack.item(i).split, pack.item(i).label) == (split, label)


def test_zip_folder_and_tar_give_the_same_items(tmp_path: Path) -> None:
    files = dict(sorted(classes_of({"cat": 5, "dog": 7}).items()))
    sources = [
        write_zip(tmp_path / "a.zip", files),
        write_tar(tmp_path / "a.tar.gz", files),
        write_folder(tmp_path / "a", files),
    ]
    packs = []
    for i, source in enumerate(sources):
        write_pack(source, source.name, tmp_path / f"pack{i}")
        packs.append(Pack(tmp_path / f"pack{i}"))
    for pack in packs:
        assert pack.table.equals(packs[0].table)
        assert pack.summary == packs[0].summary
        assert pack.target_split().derived
        np.testing.assert_array_equal(pack.target_split().test, packs[0].target_split().test)


def test_a_flat_pool_has_neither_labels_nor_splits(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {f"pool/{i}.png": encoded("png", i) for i in range(4)})
    assert pack.summary.classes == []
    assert pack.summary.splits == {"train": 4, "test": 0, "derived": False}
    assert (pack.class_ids == -1).all()
    assert pack.pretraining_indices().tolist() == [0, 1, 2, 3]


def test_a_labelled_set_without_test_shows_the_split_it_would_get(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, classes_of({"cat": 10, "dog": 20}))
    assert pack.summary.splits == {"train": 21, "test": 9, "derived": True}
    assert (pack.splits == "").all()
    assert len(pack.pretraining_indices()) == 30


def test_a_class_of_one_image_is_a_legal_pool_and_no_target(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, classes_of({"cat": 3, "dog": 1}))
    assert pack.summary.splits == {"train": 4, "test": 0, "derived": False}
    with pytest.raises(ClassTooSmallError, match="'dog'"):
        pack.target_split()


def test_one_image_is_a_dataset(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {"x.png": encoded("png")})
    assert len(pack) == 1
    assert pack.resized(8, 3).shape == (1, 8, 8, 3)


def test_more_items_than_a_batch_of_the_index(tmp_path: Path) -> None:
    tiny = [saved(np.full((1, 1, 3), i, np.uint8), "PPM") for i in range(256)]
    pack = pack_of(tmp_path, {f"c{i % 2}/{i:05d}.ppm": tiny[i % 256] for i in range(9_000)})
    assert len(pack) == 9_000
    assert [c["count"] for c in pack.summary.classes] == [4_500, 4_500]
    numbers = [int(path[3:8]) % 256 for path in pack.paths.to_pylist()]
    assert (pack.resized(1, 1).ravel() == numbers).all()
    assert len(np.unique(pack.digests)) == 256


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no files named like images"),
        ({"a.txt": b"x", ".x.png": b"x"}, "no files named like images"),
        (
            {"a.png": b"x", "b.png": b""},
            r"none of the 2 image files can be read; the first, 'a.png', because",
        ),
    ],
)
def test_an_archive_without_images_is_refused_and_leaves_nothing(
    files: dict[str, bytes], says: str, tmp_path: Path
) -> None:
    with pytest.raises(NoImagesError, match=says):
        pack_of(tmp_path, files)
    assert not (tmp_path / "pack").exists()


def test_an_archive_cut_short_leaves_nothing(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "cut.tar", {f"{i}.png": encoded("png", i) for i in range(300)})
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(BrokenArchiveError):
        write_pack(path, "cut.tar", tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


class Cancelled(Exception):
    """What a caller raises to stop the work."""


def test_progress_grows_to_the_whole_and_may_stop_the_work(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "a.zip", {f"{i}.png": encoded("png", i) for i in range(500)})
    seen: list[tuple[int, int]] = []
    write_pack(source, "a.zip", tmp_path / "pack", on_progress=lambda *now: seen.append(now))
    assert seen == sorted(seen)
    assert seen[-1] == (source.stat().st_size,) * 2

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        write_pack(source, "a.zip", tmp_path / "other", on_progress=cancel)
    assert not (tmp_path / "other").exists()
    with pytest.raises(Cancelled):
        Pack(tmp_path / "pack").resized(8, 3, out=tmp_path / "r.npy", on_progress=cancel)
    assert not list(tmp_path.glob("r.npy*"))


def test_a_pack_is_not_written_over_another(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {"x.png": encoded("png")})
    with pytest.raises(FileExistsError):
        write_pack(tmp_path / "pool.zip", "pool.zip", pack.folder)
    assert len(Pack(pack.folder)) == 1


@pytest.mark.parametrize("kind", ["png", "jpeg", "grey jpeg", "rotated jpeg", "rgba png", "palette png"])
def test_resized_equals_the_stock_image_processor(kind: str, tmp_path: Path) -> None:
    processors = pytest.importorskip("transformers.models.vit.image_processing_pil_vit")
    pack = pack_of(tmp_path, {"x.png": encoded(kind, 3)})
    processor = processors.ViTImageProcessorPil(
        size={"height": 20, "width": 20}, do_rescale=False, do_normalize=False
    )
    shown = Image.fromarray(np.repeat(pack.image(0), 3 // pack.image(0).shape[2], axis=2))
    stock = processor(shown, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    np.testing.assert_array_equal(pack.resized(20, 3)[0], stock)


def test_resized_takes_items_in_any_order_and_any_channels(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {f"{i}.png": encoded("grey png" if i % 2 else "png", i) for i in range(6)})
    whole = pack.resized(16, 3)
    np.testing.assert_array_equal(pack.resized(16, 3, np.array([4, 1, 1])), whole[[4, 1, 1]])
    assert (whole[1, ..., 0] == whole[1, ..., 2]).all()
    np.testing.assert_allclose(pack.resized(16, 1)[..., 0], whole.mean(axis=3), atol=0.51)
    with pytest.raises(ChannelMismatchError):
        pack.resized(16, 4)


def test_8_bit_images_among_16_bit_ones_are_scaled(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {"a.png": encoded("16-bit png", 3), "b.png": encoded("grey png", 3)})
    images = pack.resized(WIDTH, 1)
    assert images.dtype == np.uint16
    np.testing.assert_allclose(images[1, :, :, 0].mean(), picture(3, channels=1).mean() * 257, rtol=0.01)
    np.testing.assert_allclose(images[0, :, :, 0].mean(), picture16(3).mean(), rtol=0.01)


def test_resized_into_a_file_is_kept_and_not_made_twice(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {f"{i}.png": encoded("png", i) for i in range(5)})
    out = tmp_path / "16x3.npy"
    first = pack.resized(16, 3, out=out)
    np.testing.assert_array_equal(first, pack.resized(16, 3))
    (pack.folder / "images.bin").unlink()
    np.testing.assert_array_equal(pack.resized(16, 3, out=out), first)
    assert sorted(path.name for path in tmp_path.glob("16x3*")) == ["16x3.npy"]


MEASURE = """
import resource, sys
from pathlib import Path
from g2l.data.pack import Pack, write_pack
small, large, folder = map(Path, sys.argv[1:])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
write_pack(small, small.name, folder / "a")
before = peak()
write_pack(large, large.name, folder / "b")
print(len(Pack(folder / "b")), peak() - before)
"""


@pytest.mark.parametrize("name", ["large.zip", "large.tar"])
def test_memory_stays_flat_while_300_mb_are_packed(name: str, tmp_path: Path) -> None:
    image = saved(picture(1, height=1000, width=1000), "BMP")
    write = write_zip if name.endswith("zip") else write_tar
    large = write(tmp_path / name, {f"{i:03d}.bmp": image for i in range(100)})
    small = write_zip(tmp_path / "small.zip", {"x.bmp": image})
    assert large.stat().st_size > 300_000_000
    command = [sys.executable, "-c", MEASURE, str(small), str(large), str(tmp_path)]
    n_items, growth_mb = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    large.unlink()  # pytest keeps the folders of the last runs
    shutil.rmtree(tmp_path / "b")
    assert int(n_items) == 100
    assert float(growth_mb) < 100
