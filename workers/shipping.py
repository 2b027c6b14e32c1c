"""Checkpoints that outlive their machine: put in the bucket when written, fetched where they are newer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from core.artifacts import Store
from core.bucket import Bucket

LOOK_SECONDS = 0.5

_log = structlog.get_logger()


@contextmanager
def shipped(store: Store, job_id: str, name: str) -> Iterator[Path]:
    """A checkpoint's file, as the last attempt left it on whichever machine."""
    checkpoint = store.work(job_id) / name
    if store.bucket is None:
        yield checkpoint
        return
    shipping = _Shipping(store.bucket, f"work/{job_id}/{name}", checkpoint)
    shipping.fetch()
    shipping.start()
    try:
        yield checkpoint
    except BaseException:
        shipping.stop()
        shipping.ship()  # what was written since the last look; the next attempt may be elsewhere
        raise
    shipping.stop()


class _Shipping:
    """One checkpoint under way; the note beside it says which version in the bucket this machine knows."""

    def __init__(self, bucket: Bucket, key: str, checkpoint: Path) -> None:
        self._bucket, self._key, self._checkpoint = bucket, key, checkpoint
        self._known = checkpoint.with_name(f".{checkpoint.name}.etag")
        self._sent: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shipping", daemon=True)

    def fetch(self) -> None:
        """Take what another machine has put since; else what lies here is as new or newer."""
        theirs = self._bucket.etag(self._key)
        if theirs is not None and not (self._checkpoint.exists() and self._known_etag() == theirs):
            aside = self._checkpoint.with_name(f"{self._checkpoint.name}.part")
            _, theirs = self._bucket.fetch(self._key, aside)
            aside.replace(self._checkpoint)
            self._known.write_text(theirs or "")
            _log.info("checkpoint fetched")
        self._sent = self._written()

    def start(self) -> None:
        """Ship from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def ship(self) -> None:
        """Put the checkpoint unless it was; a bucket that is away is told of and asked again."""
        written = self._written()
        if written is None or written == self._sent:
            return
        try:
            self._known.write_text(self._bucket.put(self._key, self._checkpoint) or "")
        except Exception as error:
            _log.warning("checkpoint not shipped", error=str(error))
        else:
            self._sent = written

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.ship()

    def _written(self) -> int | None:
        return self._checkpoint.stat().st_mtime_ns if self._checkpoint.exists() else None

    def _known_etag(self) -> str | None:
        return self._known.read_text() if self._known.exists() else None
