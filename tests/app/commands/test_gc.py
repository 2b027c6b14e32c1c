"""`g2l gc` finds what nothing needs, shows it first, and never takes what somebody needs."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select, update
from sqlalchemy.orm import Session

from app.commands import gc
from core.artifacts import Published, Store, record
from core.bucket import Bucket
from core.db.jobs import Job
from core.db.resources import Artifact, ResponsesShard
from core.db.uploads import PendingUpload
from core.jobs import transitions
from core.specs.datasets import DatasetSpec
from tests.fixtures.buckets import age as age_in_bucket
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
    assert not store.folder(unused.digest).exists()
    assert not store.folder(unrecorded.digest).exists()
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


def test_a_shard_stays_as_long_as_the_job_that_asked_for_it_may_go_on(session: Session, store: Store) -> None:
    pool, wanted, given_up = add_dataset(session), published(store, "wanted"), published(store, "given up")
    for made, hours in ((wanted, 1), (given_up, 48)):
        job = transitions.submit(session, "dataset", DatasetSpec(name="any", uri="file:///any"))
        transitions.end(session, job, "cancelled")
        ended = func.now() - timedelta(hours=hours)
        session.execute(update(Job).where(Job.id == job.id).values(finished_at=ended))
        record(session, made)
        place = {"dataset_id": pool, "embedder_id": "emb_x", "first": hours, "count": 1}
        session.add(ResponsesShard(**place, artifact=made.digest, job_id=job.id))
    session.commit()
    age_all(store)
    assert found(session, store) == {given_up.digest: "artifact"}
    collected(session, store, delete=True)
    assert store.path(wanted.digest).exists()
    assert session.scalars(select(ResponsesShard.artifact)).all() == [wanted.digest]


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


def test_a_bucket_is_swept_by_the_same_rules(session: Session, tmp_path: Path, bucket_url: str) -> None:
    bucket = Bucket(bucket_url)
    store, other = Store(tmp_path / "store", bucket), Store(tmp_path / "other", bucket)
    kept, unused, unrecorded = (published(store, text) for text in ("kept", "unused", "unrecorded"))
    record(session, kept)
    record(session, unused)
    add_dataset(session, artifact=kept.digest)
    waiting, long_failed = (dataset_job(session, store, name) for name in ("waiting", "long failed"))
    transitions.end(session, long_failed, "failed", error={"code": "x"})
    long_ago = func.now() - timedelta(hours=48)
    session.execute(update(Job).where(Job.id == long_failed.id).values(finished_at=long_ago))
    session.commit()
    for job in (waiting, long_failed):
        store.share_upload(job.spec["uploads"][0]["id"])
        bucket.put(f"work/{job.id}/checkpoint", store.work(job.id) / "checkpoint")
    bucket.put(f"artifacts/{kept.digest}/half/file", store.path(kept.digest) / "file")
    assert [leftover for leftover in gc.find(session, other, DAY) if leftover.in_bucket] == []
    age_in_bucket(bucket_url, 48)
    published(store, "kept")  # a second copy
    found = [leftover for leftover in gc.find(session, other, timedelta(0)) if leftover.in_bucket]
    assert sorted((leftover.kind, leftover.digest or leftover.path.parts[1]) for leftover in found) == sorted(
        [
            ("artifact", unused.digest),
            ("artifact", unrecorded.digest),
            ("checkpoints", long_failed.id),
            ("trash", kept.digest),  # what was cut off
            ("trash", kept.digest),  # and the copy that a newer one replaced
            ("upload", long_failed.spec["uploads"][0]["id"]),
        ]
    )
    collected(session, other, delete=True)
    assert (other.path(kept.digest) / "file").read_text() == "kept"
    assert {kept.key.split("/")[1] for kept in bucket.list("")} == {
        kept.digest,
        waiting.id,
        waiting.spec["uploads"][0]["id"],
    }
    assert session.get(Artifact, unused.digest) is None


def test_what_the_bucket_has_goes_from_a_machine_that_does_not_read_it(
    session: Session, tmp_path: Path, bucket_url: str
) -> None:
    store = Store(tmp_path / "store", Bucket(bucket_url))
    read, unread, only_here = (published(store, text) for text in ("read", "unread", "only here"))
    for made in (read, unread, only_here):
        record(session, made)
        add_dataset(session, artifact=made.digest)
    session.commit()
    store.bucket.remove(f"artifacts/{only_here.digest}")  # type: ignore[union-attr]
    age_all(store)
    store.path(read.digest)
    collected(session, store, delete=True)
    assert not store.folder(unread.digest).exists()
    assert store.folder(read.digest).exists()
    assert store.folder(only_here.digest).exists()
    assert (store.path(unread.digest) / "file").read_text() == "unread"
