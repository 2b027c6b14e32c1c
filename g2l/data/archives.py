"""Archives of images: zip, tar, parquet, npz or a folder, told apart by content and read in flat memory."""

import gzip
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Protocol, Self

from g2l.data.arrays import ARRAY_NAMES, NpzEmbeddings, NpzImages
from g2l.data.columns import Columns, require_no_label
from g2l.data.dicom import HEAD_BYTES, is_dicom
from g2l.data.entries import Entry, Rejected, SortedNameCheck, image_path, nameless_path, readable
from g2l.data.folders import FolderImages
from g2l.data.groups import no_groups
from g2l.data.images import sniff_format
from g2l.data.parquet import MAGIC as PARQUET_MAGIC
from g2l.data.runs import SortedPaths
from g2l.data.shards import (
    ParquetEmbeddings,
    Shard,
    is_shard,
    open_shards,
    shards_below,
    unpacked_shards,
)
from g2l.data.zips import BrokenArchiveError, Member, UnreadableMemberError, ZipReader
from g2l.errors import G2LError

_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip", ".npz", ".parquet")
_MOST_ARRAYS = 100  # of an npz that are looked at; further ones mean nothing here
_WANTED = "send a .zip, .tar, .tar.gz, .parquet or .npz file, or a folder"

EmbeddingArchive = NpzEmbeddings | ParquetEmbeddings
"""A source of embeddings: `n_items`, `dim`, `labels`, `groups` and `blocks()`."""


class UnsupportedArchiveError(G2LError):
    """A file that is no archive of a kind known here."""

    code: ClassVar[str] = "unsupported-archive"
    title: ClassVar[str] = "The file is not an archive that can be read"


class ImageArchive(Protocol):
    """A source of images: an iterable of entries that knows how far it is."""

    size: int

    @property
    def has_folders(self) -> bool:
        """Whether labels and splits are to be read from the folders of the paths."""

    @property
    def position(self) -> int:
        """Bytes read so far, of `size`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The image-named files, in an order that depends on the content alone."""
        ...


def open_archive(
    path: Path,
    filename: str,
    *,
    label_by: str | None = None,
    group_by: str | None = None,
    scratch: Path | None = None,
) -> ImageArchive | EmbeddingArchive:
    """Open what was uploaded, by its content; the name only words the errors.

    A folder or a zip without images is opened by the parquet files or tars in it, if there are any.

    Args:
        path: the file or folder.
        filename: its name as the user knows it.
        label_by: the column, field or array that says its class; None for that of the usual name, or folders.
        group_by: the column, field or array that says which group an item belongs to; "folder" where the
            paths' folders do, which is left to `Layout`.
        scratch: a folder for passing files, which large archives need; the system's own if None.

    Returns:
        A context manager; iterating an `ImageArchive` reads each image once, in flat memory.

    Raises:
        UnsupportedArchiveError: the content is of no known kind.
        BrokenArchiveError: the file is empty, cut short or damaged.
        HostileArchiveError: the archive is a bomb.
        BadArraysError: an npz without usable arrays.
        UnknownColumnError: what holds the images is not found, or `label_by` names nothing that is there.
        MultiLabelError: an image has several labels.
        BadColumnError: a column of classes or groups holds something else.
        MixedShardsError: the files in a folder or a zip are of several kinds.
        NoGroupsError: `group_by` names nothing that is there.
    """
    columns = Columns(label_by, group_by)
    if path.is_dir():
        images = FolderImages(path)
        shards = [] if images.n_images else shards_below(path)
        if shards:
            return open_shards(shards, columns)
        _require_folder(columns)
        return images
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if not head:
        raise BrokenArchiveError(f"'{filename}' is empty (0 bytes); {_WANTED}", field="file")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _open_zip(path, columns, scratch)
    if head[:4] == PARQUET_MAGIC:
        return open_shards([Shard(f"{archive_stem(filename)}.parquet", path)], columns)
    if _is_tar(_unpacked_head(path) if head[:2] == b"\x1f\x8b" else head):
        return open_shards([Shard(f"{archive_stem(filename)}.tar", path)], columns)
    raise _unknown(head, filename)


def archive_stem(filename: str) -> str:
    """A file's name without folders and archive endings: `pool` of `pool.tar.gz`."""
    name = readable(Path(filename).name)
    ending = next((e for e in _ENDINGS if name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)]


def _open_zip(path: Path, columns: Columns, scratch: Path | None) -> ImageArchive | EmbeddingArchive:
    reader = ZipReader(path)
    images = ZipImages(reader, scratch)
    try:
        arrays, shards = dict[str, Member](), list[Member]()
        wanted = {*ARRAY_NAMES, f"{columns.label_by}.npy", f"{columns.group_by}.npy"}
        for member in reader.members():
            if member.name in wanted or (_is_array(member.name) and len(arrays) < _MOST_ARRAYS):
                arrays[member.name] = member
            elif is_shard(member.name):
                shards.append(member)
            else:
                images.add(member)
        if "images.npy" in arrays and "embeddings.npy" in arrays:
            raise UnsupportedArchiveError(
                "the npz has both 'images' and 'embeddings'; send one of them", field="file"
            )
        if "images.npy" in arrays:
            return NpzImages(reader, arrays, columns)
        if "embeddings.npy" in arrays:
            return NpzEmbeddings(reader, arrays, columns)
        if shards and not images.n_images:
            opened = _open_zipped(reader, shards, columns, scratch)
            images.__exit__()
            return opened
        _require_folder(columns)
        return images
    except BaseException:
        images.__exit__()
        raise


def _open_zipped(
    reader: ZipReader, shards: list[Member], columns: Columns, scratch: Path | None
) -> ImageArchive | EmbeddingArchive:
    folder = tempfile.TemporaryDirectory(dir=scratch)
    try:
        unpacked = unpacked_shards(reader, shards, Path(folder.name))
        return open_shards(unpacked, columns, allowance=reader.allowance, close=folder.cleanup)
    except BaseException:
        folder.cleanup()
        raise


def _is_array(name: str) -> bool:
    return name.endswith(".npy") and "/" not in name


def _require_folder(columns: Columns) -> None:
    """Folders have no columns."""
    require_no_label(columns)
    if columns.group_column is not None:
        raise no_groups(columns.group_column, "columns", [])


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
        n_images: those that are listed.
    """

    has_folders: ClassVar[bool] = True

    def __init__(self, reader: ZipReader, scratch: Path | None = None) -> None:
        self._reader = reader
        self.size = reader.size
        self.position = 0
        self.n_images = 0
        self._records = SortedPaths(scratch)

    def add(self, member: Member) -> None:
        """List a member, if it is named like an image, or is DICOM without an ending."""
        path = image_path(member.name)
        if path is None and (path := nameless_path(member.name)) is not None and not self._is_dicom(member):
            path = None
        if path is not None:
            self._records.add(path, member.record)
            self.n_images += 1

    def _is_dicom(self, member: Member) -> bool:
        try:
            return is_dicom(self._reader.stream(member).read(HEAD_BYTES))
        except UnreadableMemberError:
            return False

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
