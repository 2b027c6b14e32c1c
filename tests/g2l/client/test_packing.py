"""Folders as tars: everything that is an image, nothing else, in flat memory, of the length that was said."""

import io
import os
import tarfile
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from g2l.client.packing import IMAGE_ENDINGS, SHARD_ENDINGS, FolderTar, PackingError, is_visible
from g2l.data import entries, shards

MIB = 1 << 20


def members(tar: FolderTar) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar.chunks()))) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]


def write(path: Path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_image_endings_are_those_of_the_service() -> None:
    assert set(IMAGE_ENDINGS) == entries.IMAGE_ENDINGS


def test_packs_images_in_order_and_nothing_else(tmp_path: Path) -> None:
    for name in ("train/b/2.png", "train/a/1.JPG", "train/a/.hidden.png", "notes.txt", "__MACOSX/a/1.png"):
        write(tmp_path / name, name.encode())
    write(tmp_path / ".git" / "x.png")
    assert members(FolderTar(tmp_path)) == {
        "train/a/1.JPG": b"train/a/1.JPG",
        "train/b/2.png": b"train/b/2.png",
    }
    assert list(members(FolderTar(tmp_path))) == ["train/a/1.JPG", "train/b/2.png"]


def test_packs_every_visible_file_where_that_is_wanted(tmp_path: Path) -> None:
    write(tmp_path / "config.json")
    write(tmp_path / ".DS_Store")
    assert set(members(FolderTar(tmp_path, is_visible))) == {"config.json"}


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: not name.startswith(".") and len(name.encode()) <= 200
)
paths = st.lists(names, min_size=1, max_size=3).map(tuple)


@settings(max_examples=30, deadline=None)
@given(
    files=st.dictionaries(
        st.lists(names, min_size=1, max_size=3).map(tuple), st.binary(max_size=1500), max_size=6
    )
)
@example(files={("a" * 120, "b" * 120): b"a name too long for a plain header"})
@example(files={("é", "日本"): b""})
def test_size_is_the_length_of_the_tar(files: dict[tuple[str, ...], bytes]) -> None:
    with tempfile.TemporaryDirectory() as root:
        written = {}
        for parts, content in {**files, ("always",): b"1"}.items():
            path = Path(root, *(f"d{part}" for part in parts[:-1]), f"f{parts[-1]}.png")
            write(path, content)
            written[path.relative_to(root).as_posix()] = content
        tar = FolderTar(Path(root))
        assert tar.size() == sum(len(chunk) for chunk in tar.chunks())
        assert members(tar) == written


def test_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    for root in ("one", "two"):
        write(tmp_path / root / "a.png")
    os.utime(tmp_path / "two" / "a.png", (0, 0))
    (tmp_path / "two" / "a.png").chmod(0o600)
    one, two = (b"".join(FolderTar(tmp_path / root).chunks()) for root in ("one", "two"))
    assert one == two


def test_names_that_are_no_utf_8_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        write(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    tar = FolderTar(tmp_path)
    assert tar.size() == sum(len(chunk) for chunk in tar.chunks())
    assert [os.fsencode(found) for found in members(tar)] == [b"caf\xe9.png"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "1.png")
    write(tmp_path / "pool" / "0.png")
    (tmp_path / "pool" / "class").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pool" / "again").symlink_to(tmp_path / "pool")
    (tmp_path / "pool" / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    assert set(members(FolderTar(tmp_path / "pool"))) == {"0.png", "class/1.png"}


def test_memory_stays_flat(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(256 * MIB)
    tracemalloc.start()
    try:
        tar = FolderTar(tmp_path)
        total = sum(len(chunk) for chunk in tar.chunks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == tar.size() > 256 * MIB
    assert peak < 8 * MIB


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt")
    with pytest.raises(PackingError, match=r"no files that could be used.*\.png"):
        FolderTar(tmp_path).size()


@pytest.mark.parametrize("change", [b"", b"grown larger"])
def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path, change: bytes) -> None:
    write(tmp_path / "a.png", b"before")
    chunks = FolderTar(tmp_path).chunks()
    next(chunks)  # the header, with the size
    write(tmp_path / "a.png", change)
    with pytest.raises(PackingError, match="changed while it was uploaded"):
        list(chunks)


def test_the_endings_of_shards_are_those_of_the_service() -> None:
    assert SHARD_ENDINGS == shards.SHARD_ENDINGS
