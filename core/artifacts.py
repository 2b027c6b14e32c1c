"""Content-addressed folders of files: written aside, checksummed, moved into place, then recorded.

An artifact's id is the digest of its manifest, so equal content is kept once. Uploads wait beside the
artifacts until the job that takes them in has succeeded.
"""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.db.resources import Artifact

_CHUNK = 1 << 20
REMOVAL_LOCK = 0x67326E  # held while unneeded rows are deleted; arbitrary, and ours


@dataclass(frozen=True)
class FileEntry:
    """A file of an artifact: its digest and size."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Published:
    """An artifact that lies in its place, ready to be recorded."""

    digest: str
    files: Mapping[str, FileEntry]


class Store:
    """A folder that holds artifacts by digest, uploads by id, and work in progress."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for part in ("artifacts", "uploads", "work", "cache"):
            (root / part).mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """The folder of an artifact; read only."""
        return self.root / "artifacts" / digest[:2] / digest

    def upload(self, upload_id: str) -> Path:
        """The file of an upload."""
        return self.root / "uploads" / upload_id

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
        files = {
            path.relative_to(folder).as_posix(): _checked(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        manifest = json.dumps({name: entry.sha256 for name, entry in files.items()}, sort_keys=True)
        digest = hashlib.sha256(manifest.encode()).hexdigest()
        target = self.path(digest)
        if not _touched(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.rename(target)
            except OSError:
                if not _touched(target):  # else another attempt published the same content first
                    raise
            _sync_folder(target.parent)
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


def _touched(folder: Path) -> bool:
    """Whether it is there; if so its time says now, so that it is not taken for a leftover."""
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def _checked(path: Path) -> FileEntry:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        os.fsync(file.fileno())
        return FileEntry(digest.hexdigest(), file.tell())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
