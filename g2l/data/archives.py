"""Archives of images: zip, tar, tar.gz, npz or a folder, told apart by content and read in flat memory."""

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Protocol, Self

from g2l.data.arrays import ARRAY_NAMES, NpzEmbeddings, NpzImages
from g2l.data.entries import Entry, Rejected, SortedNameCheck, image_path, readable
from g2l.data.groups import FOLDER, no_groups
from g2l.data.images import sniff_format
from g2l.data.limits import MAX_ITEM_BYTES, check_entry_count
from g2l.data.runs import SortedPaths
from g2l.data.tars import TarImages
from g2l.data.zips import BrokenArchiveError, Member, UnreadableMemberError, ZipReader
from g2l.errors import G2LError

_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip", ".npz")
_MOST_ARRAYS = 100  # of an npz that are looked at; further ones mean nothing here
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


def open_archive(
    path: Path, filename: str, *, group_by: str | None = None, scratch: Path | None = None
) -> ImageArchive | NpzEmbeddings:
    """Open what was uploaded, by its content; the name only words the errors.

    Args:
        path: the file or folder.
        filename: its name as the user knows it.
        group_by: the column, field or array that says which group an item belongs to; "folder" where the
            paths' folders do, which is left to `Layout`.
        scratch: a folder for files without a name, which large archives need; the system's own if None.

    Returns:
        A context manager; iterating an `ImageArchive` reads each image once, in flat memory.

    Raises:
        UnsupportedArchiveError: the content is of no known kind.
        BrokenArchiveError: the file is empty, cut short or damaged.
        HostileArchiveError: the archive is a bomb.
        BadArraysError: an npz without usable arrays.
        NoGroupsError: `group_by` names nothing that is there.
    """
    if path.is_dir():
        _require_folder(group_by)
        return FolderImages(path)
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if not head:
        raise BrokenArchiveError(f"'{filename}' is empty (0 bytes); {_WANTED}", field="file")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _open_zip(path, group_by, scratch)
    if _is_tar(_unpacked_head(path) if head[:2] == b"\x1f\x8b" else head):
        _require_folder(group_by)
        return TarImages(path)
    raise _unknown(head, filename)


def archive_stem(filename: str) -> str:
    """A file's name without folders and archive endings: `pool` of `pool.tar.gz`."""
    name = readable(Path(filename).name)
    ending = next((e for e in _ENDINGS if name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)]


def _open_zip(
    path: Path, group_by: str | None, scratch: Path | None
) -> "ZipImages | NpzImages | NpzEmbeddings":
    reader = ZipReader(path)
    images = ZipImages(reader, scratch)
    try:
        arrays, wanted = dict[str, Member](), {*ARRAY_NAMES, f"{group_by}.npy"}
        for member in reader.members():
            if member.name in wanted or (_is_array(member.name) and len(arrays) < _MOST_ARRAYS):
                arrays[member.name] = member
            else:
                images.add(member)
        if "images.npy" in arrays and "embeddings.npy" in arrays:
            raise UnsupportedArchiveError(
                "the npz has both 'images' and 'embeddings'; send one of them", field="file"
            )
        if "images.npy" in arrays:
            return NpzImages(reader, arrays, group_by)
        if "embeddings.npy" in arrays:
            return NpzEmbeddings(reader, arrays, group_by)
        _require_folder(group_by)
        return images
    except BaseException:
        images.__exit__()
        raise


def _is_array(name: str) -> bool:
    return name.endswith(".npy") and "/" not in name


def _require_folder(group_by: str | None) -> None:
    if group_by not in (None, FOLDER):
        raise no_groups(group_by, "source of groups", [FOLDER])


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

    def __init__(self, reader: ZipReader, scratch: Path | None = None) -> None:
        self._reader = reader
        self.size = reader.size
        self.position = 0
        self._records = SortedPaths(scratch)

    def add(self, member: Member) -> None:
        """List a member, if it is named like an image."""
        path = image_path(member.name)
        if path is not None:
            self._records.add(path, member.record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._records.close()
        self._reader.__exit__()

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The images; members that cannot be read are rejected one by one.

        Raises:
            HostileArchiveError: more came out of the archive than it is allowed.
        """
        names = SortedNameCheck()
        for path, record in self._records:
            member = self._reader.member_at(record)
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
        names = SortedNameCheck()
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
