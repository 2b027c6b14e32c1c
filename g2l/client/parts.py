"""Files that are half here: where their bytes gather, and how they take their place."""

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

import httpx

from g2l.client.errors import DigestError

_SHA256 = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")
PLAIN = {"Accept-Encoding": "identity"}  # ranges and digests are of the bytes as they lie in the store


@dataclass(frozen=True)
class Version:
    """What the service says of a file before it sends it."""

    size: int
    etag: str | None
    sha256: str | None

    @classmethod
    def of(cls, answer: httpx.Response) -> Self:
        """What the headers of an answer say."""
        headers = answer.headers
        return cls(int(headers.get("Content-Length", 0)), headers.get("ETag"), sha256(answer))

    def headers(self, here: int) -> dict[str, str]:
        """Those that ask for what is missing where so many bytes are here."""
        if here and self.etag:
            return {**PLAIN, "Range": f"bytes={here}-", "If-Range": self.etag}
        return PLAIN

    @contextmanager
    def part(self, destination: Path) -> Iterator[Path]:
        """Where its bytes gather: another version, and a download beside this one, gather elsewhere."""
        destination.parent.mkdir(parents=True, exist_ok=True)
        if self.sha256 is not None:
            shared = destination.with_name(f".{destination.name}.{self.sha256[:16]}.part")
            with locked(shared) as ours:
                if ours:
                    yield shared
                    return
        with private_part(destination) as part:
            yield part


@contextmanager
def private_part(destination: Path) -> Iterator[Path]:
    """A place beside a file for bytes that nobody goes on with."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.{uuid4().hex[:16]}.part")
    part.touch()
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, destination: Path, wanted: str | None, *, source: str) -> Path:
    """Check the bytes that have gathered and give them their place, all at once.

    Raises:
        DigestError: they have another digest than the service said; they are removed.
    """
    with part.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    if wanted is not None and got != wanted:
        part.unlink()
        raise DigestError(source, wanted, got)
    part.replace(destination)
    return destination


def sha256(answer: httpx.Response) -> str | None:
    """The digest of the whole file that an answer names, in hexadecimals."""
    match = _SHA256.search(answer.headers.get("Repr-Digest", ""))
    return base64.b64decode(match[1]).hex() if match else None


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Whether nobody else writes this file; if so, nobody does inside the block."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        # Whoever held it may have given the file its place just now: then ours is no longer of this name.
        yield path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
