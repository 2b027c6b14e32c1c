"""`g2l gc` finds what nothing needs, shows it first, and never takes what somebody needs."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, update
from sqlalchemy.orm import Session

from app.commands import gc
from core.artifacts import Published, Store, record
from core.db.jobs import Job
from core.db.resources import Artifact
from core.db.uploads import PendingUpload
from core.jobs import transitions
from core.specs.datasets import DatasetSpec
from tests.fixtures.rows import add_dataset

DAY = timedelta(hours=24)


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    engine = create_engine(database_url)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def published(store: Store, content: str) -> Published:
    with store.staging("job_x", 1) as staged:
        (staged / "made").mkdir()
        (staged / "made" / "file").write_text(content)
        made = store.publish(staged / "made")
    store.discard_work("job_x")
    return made


def age(path: Path, hours: float = 48) -> None:
    then = time.time() - hours * 3600
    for each in [*path.rglob("*"), path]:
        os.utime(each, (then, then))


def age_all(store: Store) -> None:
    age(store.root)


def found(session: Session, store: Store) -> dict[str, str]:
    return {leftover.path.name: leftover.kind for leftover in gc.find(session, store, DAY)}


def collected(session: Session, store: Store, *, delete: bool) -> list[str]:
    said: list[str] = []
    gc.collect(session, store, DAY, delete=delete, say=said.append)
    return said


def test_what_resources_have_stays_and_what_none_has_goes(session: Session, store: Store) -> None:
    kept, unused, unrecorded = (published(store, text) for text in ("kept", "unused", "unrecorded"))
    record(session, kept)
    record(session, unused)
    add_dataset(session, artifact=kept.digest)
    session.commit()
    age_all(store)
    assert found(session, store) == {unused.digest: "artifact", unrecorded.digest: "artifact"}

    shown = collected(session, store, delete=False)
    assert store.path(unused.digest).exists()
    assert "--delete" in shown[-1]

    collected(session, store, delete=True)
    assert store.path(kept.digest).exists()
    assert not store.path(unused.digest).exists()
    assert not store.path(unrecorded.digest).exists()
    assert session.get(Artifact, unused.digest) is None
    assert session.get(Artifact, kept.digest) is not None
    assert found(session, store) == {}


def test_what_is_young_stays(session: Session, store: Store) -> None:
    made = published(store, "young")
    age_all(store)
    assert published(store, "young").digest == made.digest  # published again: it may be recorded any moment
    assert found(session, store) == {}


def test_what_is_published_again_while_it_is_removed_stays(session: Session, store: Store) -> None:
    made = published(store, "wanted again")
    record(session, made)
    session.commit()
    age_all(store)
    (leftover,) = gc.find(session, store, DAY)
    published(store, "wanted again")
    assert not gc.remove(session, store, leftover, DAY)
    session.commit()
    assert (store.path(made.digest) / "file").read_text() == "wanted again"
    assert session.get(Artifact, made.digest) is not None


def dataset_job(session: Session, store: Store, name: str) -> Job:
    """A job with an upload and a checkpoint, both old."""
    upload = {"id": f"upl_{name.encode().hex()}", "filename": "pool.zip", "sha256": "0" * 64, "bytes": 3}
    spec = DatasetSpec.model_validate({"name": name} | upload_field(upload))
    job = transitions.submit(session, "dataset", spec)
    store.upload(upload["id"]).write_bytes(b"zip")  # type: ignore[arg-type]
    (store.work(job.id) / "checkpoint").write_bytes(b"half")
    return job


def upload_field(upload: dict[str, object]) -> dict[str, object]:
    return {"upload": upload} if "upload" in DatasetSpec.model_fields else {"uploads": [upload]}


def test_uploads_and_checkpoints_live_as_long_as_a_job_may_want_them(session: Session, store: Store) -> None:
    names = ("waiting", "failed", "long failed")
    waiting, failed, long_failed = (dataset_job(session, store, name) for name in names)
    for job, hours in ((failed, 1), (long_failed, 48)):
        transitions.end(session, job, "failed", error={"code": "x"})
        ended = job.finished_at - timedelta(hours=hours) if job.finished_at else None
        session.execute(update(Job).where(Job.id == job.id).values(finished_at=ended))
    store.upload("upl_00").write_bytes(b"of a job that was deleted")
    store.upload("upl_11").write_bytes(b"on its way")
    session.add(PendingUpload(id="upl_11", filename="pool.zip", bytes=99, expires_at=func.now()))
    session.commit()
    age_all(store)
    assert found(session, store) == {
        "upl_00": "upload",
        f"upl_{b'long failed'.hex()}": "upload",
        long_failed.id: "checkpoints",
    }
    collected(session, store, delete=True)
    assert store.upload(f"upl_{b'failed'.hex()}").exists()
    assert (store.root / "work" / waiting.id / "checkpoint").exists()
    assert not (store.root / "work" / long_failed.id).exists()


def test_the_cache_goes_when_nobody_reads_it(session: Session, store: Store) -> None:
    for name in ("read", "unread"):
        store.cache(name).write_bytes(b"pixels")
    age_all(store)
    os.utime(store.cache("read"), (time.time(), time.time() - 48 * 3600))
    assert found(session, store) == {"unread": "cache"}
