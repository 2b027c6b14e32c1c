"""Content-addressed folders of files: written aside, checksummed, moved into place, then recorded.

An artifact's id is the digest of its manifest, so equal content is kept once. Uploads wait beside the
artifacts until the job that takes them in has succeeded. Where machines share a bucket, it has everything
that another machine may need, and the folder is what this one works on.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import manifests
from core.bucket import Bucket, StoreUnavailableError, open_bucket
from core.db.resources import Artifact
from core.manifests import ArtifactBrokenError, ArtifactMissingError, Files
from core.settings import Settings

REMOVAL_LOCK = 0x67326E  # held while unneeded rows are deleted; arbitrary, and ours

_log = structlog.get_logger()


@dataclass(frozen=True)
class Published:
    """An artifact that lies in its place, ready to be recorded."""

    digest: str
    files: Files


class Store:
    """A folder that holds artifacts by digest, uploads by id, and work in progress."""

    def __init__(self, root: Path, bucket: Bucket | None = None) -> None:
        self.root, self.bucket = root, bucket
        for part in ("artifacts", "uploads", "work", "cache"):
            (root / part).mkdir(parents=True, exist_ok=True)

    def folder(self, digest: str) -> Path:
        """Where an artifact lies on this machine, if it does."""
        return self.root / "artifacts" / digest[:2] / digest

    def path(self, digest: str) -> Path:
        """The folder of an artifact, with all its files in their sizes; read only.

        Raises:
            ArtifactMissingError: it is not there, or not all of it.
            ArtifactBrokenError: a file is another one than was written.
        """
        folder = self.folder(digest)
        if self.bucket is None:
            manifests.check(folder, digest)
        elif not self._has(digest):
            with tempfile.TemporaryDirectory(prefix="fetched-", dir=self.root / "cache") as aside:
                self.bucket.fetch_artifact(digest, Path(aside) / digest)
                self._place(Path(aside) / digest, digest)
        return folder

    def upload(self, upload_id: str) -> Path:
        """The file of an upload on this machine, to write and to read."""
        return self.root / "uploads" / upload_id

    def share_upload(self, upload_id: str) -> None:
        """Let other machines have an upload, now that all of it is there."""
        if self.bucket is not None:
            self.bucket.put(f"uploads/{upload_id}", self.upload(upload_id))

    def arrived(self, upload_id: str, sha256: str | None = None) -> Path:
        """The file of an upload, whichever machine took it in; if it was another one, with that digest.

        Raises:
            FileNotFoundError: it is gone.
            ArtifactBrokenError: it has another digest.
        """
        path = self.upload(upload_id)
        if self.bucket is not None and not path.exists():
            with tempfile.TemporaryDirectory(prefix="fetched-", dir=self.root / "cache") as aside:
                found, _ = self.bucket.fetch(f"uploads/{upload_id}", Path(aside) / upload_id)
                if sha256 not in (None, found):
                    raise manifests.broken("uploads", upload_id, "has other bytes than were sent")
                (Path(aside) / upload_id).replace(path)
        return path

    def discard_upload(self, upload_id: str) -> None:
        """Remove an upload everywhere; nothing happens if there is none."""
        self.upload(upload_id).unlink(missing_ok=True)
        self._forget(f"uploads/{upload_id}")

    def cache(self, name: str) -> Path:
        """A file that can be made again from artifacts; whoever writes it writes aside and renames."""
        return self.root / "cache" / name

    def work(self, job_id: str) -> Path:
        """A job's own folder: checkpoints, which outlive an attempt, and what is half made."""
        folder = self.root / "work" / job_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def discard_work(self, job_id: str) -> None:
        """Remove a job's folder; nothing happens if there is none."""
        shutil.rmtree(self.root / "work" / job_id, ignore_errors=True)
        self._forget(f"work/{job_id}")

    def discard_all_of(self, job_id: str, spec: Mapping[str, Any]) -> None:
        """Remove a job's folder and what was uploaded for it."""
        self.discard_work(job_id)
        for upload_id in uploads_of(spec):
            self.discard_upload(upload_id)

    def discard_staged(self, job_id: str, attempt: int) -> None:
        """Remove what attempts up to this one left half made, and the folder unless it has checkpoints."""
        folder = self.root / "work" / job_id
        for staged in folder.glob("staged-*"):
            if int(staged.name.split("-")[1]) <= attempt:
                shutil.rmtree(staged, ignore_errors=True)
        with suppress(OSError):  # not empty, or not there
            folder.rmdir()

    @contextmanager
    def staging(self, job_id: str, attempt: int) -> Iterator[Path]:
        """A folder on the store's disk to write an artifact into; gone afterwards unless it was published."""
        folder = Path(tempfile.mkdtemp(prefix=f"staged-{attempt}-", dir=self.work(job_id)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, folder: Path) -> Published:
        """Sync a staged folder to disk, move it to its place, and say what it holds."""
        files = manifests.files_of(folder)
        manifests.write(folder, files)
        digest = manifests.digest_of(files)
        if not self._has(digest):
            self._place(folder, digest)
        if self.bucket is not None:
            self.bucket.put_artifact(digest, self.folder(digest), files)
        return Published(digest, files)

    def remove(self, path: Path, *, untouched_since: float) -> bool:
        """Remove something below the root, unless it was touched after that time (in seconds of `time`)."""
        trash = self.root / "trash" / f"{path.name}-{secrets.token_hex(4)}"
        trash.parent.mkdir(exist_ok=True)
        path.rename(trash)
        if trash.lstat().st_mtime > untouched_since:  # published again while we looked
            trash.rename(path)
            return False
        shutil.rmtree(trash) if trash.is_dir() else trash.unlink()
        return True

    def _forget(self, key: str) -> None:
        """Remove what nobody needs from the bucket; if it is away now, `g2l gc` does that later."""
        if self.bucket is not None:
            try:
                self.bucket.remove(key)
            except StoreUnavailableError as error:
                _log.warning("not removed", key=key, error=error.detail)

    def _has(self, digest: str) -> bool:
        """Whether an artifact is whole on this machine; if so its time says now: it is no leftover."""
        folder = self.folder(digest)
        try:
            os.utime(folder)
            manifests.check(folder, digest)
        except (FileNotFoundError, ArtifactMissingError, ArtifactBrokenError):
            return False
        return True

    def _place(self, made: Path, digest: str) -> None:
        """Move an artifact into its place; what lies there and is not whole goes."""
        target = self.folder(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            made.rename(target)
        except OSError:
            if self._has(digest):  # another attempt was faster
                return
            self.remove(target, untouched_since=float("inf"))
            made.rename(target)
        _sync_folder(target.parent)


def uploads_of(spec: Mapping[str, Any]) -> list[str]:
    """The ids of what was sent for a job."""
    return [upload["id"] for upload in [spec.get("upload"), *spec.get("uploads", ())] if upload is not None]


def open_store(settings: Settings) -> Store:
    """The store that the settings name."""
    bucket = None if settings.store_url is None else open_bucket(settings.store_url)
    return Store(settings.store, bucket)


def record(session: Session, published: Published) -> str:
    """Write an artifact's row, in the transaction that writes the resource which owns it."""
    session.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": REMOVAL_LOCK})
    files = {name: {"sha256": entry.sha256, "bytes": entry.bytes} for name, entry in published.files.items()}
    total = sum(entry.bytes for entry in published.files.values())
    statement = insert(Artifact).values(
        digest=published.digest, files=files, bytes=total, created_at=func.now()
    )
    session.execute(statement.on_conflict_do_nothing())
    return published.digest


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
