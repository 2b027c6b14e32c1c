"""Archives of images: zip, tar, tar.gz, npz or a folder, told apart by content and read in flat memory."""

import gzip
import os
import tarfile
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Protocol, Self

from g2l.data.arrays import ARRAY_NAMES, NpzEmbeddings, NpzImages
from g2l.data.entries import Entry, NameCheck, Rejected, image_path, readable
from g2l.data.images import sniff_format
from g2l.data.limits import MAX_ITEM_BYTES, check_entry_count
from g2l.data.tars import TarImages
from g2l.data.zips import BrokenArchiveError, Member, UnreadableMemberError, ZipReader
from g2l.errors import G2LError

_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip", ".npz")
_WANTED = "send a .zip, .tar, .tar.gz or .npz file, or a folder"


class UnsupportedArchiveError(G2LError):
    """A file that is no archive of a kind known here."""

    code: ClassVar[str] = "unsupported-archive"
    title: ClassVar[str] = "The file is not an archive that can be read"


class ImageArchive(Protocol):
    """A source of images: an iterable of entries that knows how far it is."""

    has_folders: ClassVar[bool]
    size: int

    @property
    def position(self) -> int:
        """Bytes read so far, of `size`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The image-named files, in an order that depends on the content alone."""
        ...


def open_archive(path: Path, filename: str) -> ImageArchive | NpzEmbeddings:
    """Open what was uploaded, by its content; the name only words the errors.

    Args:
        path: the file or folder.
        filename: its name as the user knows it.

    Returns:
        A context manager; iterating an `ImageArchive` reads each image once, in flat memory.

    Raises:
        UnsupportedArchiveError: the content is of no known kind.
        BrokenArchiveError: the file is empty, cut short or damaged.
        HostileArchiveError: the archive is a bomb.
        BadArraysError: an npz without usable arrays.
    """
    if path.is_dir():
        return FolderImages(path)
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if not head:
        raise BrokenArchiveError(f"'{filename}' is empty (0 bytes); {_WANTED}", field="file")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _open_zip(path)
    if _is_tar(_unpacked_head(path) if head[:2] == b"\x1f\x8b" else head):
        return TarImages(path)
    raise _unknown(head, filename)


def archive_stem(filename: str) -> str:
    """A file's name without folders and archive endings: `pool` of `pool.tar.gz`."""
    name = readable(Path(filename).name)
    ending = next((e for e in _ENDINGS if name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)]


def _open_zip(path: Path) -> "ZipImages | NpzImages | NpzEmbeddings":
    reader = ZipReader(path)
    try:
        images, arrays = ZipImages(reader), dict[str, Member]()
        for member in reader.members():
            if member.name in ARRAY_NAMES:
                arrays[member.name] = member
            else:
                images.add(member)
        if "images.npy" in arrays and "embeddings.npy" in arrays:
            raise UnsupportedArchiveError(
                "the npz has both 'images' and 'embeddings'; send one of them", field="file"
            )
        if "images.npy" in arrays:
            return NpzImages(reader, arrays)
        return NpzEmbeddings(reader, arrays) if "embeddings.npy" in arrays else images
    except BaseException:
        reader.__exit__()
        raise


def _unpacked_head(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(tarfile.BLOCKSIZE)
    except (EOFError, OSError, zlib.error) as error:
        raise BrokenArchiveError(
            f"the gzip file cannot be read ({error}); upload it again", field="file"
        ) from error


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return not head.strip(b"\0")  # a block of zeros: a tar with nothing in it
    return True


def _unknown(head: bytes, filename: str) -> G2LError:
    image = sniff_format(head)
    if image:
        return UnsupportedArchiveError(
            f"'{filename}' is a single {image} image; put images in an archive: {_WANTED}", field="file"
        )
    if filename.lower().endswith(_ENDINGS):
        return BrokenArchiveError(
            f"'{filename}' is not the archive that its name says; it is damaged or something else: {_WANTED}",
            field="file",
        )
    return UnsupportedArchiveError(
        f"'{filename}' is no archive that can be read here; {_WANTED}", field="file"
    )


class ZipImages:
    """The images of a zip, sorted by path.

    Attributes:
        has_folders: True: labels and splits are read from the folders of the paths.
        size: bytes of the file.
        position: bytes of it read so far.
    """

    has_folders: ClassVar[bool] = True

    def __init__(self, reader: ZipReader) -> None:
        self._reader = reader
        self.size = reader.size
        self.position = 0
        self._paths: list[str] = []
        self._fields = array("Q")  # of a million members, a tenth of the memory that a million objects take

    def add(self, member: Member) -> None:
        """List a member, if it is named like an image."""
        path = image_path(member.name)
        if path is not None:
            self._paths.append(path)
            self._fields.extend(member[1:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.__exit__()

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The images; members that cannot be read are rejected one by one.

        Raises:
            HostileArchiveError: more came out of the archive than it is allowed.
        """
        names = NameCheck()
        n_fields = len(Member._fields) - 1
        for i in sorted(range(len(self._paths)), key=self._paths.__getitem__):
            path = self._paths[i]
            member = Member(path, *self._fields[i * n_fields : (i + 1) * n_fields])
            self.position += member.packed
            reason = names.reason(path)
            if reason is None:
                try:
                    yield Entry(path, self._reader.read(member))
                    continue
                except UnreadableMemberError as error:
                    reason = str(error)
            yield Rejected(path, reason)


class FolderImages:
    """The images below a folder, sorted by path; symbolic links are not followed.

    Attributes:
        has_folders: True: labels and splits are read from the folders of the paths.
        size: bytes of all images.
        position: bytes of them read so far.

    Raises:
        HostileArchiveError: it has too many entries.
    """

    has_folders: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self.position = 0
        self._images: list[tuple[str, str]] = []
        n_entries = 0
        for place, folders, files in os.walk(folder):
            n_entries += len(folders) + len(files)
            check_entry_count(n_entries)
            for name in files:
                file = os.path.join(place, name)
                path = image_path(os.path.relpath(file, folder))
                if path is not None and not os.path.islink(file) and os.path.isfile(file):
                    self._images.append((path, file))
                    self.size += os.lstat(file).st_size
        self._images.sort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The images; files that cannot be read are rejected one by one."""
        names = NameCheck()
        for path, file in self._images:
            reason = names.reason(path)
            if reason is None:
                try:
                    data = _read_file(file)
                except OSError as error:
                    reason = f"it cannot be read ({error.strerror})"
                else:
                    self.position += len(data)
                    yield Entry(path, data)
                    continue
            yield Rejected(path, reason)


def _read_file(file: str) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)  # it may have become a link since it was listed
    with os.fdopen(descriptor, "rb") as opened:
        if os.fstat(descriptor).st_size > MAX_ITEM_BYTES:
            raise OSError(0, f"more than {MAX_ITEM_BYTES:,} bytes, too many for one image")
        return opened.read()
