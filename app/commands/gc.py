"""What the store keeps that nothing needs any more: found, shown, and removed if asked."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from sqlalchemy import ColumnElement, Text, cast, exists, func, or_, select, text
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from core.artifacts import REMOVAL_LOCK, Store
from core.db.jobs import Job
from core.db.metadata import metadata
from core.db.resources import Artifact
from core.db.uploads import PendingUpload
from core.jobs.states import FINISHED

Kind = Literal["artifact", "upload", "checkpoints", "cache", "trash"]
_UPLOAD_ID = re.compile(r"upl_[0-9a-f]+")
_USERS = [
    column
    for table in metadata.sorted_tables
    for column in table.columns
    if any(key.column is Artifact.__table__.c.digest for key in column.foreign_keys)
]


@dataclass(frozen=True)
class Leftover:
    """Something in the store that nothing needs."""

    kind: Kind
    path: Path
    bytes: int
    why: str


def collect(
    session: Session, store: Store, older_than: timedelta, *, delete: bool, say: Callable[[str], None]
) -> None:
    """Say what is left over and how much it is; remove it if asked, each in a transaction of its own."""
    total = 0
    for leftover in list(find(session, store, older_than)):
        gone = remove(session, store, leftover, older_than) if delete else True
        session.commit()
        if gone:
            total += leftover.bytes
            name = leftover.path.relative_to(store.root)
            say(f"{leftover.bytes / 2**20:10.1f} MiB  {leftover.kind:<11}  {name}  ({leftover.why})")
    say(f"{total / 2**20:10.1f} MiB {'removed' if delete else 'to remove; --delete does it'}")


def find(session: Session, store: Store, older_than: timedelta) -> Iterator[Leftover]:
    """All leftovers that were not touched for so long; what is younger may be of work under way."""
    before = time.time() - older_than.total_seconds()
    yield from _artifacts(session, store, before)
    uploads, jobs = _needed(session, older_than)
    for path in _old(store.root / "uploads", before):
        if path.name not in uploads:
            yield _leftover("upload", path, "nobody sends it, and no job is to take it in")
    for path in _old(store.root / "work", before):
        if path.name not in jobs:
            yield _leftover("checkpoints", path, "its job has ended, or was deleted")
    for path in _old(store.root / "cache", before):
        if path.stat().st_atime < before:  # being read is enough
            yield _leftover("cache", path, "not used lately; it is made again where it is needed")
    for path in _old(store.root / "trash", before):
        yield _leftover("trash", path, "a removal that was cut off")


def remove(session: Session, store: Store, leftover: Leftover, older_than: timedelta) -> bool:
    """Remove a leftover, in the caller's transaction; False if somebody has come to need it meanwhile."""
    if leftover.kind == "artifact":
        # Whoever records an artifact waits until this transaction is over, and sees what it did.
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": REMOVAL_LOCK})
        digest = leftover.path.name
        session.execute(delete_rows(Artifact).where(Artifact.digest == digest, ~_is_used()))
        if session.get(Artifact, digest) is not None:
            return False
    try:
        removed = store.remove(leftover.path, untouched_since=time.time() - older_than.total_seconds())
    except FileNotFoundError:
        return False
    if not removed:
        session.rollback()
    return removed


def _artifacts(session: Session, store: Store, before: float) -> Iterator[Leftover]:
    unused = set(session.scalars(select(Artifact.digest).where(~_is_used())))
    recorded = set(session.scalars(select(Artifact.digest)))
    for shelf in sorted((store.root / "artifacts").iterdir()):
        for path in _old(shelf, before):
            if path.name not in recorded:
                yield _leftover("artifact", path, "never recorded: its job was cut off")
            elif path.name in unused:
                yield _leftover("artifact", path, "no resource has it any more")


def _needed(session: Session, older_than: timedelta) -> tuple[set[str], set[str]]:
    """Ids of uploads and jobs: of what is unfinished or on its way, or may well be retried yet."""
    recent = Job.finished_at > func.now() - older_than
    rows = session.execute(
        select(Job.id, cast(Job.spec, Text)).where(
            or_(Job.state.not_in(FINISHED), (Job.state != "succeeded") & recent)
        )
    ).all()
    uploads = {upload for _, spec in rows for upload in _UPLOAD_ID.findall(spec)}
    pending = session.scalars(select(PendingUpload.id))
    return uploads.union(pending), {job_id for job_id, _ in rows}


def _is_used() -> ColumnElement[bool]:
    return or_(*(exists().where(column == Artifact.digest) for column in _USERS))


def _old(folder: Path, before: float) -> Iterator[Path]:
    """What lies in a folder and has not changed since then."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if max(each.stat().st_mtime for each in [path, *path.rglob("*")]) < before:
                yield path


def _leftover(kind: Kind, path: Path, why: str) -> Leftover:
    files = [each for each in [path, *path.rglob("*")] if each.is_file()]
    return Leftover(kind, path, sum(each.stat().st_size for each in files), why)
