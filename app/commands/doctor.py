"""What is wrong with an installation, in the order in which one would mend it."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import redis
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.commands import db
from app.commands.accounts import StartError
from app.commands.database import database
from app.commands.engines import redis_url_in
from app.commands.home import Home
from core.artifacts import Store, open_store
from core.bucket import Bucket
from core.db.jobs import Job, Outbox, Worker
from core.db.resources import Artifact
from core.errors import ServiceError
from core.queue import redis_url
from core.settings import Settings

Verdict = Literal["ok", "warning", "failure"]
SKEW = 2.0  # seconds between the database's clock and ours
SCARCE_BYTES = 10 << 30
SCARCE_SHARED = 1 << 30  # of /dev/shm; loader processes hand tensors over there
LATE = timedelta(minutes=1)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Finding:
    """What one look has shown, and what to do about it."""

    part: str
    verdict: Verdict
    detail: str


def examine(settings: Settings, *, deep: bool) -> Iterator[Finding]:
    """Look at every part; ``deep`` reads every artifact."""
    yield from _disk(settings.store)
    store = open_store(settings)
    reached = True
    if store.bucket is not None:
        yield (bucket := _bucket(store.bucket, settings))
        reached = bucket.verdict == "ok"
    with ExitStack() as stack:
        try:
            url = stack.enter_context(database(settings))
            engine = create_engine(url)
            stack.callback(engine.dispose)
            schema = _schema(engine, url)
        except (SQLAlchemyError, StartError) as error:
            yield Finding("database", "failure", f"it does not answer: {str(error).splitlines()[0]}")
            return
        yield from _clock(engine)
        yield schema
        yield from _broker(settings)
        if schema.verdict == "ok":
            with Session(engine) as session:
                yield from _workers(session)
                yield from _work(session)
                if reached:
                    yield from _artifacts(session, store, deep=deep)


def _disk(root: Path) -> Iterator[Finding]:
    store = Store(root)
    try:
        with store.cache(".doctor").open("wb") as file:
            file.write(b"written")
        store.cache(".doctor").unlink()
    except OSError as error:
        yield Finding("store", "failure", f"{root} cannot be written: {error}")
        return
    free = shutil.disk_usage(root).free
    scarce = free < SCARCE_BYTES
    yield Finding(
        "store",
        "warning" if scarce else "ok",
        f"{root} can be written; {free >> 30} GiB free" + ("; `g2l gc` shows what can go" if scarce else ""),
    )
    shared = Path("/dev/shm")  # noqa: S108 (looked at, not written)
    if shared.is_dir() and (size := shutil.disk_usage(shared).total) < SCARCE_SHARED:
        yield Finding(
            "shared memory", "warning", f"{shared} has {size >> 20} MiB; give containers shm_size: 2gb"
        )


def _bucket(bucket: Bucket, settings: Settings) -> Finding:
    try:
        bucket.check()
    except Exception as error:  # whatever its library, the network or the credentials say
        said = str(error.__cause__ or error).splitlines()[0]
        return Finding("bucket", "failure", f"{settings.store_url}: {said}")
    return Finding("bucket", "ok", f"{settings.store_url} can be written and read")


def _schema(engine: Engine, url: str) -> Finding:
    at, newest = db.current(url), db.newest()
    if at != newest:
        return Finding("database", "failure", f"its schema is {at}, not {newest}; run `g2l db upgrade`")
    with engine.connect() as connection:
        version = connection.scalar(text("SHOW server_version"))
    return Finding("database", "ok", f"PostgreSQL {version}, schema {at}")


def _clock(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        before = time.time()
        there = connection.scalar(select(func.extract("epoch", func.clock_timestamp())))
        skew = float(there or 0) - (before + time.time()) / 2
    if abs(skew) > SKEW:
        yield Finding(
            "clock",
            "warning",
            f"the database's is {skew:+.1f} s off ours: run NTP on both, logs will not agree",
        )


def _broker(settings: Settings) -> Iterator[Finding]:
    try:
        url = (
            redis_url(settings) if settings.redis_url else redis_url_in(Home(settings.home.resolve()).runtime)
        )
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            memory = str(client.config_get("maxmemory-policy").get("maxmemory-policy"))
            version = client.info("server")["redis_version"]
    except redis.RedisError as error:
        served = settings.redis_url is not None or (settings.home / "run").exists()
        detail = f"it does not answer: {error}" if served else "not running; `g2l serve` starts it"
        yield Finding("broker", "failure" if served else "warning", detail)
        return
    if memory != "noeviction":
        cure = "set it to noeviction, else messages are dropped when memory is short"
        yield Finding("broker", "warning", f"Redis {version} has maxmemory-policy {memory}; {cure}")
    else:
        yield Finding("broker", "ok", f"Redis {version}")


def _workers(session: Session) -> Iterator[Finding]:
    alive = session.scalars(select(Worker).where(Worker.beat_at > func.now() - LATE)).all()
    for worker in alive:
        yield Finding("worker", "ok", f"{worker.id} on {worker.device}, queues {', '.join(worker.queues)}")
    served = {queue for worker in alive for queue in worker.queues}
    for queue in session.scalars(select(Job.queue).where(Job.state == "queued").distinct()):
        if queue is not None and queue not in served:
            yield Finding(
                "worker", "failure", f"jobs wait in the queue `{queue}`, which no live worker serves"
            )
    if not alive:
        yield Finding(
            "worker", "warning", "none is alive; `g2l serve` or the worker's own command starts one"
        )


def _work(session: Session) -> Iterator[Finding]:
    late = session.scalar(
        select(func.count())
        .select_from(Outbox)
        .join(Job, Job.id == Outbox.job_id)
        .where(Job.queued_at < func.now() - LATE)
    )
    if late:
        yield Finding(
            "jobs", "failure", f"{late} messages are unsent for over a minute: is the broker reachable?"
        )
    orphans = session.scalars(
        select(Job.id).where(Job.state == "running", Job.lease_expires_at < func.now() - LATE)
    ).all()
    if orphans:
        yield Finding(
            "jobs",
            "failure",
            f"{', '.join(orphans[:5])}: the lease has run out and no worker's reconciler took note",
        )
    if not late and not orphans:
        n = session.scalar(select(func.count()).select_from(Job).where(Job.state.in_(("queued", "running"))))
        yield Finding("jobs", "ok", f"{n} unfinished, none of them stuck")


def _artifacts(session: Session, store: Store, *, deep: bool) -> Iterator[Finding]:
    look = _in_folder if store.bucket is None else _in_bucket
    wanted, broken = 0, 0
    for artifact in session.scalars(select(Artifact)):
        wanted += 1
        for fault in look(store, artifact, deep):
            broken += 1
            yield Finding("artifact", "failure", fault)
    if not broken:
        how = "every byte read" if deep else "sizes only; --deep reads them"
        yield Finding("artifacts", "ok", f"all {wanted} are whole ({how})")


def _in_folder(store: Store, artifact: Artifact, deep: bool) -> Iterator[str]:
    check = _digest if deep else _size
    for name, entry in artifact.files.items():
        if (fault := check(store.folder(artifact.digest) / name, entry)) is not None:
            yield f"{artifact.digest}/{name} {fault}; restore it from a backup"


def _in_bucket(store: Store, artifact: Artifact, deep: bool) -> Iterator[str]:
    """The first fault of an artifact; what is read is written to the disk meanwhile, and not kept."""
    if store.bucket is None:
        return
    try:
        if deep:
            with tempfile.TemporaryDirectory(prefix="fetched-", dir=store.root / "cache") as aside:
                store.bucket.fetch_artifact(artifact.digest, Path(aside) / "read")
        else:
            store.bucket.check_artifact(artifact.digest)
    except ServiceError as error:
        yield error.detail
    except Exception as error:
        yield f"{artifact.digest} cannot be read: {str(error).splitlines()[0]}"


def _size(path: Path, entry: dict[str, object]) -> str | None:
    if not path.exists():
        return "is missing"
    size = path.stat().st_size
    return None if size == entry["bytes"] else f"has {size} bytes instead of {entry['bytes']}"


def _digest(path: Path, entry: dict[str, object]) -> str | None:
    if (fault := _size(path, entry)) is not None:
        return fault
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest == entry["sha256"] else "has other bytes than were written"


def report(findings: Iterator[Finding], say: Callable[[str], None]) -> bool:
    """Say each finding as it comes; whether nothing failed."""
    healthy = True
    for finding in findings:
        say(f"{finding.verdict:<8} {finding.part}: {finding.detail}")
        healthy &= finding.verdict != "failure"
    return healthy
