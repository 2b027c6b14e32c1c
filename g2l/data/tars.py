"""Tar files, plain and gzipped, read front to back without extracting anything."""

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, ClassVar, Self, cast

from g2l.data.entries import Entry, NameCheck, Rejected, image_path
from g2l.data.limits import MAX_ITEM_BYTES, Allowance, check_entry_count
from g2l.data.zips import BrokenArchiveError

_MAX_HEADER_BYTES = 2**20  # of a long name or a pax header, which tarfile reads into memory whole
_NAME_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class TarImages:
    """The images of a tar, in the archive's order.

    Attributes:
        has_folders: True: labels and splits are read from the folders of the paths.
        size: bytes of the file.
        position: bytes of it read so far.
    """

    has_folders: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self._stack = ExitStack()
        self._file = self._stack.enter_context(path.open("rb"))
        self.size = os.fstat(self._file.fileno()).st_size
        gzipped = self._file.peek(2)[:2] == b"\x1f\x8b"
        unpacked: IO[bytes] = self._file
        if gzipped:
            unpacked = cast(IO[bytes], self._stack.enter_context(gzip.GzipFile(fileobj=self._file)))
        self._feed = _Feed(unpacked, Allowance(self.size))

    @property
    def position(self) -> int:
        """Bytes of the file read so far."""
        return min(self.size, self._file.tell())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The image-named regular files, read one by one; links and devices are left out.

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
                yield from _images(tar)
            self._feed.finish()
        except (tarfile.TarError, EOFError, OSError, zlib.error, RecursionError) as error:
            raise BrokenArchiveError(
                f"the tar file cannot be read to its end ({error}); make it again, or upload it again",
                field="file",
            ) from error


def _images(tar: tarfile.TarFile) -> Iterator[Entry | Rejected]:
    names = NameCheck()
    n_entries = 0
    while (member := tar.next()) is not None:
        cast(Any, tar).members = []  # tarfile keeps every header it has met
        n_entries += 1
        check_entry_count(n_entries)
        path = image_path(member.name) if member.isreg() else None
        if path is None:
            continue
        reason = names.reason(path) or _unreadable(member)
        file = None if reason else tar.extractfile(member)
        yield Rejected(path, reason or "it has no content") if file is None else Entry(path, file.read())


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

    def read(self, n_bytes: int) -> bytes:
        data = self._source.read(n_bytes)
        self._allowance.spend(len(data))
        if data:
            self._last = data[-tarfile.BLOCKSIZE :]
        return data

    def finish(self) -> None:
        """Read what follows, so that a gzip's checksum is compared, and look for the end mark."""
        while self.read(2**20):
            pass
        if self._last.strip(b"\0"):
            raise tarfile.ReadError("its end mark is missing; it was cut short")
