"""A folder as a tar stream: packed on the fly, its length known beforehand, in flat memory."""

import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from g2l.client.errors import ClientError
from g2l.client.values import Problem

CHUNK = 1 << 20
# The service's list; a test holds the two equal.
IMAGE_ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".dcm", ".dicom"),
)
SHARD_ENDINGS = (".tar", ".tar.gz", ".tgz", ".parquet")
BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)


class PackingError(ClientError):
    """A path that cannot be uploaded."""

    def __init__(self, detail: str) -> None:
        super().__init__(Problem("/problems/cannot-upload", "The path cannot be uploaded", detail=detail))


def is_image(name: str) -> bool:
    """Whether a file's name ends like an image's."""
    return name.lower().endswith(IMAGE_ENDINGS)


def may_be_image(name: str) -> bool:
    """Whether a file's name ends like an image's, or not at all, as those of DICOM files often do."""
    ending = name.rpartition(".")[2]
    return is_image(name) or ending == name or ending.isdigit()


def is_visible(name: str) -> bool:
    """Whether a file is neither hidden nor an archiver's litter."""
    return not name.startswith(".") and name != "__MACOSX"


def is_shard(path: str) -> bool:
    """Whether a file's name ends like that of one of several files of a dataset."""
    return path.lower().endswith(SHARD_ENDINGS)


def default_name(path: Path) -> str:
    """A path's own name, without an archive's ending."""
    name = path.resolve().name
    if path.is_dir():
        return name
    return name[: -len(".tar.gz")] if name.lower().endswith(".tar.gz") else Path(name).stem


@dataclass(frozen=True)
class FolderTar:
    """The visible files of a folder and its subfolders, in the order of their names, as one tar.

    Links are followed, as far as they lead to no folder that they are in. Times, owners and modes are left
    out, so the same files give the same bytes.

    Attributes:
        folder: where the names in the tar begin.
        wanted: which file names are packed.
    """

    folder: Path
    wanted: Callable[[str], bool] = is_image

    def size(self) -> int:
        """Bytes of the whole tar.

        Raises:
            PackingError: the folder holds no wanted file.
        """
        total = 0
        for name, entry in _walk(self.folder, self.wanted):
            size = entry.stat().st_size
            total += len(_header(name, size)) + _padded(size)
        if total == 0:
            raise PackingError(f"{self.folder} has no files that could be used; images end in {_endings()}")
        return total + len(END)

    def chunks(self) -> Iterator[bytes]:
        """The tar, piece by piece.

        Raises:
            PackingError: a file changed its size while it was read.
        """
        for name, entry in _walk(self.folder, self.wanted):
            size = entry.stat().st_size
            yield _header(name, size)
            yield from _content(Path(entry.path), size)
            yield bytes(_padded(size) - size)
        yield END


def shards_below(folder: Path) -> dict[str, Path]:
    """The visible tars and parquet files below a folder, by name; none where it has images."""
    if next(_walk(folder, is_image), None) is not None:
        return {}
    return {name: Path(entry.path) for name, entry in _walk(folder, is_shard)}


def _walk(folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    yield from _below(os.fspath(folder), "", wanted, inside=frozenset())


def _below(
    folder: str, prefix: str, wanted: Callable[[str], bool], *, inside: frozenset[tuple[int, int]]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    status = os.stat(folder)
    here = (status.st_dev, status.st_ino)
    if here in inside:  # a link to a folder around it
        return
    with os.scandir(folder) as entries:
        visible = sorted((e for e in entries if is_visible(e.name)), key=lambda e: e.name)
    for entry in visible:
        if entry.is_dir():
            yield from _below(entry.path, f"{prefix}{entry.name}/", wanted, inside=inside | {here})
        elif wanted(entry.name) and entry.is_file():
            yield prefix + entry.name, entry


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with path.open("rb") as file:
        while left and (chunk := file.read(min(left, CHUNK))):
            left -= len(chunk)
            yield chunk
        if left or file.read(1):
            raise PackingError(f"{path} changed while it was uploaded; try again when nothing writes to it")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _endings() -> str:
    return ", ".join(IMAGE_ENDINGS)
