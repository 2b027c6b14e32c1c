"""Files that are sent in pieces: read from any byte on, digested once, refused when they change meanwhile."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from g2l.client.forms import Source
from g2l.client.packing import CHUNK, PackingError

RESUMABLE_FROM = 8 << 20  # bytes; what is smaller is sent again as fast as one asks where to go on


class SentFile:
    """A file as it was when its upload began.

    Attributes:
        filename: what the service is told.
        path: where it lies.
        size: its bytes.
        mtime_ns: when it was written last.
    """

    def __init__(self, filename: str, path: Path) -> None:
        self.filename = filename
        self.path = path.resolve()
        status = self.path.stat()
        self.size, self.mtime_ns = status.st_size, status.st_mtime_ns
        self._hash = hashlib.sha256()
        self._digested = 0

    def chunks(self, offset: int) -> Iterator[bytes]:
        """The bytes from an offset on.

        Raises:
            PackingError: the file became shorter.
        """
        at = offset
        with self.path.open("rb") as file:
            file.seek(at)
            while at < self.size:
                chunk = file.read(min(CHUNK, self.size - at))
                if not chunk:
                    raise self._changed()
                self._digest(at, chunk)
                at += len(chunk)
                yield chunk

    def digest_until(self, end: int) -> None:
        """Read what another process has sent, for the digest alone; raises as `chunks`."""
        if self._digested < end:
            for _ in self.chunks(self._digested):
                if self._digested >= end:
                    return

    def sha256(self) -> str:
        """The digest of the whole file, of which each byte was read once.

        Raises:
            PackingError: the file is no longer what it was.
        """
        self.digest_until(self.size)
        status = self.path.stat()
        if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
            raise self._changed()
        return self._hash.hexdigest()

    def _digest(self, at: int, chunk: bytes) -> None:
        new = memoryview(chunk)[max(0, self._digested - at) :]  # less what is sent a second time
        self._hash.update(new)
        self._digested += len(new)

    def _changed(self) -> PackingError:
        return PackingError(f"{self.path} changed while it was uploaded; try again when nothing writes to it")


def in_pieces(sources: Sequence[Source]) -> list[SentFile]:
    """The files, where all are files and together large enough to be worth it; else none."""
    files = [SentFile(source.filename, source.path) for source in sources if source.path is not None]
    large = sum(file.size for file in files) >= RESUMABLE_FROM
    return files if large and len(files) == len(sources) else []
