"""`g2l doctor` names what is wrong with an installation, and the cure."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, delete, func, update
from sqlalchemy.orm import Session

from app.commands import db
from app.commands.doctor import Finding, examine, report
from core.artifacts import Store, open_store, record
from core.db.jobs import Job, Worker
from core.db.resources import Artifact
from core.jobs import transitions
from core.settings import Settings
from core.specs.datasets import DatasetSpec


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    db.upgrade(database_url)
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=database_url, redis_url=redis_url)


def found(settings: Settings, *, deep: bool = False) -> list[Finding]:
    return list(examine(settings, deep=deep))


def failures(settings: Settings, *, deep: bool = False) -> list[str]:
    return [finding.detail for finding in found(settings, deep=deep) if finding.verdict == "failure"]


def test_a_whole_installation_without_workers_is_warned_of_no_more(
    engine: Engine, settings: Settings
) -> None:
    findings = found(settings)
    assert {"store", "database", "broker", "jobs", "artifacts"} <= {
        f.part for f in findings if f.verdict == "ok"
    }
    assert [f.part for f in findings if f.verdict == "warning" and f.part == "worker"] == ["worker"]
    assert report(iter(findings), lambda _: None)


def test_jobs_that_no_worker_serves_and_leases_that_nobody_minds(engine: Engine, settings: Settings) -> None:
    with Session(engine) as session:
        waiting, running = (
            transitions.submit(session, "dataset", DatasetSpec(name=name, uri="file:///x")) for name in "ab"
        )
        held = transitions.claim(session, running.id, "worker", lease_seconds=10)
        assert held is not None
        long_ago = func.now() - timedelta(minutes=5)
        session.execute(update(Job).where(Job.id == running.id).values(lease_expires_at=long_ago))
        session.execute(update(Job).where(Job.id == waiting.id).values(queued_at=long_ago))
        session.add(Worker(id="gpu-worker", queues=["gpu"], device="cuda"))
        session.commit()
        said = " ".join(failures(settings))
        assert "the queue `cpu`" in said
        assert "1 messages are unsent" in said
        assert running.id in said
        for job in (waiting, running):
            transitions.end(session, job, "failed")
        session.commit()
    assert failures(settings) == []


def test_an_artifact_that_was_lost_or_changed(engine: Engine, settings: Settings) -> None:
    store = Store(settings.store)
    with store.staging("job_x", 1) as staged:
        (staged / "made").mkdir()
        (staged / "made" / "weights").write_bytes(b"12345")
        published = store.publish(staged / "made")
    with Session(engine) as session:
        record(session, published)
        session.commit()
    file = store.folder(published.digest) / "weights"
    file.write_bytes(b"12346")
    assert failures(settings) == []
    assert ["other bytes" in detail for detail in failures(settings, deep=True)] == [True]
    file.write_bytes(b"1")
    assert "has 1 bytes instead of 5" in failures(settings)[0]
    file.unlink()
    assert "is missing" in failures(settings)[0]
    assert not report(examine(settings, deep=False), lambda _: None)


def test_a_bucket(engine: Engine, settings: Settings, bucket_url: str, tmp_path: Path) -> None:
    shared = settings.model_copy(update={"store_url": bucket_url, "home": tmp_path / "other"})
    store = open_store(shared)
    with store.staging("job_x", 1) as staged:
        (staged / "made").mkdir()
        (staged / "made" / "weights").write_bytes(b"67890")
        published = store.publish(staged / "made")
    with Session(engine) as session:
        session.execute(delete(Artifact))
        record(session, published)
        session.commit()
    assert failures(shared, deep=True) == []
    assert any(f.part == "bucket" and f.verdict == "ok" for f in found(shared))
    assert store.bucket is not None
    (key,) = (kept.key for kept in store.bucket.list("artifacts") if kept.key.endswith("weights"))
    (tmp_path / "damaged").write_bytes(b"67891")
    store.bucket.put(key, tmp_path / "damaged")
    assert failures(shared) == []
    assert ["other bytes" in detail for detail in failures(shared, deep=True)] == [True]
    store.bucket.remove(key)
    assert ["weights is missing" in detail for detail in failures(shared)] == [True]
    away = shared.model_copy(update={"store_url": "s3://there-is-no-such-bucket"})
    assert [f.part for f in found(away) if f.verdict == "failure"] == ["bucket"]


def test_an_old_schema(empty_database_url: str, settings: Settings) -> None:
    old = settings.model_copy(update={"database_url": empty_database_url})
    assert ["g2l db upgrade" in detail for detail in failures(old)] == [True]


def test_engines_that_are_away(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    assert any(f.part == "broker" and f.verdict == "failure" for f in found(away))
    away = settings.model_copy(update={"database_url": "postgresql://g2l@127.0.0.1:1/g2l"})
    assert [f.part for f in found(away) if f.verdict == "failure"] == ["database"]
