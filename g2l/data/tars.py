"""Tar files, plain and gzipped, read front to back without extracting anything."""

import dataclasses
import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self, cast

from g2l.data.columns import Columns
from g2l.data.dicom import is_dicom
from g2l.data.entries import Entry, NameCheck, Rejected, image_path, nameless_path, visible_path
from g2l.data.limits import MAX_ITEM_BYTES, Allowance, check_entry_count
from g2l.data.samples import MAX_FIELD_BYTES, Member, Sample, SampleKind, entries_of, grouped
from g2l.data.zips import BrokenArchiveError

_MAX_HEADER_BYTES = 2**20  # of a long name or a pax header, which tarfile reads into memory whole
_HEAD_SAMPLES, _HEAD_BYTES = 256, 2**26  # that tell a WebDataset from a plain tar
_NAME_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class TarFile:
    """The members of a tar, front to back, plain or gzipped.

    Attributes:
        size: bytes of the file.

    Args:
        path: of the file.
        allowance: what may come out of it.
    """

    def __init__(self, path: Path, allowance: Allowance | None = None) -> None:
        self._stack = ExitStack()
        self._file = self._stack.enter_context(path.open("rb"))
        self.size = os.fstat(self._file.fileno()).st_size
        gzipped = self._file.peek(2)[:2] == b"\x1f\x8b"
        unpacked: IO[bytes] = self._file
        if gzipped:
            unpacked = cast(IO[bytes], self._stack.enter_context(gzip.GzipFile(fileobj=self._file)))
        self._feed = _Feed(unpacked, allowance or Allowance(self.size))

    @property
    def position(self) -> int:
        """Bytes of the file read so far."""
        return min(self.size, self._file.tell())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def members(self) -> Iterator[Member]:
        """The image-named regular files and those beside them that may tell their class.

        Links and devices are left out; so is all else, but for files without an ending that are DICOM.

        Raises:
            BrokenArchiveError: the tar is cut short or damaged.
            HostileArchiveError: more came out of it than it is allowed.
        """
        try:
            with tarfile.open(
                fileobj=cast(IO[bytes], self._feed),
                mode="r|",
                tarinfo=_BoundedInfo,
                encoding="utf-8",
                errors="surrogateescape",
            ) as tar:
                yield from _members(tar)
            self._feed.finish()
        except (tarfile.TarError, EOFError, OSError, zlib.error, RecursionError) as error:
            raise BrokenArchiveError(
                f"the tar file cannot be read to its end ({error}); make it again, or upload it again",
                field="file",
            ) from error

    def head(self) -> list[Sample]:
        """Its first samples; the file is read no further afterwards."""
        samples = []
        for sample in grouped(self.members()):
            samples.append(_without_pixels(sample))
            if len(samples) == _HEAD_SAMPLES or self._feed.n_bytes > _HEAD_BYTES:
                break
        return samples


class TarImages:
    """The images of a tar, in the archive's order.

    Attributes:
        has_folders: whether labels and splits are read from the folders of the paths: not in a WebDataset.
        size: bytes of the file.
        position: bytes of it read so far.

    Args:
        tar: read once.
        kind: of a WebDataset's samples; None for a plain tar.
        columns: the fields of a sample's JSON.
        names: of all shards, if this is one of several.
        prefix: in front of each path.
        split: of all its images.
    """

    def __init__(
        self,
        tar: TarFile,
        kind: SampleKind | None = None,
        columns: Columns | None = None,
        *,
        names: NameCheck | None = None,
        prefix: str = "",
        split: str | None = None,
    ) -> None:
        self._tar, self._kind, self._columns = tar, kind, columns or Columns()
        self._names, self._prefix, self._split = names or NameCheck(), prefix, split
        self.has_folders = kind is None
        self.size = tar.size

    @property
    def position(self) -> int:
        """Bytes of the file read so far."""
        return self._tar.position

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.__exit__()

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The images, read one by one.

        Raises:
            BrokenArchiveError: the tar is cut short or damaged.
            HostileArchiveError: more came out of it than it is allowed.
            MultiLabelError: an image of a WebDataset has several labels.
            BadColumnError: what stands where a class or group should is none.
        """
        for entry in self._entries():
            path = self._prefix + entry.path
            reason = self._names.reason(path)
            yield Rejected(path, reason) if reason else dataclasses.replace(entry, path=path)

    def _entries(self) -> Iterator[Entry | Rejected]:
        if self._kind is not None:
            for sample in grouped(self._tar.members()):
                yield from entries_of(sample, self._kind, self._columns, split=self._split)
            return
        for member in self._tar.members():
            if member.is_field:
                continue
            if member.data is None:
                yield Rejected(member.path, member.reason or "it has no content")
            else:
                yield Entry(member.path, member.data, split=self._split)


def _members(tar: tarfile.TarFile) -> Iterator[Member]:
    n_entries = 0
    while (info := tar.next()) is not None:
        cast(Any, tar).members = []  # tarfile keeps every header it has met
        n_entries += 1
        check_entry_count(n_entries)
        path = visible_path(info.name) if info.isreg() else None
        if path is None:
            continue
        member = Member(path, None)
        if member.is_field and info.size <= MAX_FIELD_BYTES and not info.issparse():
            yield Member(path, _content(tar, info))
        elif image_path(path) is not None:
            reason = _unreadable(info)
            yield Member(path, None if reason else _content(tar, info), reason)
        elif nameless_path(path) is not None and not _unreadable(info):
            data = _content(tar, info)
            if data is not None and is_dicom(data):
                yield Member(path, data)


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | None:
    file = tar.extractfile(info)
    return None if file is None else file.read()


def _without_pixels(sample: Sample) -> Sample:
    return Sample([Member(image.path, None) for image in sample.images], sample.fields)


def _unreadable(member: tarfile.TarInfo) -> str | None:
    if member.issparse():
        return "a sparse file; make the tar without --sparse"
    if member.size > MAX_ITEM_BYTES:
        return f"{member.size:,} bytes, more than {MAX_ITEM_BYTES:,} for one image"
    return None


class _BoundedInfo(tarfile.TarInfo):
    """A header that does not let its writer choose how much memory reading it takes."""

    def _proc_member(
        self, tar: tarfile.TarFile
    ) -> tarfile.TarInfo:  # the hook that tarfile has for subclasses
        if self.size < 0 or (self.type in _NAME_HEADERS and self.size > _MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return cast(tarfile.TarInfo, super()._proc_member(tar))  # type: ignore[misc]


class _Feed:
    """Counts the bytes that come out, and knows whether the tar's end mark was among them."""

    def __init__(self, source: IO[bytes], allowance: Allowance) -> None:
        self._source = source
        self._allowance = allowance
        self._last = b""
        self.n_bytes = 0

    def read(self, n_bytes: int) -> bytes:
        data = self._source.read(n_bytes)
        self._allowance.spend(len(data))
        self.n_bytes += len(data)
        if data:
            self._last = data[-tarfile.BLOCKSIZE :]
        return data

    def finish(self) -> None:
        """Read what follows, so that a gzip's checksum is compared, and look for the end mark."""
        while self.read(2**20):
            pass
        if self._last.strip(b"\0"):
            raise tarfile.ReadError("its end mark is missing; it was cut short")
