"""What the store keeps that nothing needs any more: found, shown, and removed if asked."""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Literal

from sqlalchemy import ColumnElement, Text, cast, exists, func, or_, select, text
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from core.artifacts import REMOVAL_LOCK, Store
from core.bucket import RECENT, Bucket, Kept
from core.db.jobs import Job
from core.db.metadata import metadata
from core.db.resources import Artifact, ResponsesShard
from core.db.uploads import PendingUpload
from core.jobs.states import FINISHED
from core.manifests import MANIFEST

Kind = Literal["artifact", "upload", "checkpoints", "cache", "trash"]
SAFE = 2 * RECENT  # in the bucket, what is younger may be relied on by somebody who publishes the same
UNWANTED = "nobody sends it, and no job is to take it in"
OVER = "its job has ended, or was deleted"
_UPLOAD_ID = re.compile(r"upl_[0-9a-f]+")
_USERS = [
    column
    for table in metadata.sorted_tables
    for column in table.columns
    if table is not ResponsesShard.__table__
    and any(key.column is Artifact.__table__.c.digest for key in column.foreign_keys)
]


@dataclass(frozen=True)
class Leftover:
    """Something in the store that nothing needs."""

    kind: Kind
    path: PurePosixPath  # below the store's root, or the bucket's key
    bytes: int
    why: str
    digest: str | None = None  # of an artifact
    in_bucket: bool = False


@dataclass(frozen=True)
class _Needs:
    """What somebody needs, by digest and id."""

    recorded: Set[str]
    unused: Set[str]
    uploads: Set[str]
    jobs: Set[str]
    running_since: datetime | None

    def against(self, digest: str) -> str | None:
        """Why nobody needs an artifact; None if somebody does."""
        if digest not in self.recorded:
            return "never recorded: its job was cut off"
        return "no resource has it any more" if digest in self.unused else None


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
            place = "bucket " if leftover.in_bucket else ""
            size = f"{leftover.bytes / 2**20:10.1f} MiB"
            say(f"{size}  {leftover.kind:<11}  {place}{leftover.path}  ({leftover.why})")
    say(f"{total / 2**20:10.1f} MiB {'removed' if delete else 'to remove; --delete does it'}")


def find(session: Session, store: Store, older_than: timedelta) -> Iterator[Leftover]:
    """All leftovers that were not touched for so long; what is younger may be of work under way."""
    needs = _needs(session, older_than)
    yield from _in_folder(store, needs, time.time() - older_than.total_seconds())
    if store.bucket is not None:
        yield from _in_bucket(store.bucket, needs, datetime.now(UTC) - max(older_than, SAFE))
        yield from _copies(store, needs, time.time() - older_than.total_seconds())


def remove(session: Session, store: Store, leftover: Leftover, older_than: timedelta) -> bool:
    """Remove a leftover, in the caller's transaction; False if somebody has come to need it meanwhile."""
    if leftover.digest is not None:
        # Whoever records an artifact waits until this transaction is over, and sees what it did.
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": REMOVAL_LOCK})
        unused = (Artifact.digest == leftover.digest) & ~_is_used(older_than)
        digests = select(Artifact.digest).where(unused)
        session.execute(delete_rows(ResponsesShard).where(ResponsesShard.artifact.in_(digests)))
        session.execute(delete_rows(Artifact).where(unused))
        if session.get(Artifact, leftover.digest) is not None:
            return False
    if leftover.in_bucket and store.bucket is not None:
        store.bucket.remove(str(leftover.path))
        return True
    path, since = store.root / leftover.path, time.time() - older_than.total_seconds()
    try:
        removed = store.remove(path, untouched_since=since)
    except FileNotFoundError:
        return False
    if not removed:
        session.rollback()
    return removed


def _in_folder(store: Store, needs: _Needs, before: float) -> Iterator[Leftover]:
    for path in _artifacts(store, before):
        if why := needs.against(path.name):
            yield _leftover(store, "artifact", path, why, digest=path.name)
    for path in _old(store.root / "uploads", before):
        if path.name not in needs.uploads:
            yield _leftover(store, "upload", path, UNWANTED)
    for path in _old(store.root / "work", before):
        if path.name not in needs.jobs:
            yield _leftover(store, "checkpoints", path, OVER)
    for path in _old(store.root / "cache", before):
        if path.stat().st_atime < before:  # being read is enough
            yield _leftover(store, "cache", path, "not used lately; it is made again where it is needed")
    for path in _old(store.root / "trash", before):
        yield _leftover(store, "trash", path, "a removal that was cut off")


def _copies(store: Store, needs: _Needs, before: float) -> Iterator[Leftover]:
    """Artifacts that are needed, and lie here only because some job or request read them."""
    if store.bucket is None:
        return
    kept_there = store.bucket.list("artifacts")
    there = {kept.key.split("/")[1] for kept in kept_there if kept.key.endswith(f"/{MANIFEST}")}
    if needs.running_since is not None:
        before = min(before, needs.running_since.timestamp())  # it may read what it asked for when it began
    for path in _artifacts(store, before):
        if needs.against(path.name) is None and path.name in there:
            yield _leftover(store, "cache", path, "not used lately; the bucket has it")


def _in_bucket(bucket: Bucket, needs: _Needs, before: datetime) -> Iterator[Leftover]:
    folders: dict[tuple[str, ...], list[Kept]] = defaultdict(list)
    for kept in bucket.list(""):
        parts = PurePosixPath(kept.key).parts
        folders[parts[: 3 if parts[0] == "artifacts" else 2]].append(kept)
    newest: dict[str, datetime] = {}
    for (top, name, *_), found in folders.items():
        if top == "artifacts" and (manifest := _manifest(found)) is not None:
            newest[name] = max(newest.get(name, manifest.at), manifest.at)
    for parts, found in sorted(folders.items()):
        if max(kept.at for kept in found) < before:
            yield from _unneeded(parts, found, needs, newest)


def _unneeded(
    parts: tuple[str, ...], found: list[Kept], needs: _Needs, newest: Mapping[str, datetime]
) -> Iterator[Leftover]:
    top, name = parts[:2]
    path, size = PurePosixPath(*parts), sum(kept.bytes for kept in found)
    if top == "artifacts":
        manifest, why = _manifest(found), needs.against(name)
        if manifest is None:
            yield Leftover("trash", path, size, "its storing was cut off", in_bucket=True)
        elif why is not None:
            yield Leftover("artifact", path, size, why, digest=name, in_bucket=True)
        elif manifest.at < newest[name]:
            yield Leftover("trash", path, size, "there is a newer copy", in_bucket=True)
    elif top == "uploads" and name not in needs.uploads:
        yield Leftover("upload", path, size, UNWANTED, in_bucket=True)
    elif top == "work" and name not in needs.jobs:
        yield Leftover("checkpoints", path, size, OVER, in_bucket=True)
    elif top == "check":
        yield Leftover("trash", path, size, "a check that was cut off", in_bucket=True)


def _manifest(found: list[Kept]) -> Kept | None:
    return next((kept for kept in found if kept.key.endswith(f"/{MANIFEST}")), None)


def _needs(session: Session, older_than: timedelta) -> _Needs:
    """What is unfinished or on its way, or may well be retried yet, and what resources have."""
    rows = session.execute(select(Job.id, cast(Job.spec, Text)).where(_goes_on(older_than))).all()
    uploads = {upload for _, spec in rows for upload in _UPLOAD_ID.findall(spec)}
    return _Needs(
        recorded=set(session.scalars(select(Artifact.digest))),
        unused=set(session.scalars(select(Artifact.digest).where(~_is_used(older_than)))),
        uploads=uploads.union(session.scalars(select(PendingUpload.id))),
        jobs={job_id for job_id, _ in rows},
        running_since=session.scalar(select(func.min(Job.started_at)).where(Job.state == "running")),
    )


def _goes_on(older_than: timedelta) -> ColumnElement[bool]:
    """Whether a job is unfinished, or may well be retried yet."""
    recent = Job.finished_at > func.now() - older_than
    return or_(Job.state.not_in(FINISHED), (Job.state != "succeeded") & recent)


def _is_used(older_than: timedelta) -> ColumnElement[bool]:
    """Whether something points at an artifact; a shard does as long as the job that asked for it goes on."""
    shard = ResponsesShard.artifact == Artifact.digest
    asked_for = exists().where(shard, Job.id == ResponsesShard.job_id, _goes_on(older_than))
    return or_(asked_for, *(exists().where(column == Artifact.digest) for column in _USERS))


def _artifacts(store: Store, before: float) -> Iterator[Path]:
    for shelf in sorted((store.root / "artifacts").iterdir()):
        yield from _old(shelf, before)


def _old(folder: Path, before: float) -> Iterator[Path]:
    """What lies in a folder and has not changed since then."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if max(each.stat().st_mtime for each in [path, *path.rglob("*")]) < before:
                yield path


def _leftover(store: Store, kind: Kind, path: Path, why: str, *, digest: str | None = None) -> Leftover:
    files = [each for each in [path, *path.rglob("*")] if each.is_file()]
    size = sum(each.stat().st_size for each in files)
    return Leftover(kind, PurePosixPath(path.relative_to(store.root)), size, why, digest)
