"""What machines share through S3: artifacts, uploads and checkpoints, each there wholly or not at all.

A copy of an artifact is written below a name of its own, its manifest last; without that it is not there.
So no two writers meet, and what is old enough to be collected is never what somebody is writing.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from core.errors import ServiceError
from core.manifests import MANIFEST, Files, broken, decoded, encoded, missing, write

RECENT = timedelta(hours=1)  # an older copy may be collected just now: who publishes the same, makes another
_PART = 8 << 20
_MAX_PARTS = 10_000  # of an object, by S3's own limit
_READ = 4 << 20

_log = structlog.get_logger()


class StoreUnavailableError(ServiceError):
    """The bucket does not answer, or refuses."""

    code = "store-unavailable"
    title = "The store cannot be reached"


@contextmanager
def _answering() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        _log.warning("bucket", error=str(error).partition("\n\nDebug source")[0])  # names hosts and keys
        raise StoreUnavailableError("The bucket does not answer, or refuses; the log says more.") from error


@dataclass(frozen=True)
class Kept:
    """An object in the bucket."""

    key: str
    bytes: int
    at: datetime


class Bucket:
    """A bucket, or what lies below a prefix of it; the usual ``AWS_*`` variables say how to reach it."""

    def __init__(self, url: str) -> None:
        import obstore
        from obstore.store import S3Store

        self._obstore = obstore
        # A stream may take as long as it takes; only silence is an error. A plain http:// endpoint is the
        # operator's own choice.
        client: Any = {"allow_http": True, "connect_timeout": "10s", "read_timeout": "60s", "timeout": "24h"}
        self._store = S3Store.from_url(url, client_options=client)
        self._impatient = S3Store.from_url(
            url, client_options={"allow_http": True, "timeout": "5s"}, retry_config={"max_retries": 0}
        )

    @_answering()
    def put(self, key: str, path: Path) -> str | None:
        """Store a file and return its ETag; whoever reads meanwhile sees the old one or the new one."""
        part = max(_PART, path.stat().st_size // (_MAX_PARTS - 1) + 1)
        put = self._obstore.put(self._store, key, path, chunk_size=part, max_concurrency=4)
        return put["e_tag"]

    @_answering()
    def fetch(self, key: str, path: Path) -> tuple[str, str | None]:
        """Write an object to a file, flush it, and return its SHA-256 and ETag.

        Raises:
            FileNotFoundError: there is no such object.
        """
        got = self._obstore.get(self._store, key)
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for chunk in got.stream(_READ):
                file.write(chunk)
                digest.update(chunk)
            file.flush()
            os.fsync(file.fileno())
        return digest.hexdigest(), got.meta["e_tag"]

    @_answering()
    def etag(self, key: str) -> str | None:
        """What tells an object's versions apart; None if it is not there."""
        try:
            return self._obstore.head(self._store, key)["e_tag"]
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> Iterator[Kept]:
        """All objects below a prefix, which ends where a name does."""
        with _answering():
            for page in self._obstore.list(self._store, prefix, chunk_size=1000):
                for meta in page:
                    yield Kept(meta["path"], meta["size"], meta["last_modified"])

    @_answering()
    def remove(self, prefix: str) -> None:
        """Remove an object, or all below a prefix; a manifest first, so that no copy is seen in part.

        Who removes does not wait for a bucket that is away: what stays is found again.
        """
        pages = self._obstore.list(self._impatient, prefix, chunk_size=1000)
        keys = [meta["path"] for page in pages for meta in page]
        keys.sort(key=lambda key: not key.endswith(f"/{MANIFEST}"))
        for key in keys[:1]:
            self._obstore.delete(self._impatient, key)
        self._obstore.delete(self._impatient, [*keys[1:], prefix])

    @_answering()
    def check(self) -> None:
        """Write, read and remove an object; raises what stands in the way, at once."""
        key = f"check/{secrets.token_hex(8)}"
        self._obstore.put(self._impatient, key, b"written")
        try:
            self._obstore.get(self._impatient, key).bytes()
        finally:
            self._obstore.delete(self._impatient, key)

    @_answering()
    def put_artifact(self, digest: str, folder: Path, files: Files) -> None:
        """Store an artifact, unless it was stored just now."""
        if any(manifest.at > datetime.now(UTC) - RECENT for manifest in self._manifests(digest)):
            return
        copy = f"artifacts/{digest}/{secrets.token_hex(8)}"
        for name in files:
            self.put(f"{copy}/{name}", folder / name)
        self._obstore.put(self._store, f"{copy}/{MANIFEST}", encoded(files), mode="create")

    def fetch_artifact(self, digest: str, folder: Path) -> None:
        """Write an artifact into a new folder, each byte of it compared with the digest.

        Raises:
            ArtifactMissingError: it is not there, or not all of it.
            ArtifactBrokenError: a file is another one than was written.
        """
        copy, data = self._newest(digest)
        files = decoded(data, digest)
        for name, entry in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                sha256, _ = self.fetch(f"{copy}/{name}", folder / name)
            except FileNotFoundError:
                raise missing(digest, name) from None
            if sha256 != entry.sha256:
                raise broken(digest, name, "in the bucket has other bytes than were written")
        write(folder, files)

    def check_artifact(self, digest: str) -> None:
        """See that all files of an artifact are there with the sizes that they were written with.

        Raises:
            ArtifactMissingError: one is not.
            ArtifactBrokenError: one has another size.
        """
        copy, data = self._newest(digest)
        sizes = {kept.key: kept.bytes for kept in self.list(copy)}
        for name, entry in decoded(data, digest).items():
            size = sizes.get(f"{copy}/{name}")
            if size is None:
                raise missing(digest, name)
            if size != entry.bytes:
                raise broken(digest, name, f"has {size:,} bytes instead of {entry.bytes:,} in the bucket")

    @_answering()
    def _newest(self, digest: str) -> tuple[str, bytes]:
        """The key and the manifest of an artifact's newest copy."""
        manifest = max(self._manifests(digest), key=lambda kept: kept.at, default=None)
        if manifest is None:
            raise missing(digest, MANIFEST)
        data = self._obstore.get(self._store, manifest.key).bytes()
        return manifest.key.removesuffix(f"/{MANIFEST}"), bytes(data)

    def _manifests(self, digest: str) -> Iterable[Kept]:
        return (kept for kept in self.list(f"artifacts/{digest}") if kept.key.endswith(f"/{MANIFEST}"))


@lru_cache(maxsize=4)
def open_bucket(url: str) -> Bucket:
    """The bucket of a URL such as ``s3://bucket/prefix``; this process's only one, with its connections."""
    return Bucket(url)
