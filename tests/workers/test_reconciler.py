"""What the elected worker sets right, step by step and without a worker."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import func, select, update

from core import queue
from core.artifacts import Store
from core.db.jobs import IdempotencyKey, Job, Outbox, Worker
from core.db.session import transaction
from core.db.uploads import PendingUpload
from core.jobs import outbox, transitions
from core.queue import send
from core.settings import get_settings
from core.specs.base import Upload
from core.specs.datasets import DatasetSpec
from core.specs.pipelines import PipelineSpec
from tests.fixtures.rows import add_dataset
from tests.workers.service import Service
from workers import reconciler

SPEC = DatasetSpec(name="pool", uri="file:///pool")


@pytest.fixture(autouse=True)
def _all_sent(service: Service) -> None:
    outbox.flush(send)


def ago(seconds: float) -> Any:
    return func.now() - timedelta(seconds=seconds)


def set_job(job_id: str, **values: Any) -> None:
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def promised() -> list[str]:
    with transaction() as session:
        return list(session.scalars(select(Outbox.job_id)))


def drain() -> None:
    with redis.Redis.from_url(queue.redis_url(get_settings())) as client:
        client.flushdb()


def test_what_waits_beside_an_empty_queue_is_promised_again_at_a_bounded_rate(service: Service) -> None:
    job_id = service.submit("dataset", SPEC)
    set_job(job_id, queued_at=ago(60))
    reconciler.promise_again()
    assert promised() == []  # its message is still there
    drain()
    reconciler.promise_again()
    reconciler.promise_again()
    assert promised() == [job_id]
    outbox.flush(send)
    drain()
    reconciler.promise_again()
    assert promised() == []  # a moment ago is not long enough


def test_a_lapsed_lease_of_a_stage_ends_its_pipeline_at_the_bound(service: Service) -> None:
    with transaction() as session:
        pool = add_dataset(session)
    parent_id = service.submit("pipeline", PipelineSpec(dataset_id=pool))
    with transaction() as session:
        child_id = session.scalars(select(Job.id).where(Job.parent_id == parent_id)).one()
    for _ in range(3):
        with transaction() as session:
            assert transitions.claim(session, child_id, "gone", 30) is not None
        reconciler.expire()
        assert service.job(child_id).state == "running"  # its lease holds
        set_job(child_id, lease_expires_at=ago(1))
        reconciler.expire()
    assert (service.job(child_id).state, service.job(parent_id).state) == ("failed", "failed")


def test_the_sweep_removes_dead_workers_and_old_answers(service: Service) -> None:
    def key(name: str) -> IdempotencyKey:
        return IdempotencyKey(key=name, method="POST", path="/v1/datasets", owner="api")

    with transaction() as session:
        session.add_all(
            [Worker(id="dead", queues=["cpu"], device="cpu"), key("old"), key("uploading"), key("new")]
        )
        session.add(Worker(id="alive", queues=["cpu"], device="cpu"))
    with transaction() as session:
        session.execute(update(Worker).where(Worker.id == "dead").values(beat_at=ago(3600)))
        old = IdempotencyKey.key.in_(["old", "uploading"])
        session.execute(update(IdempotencyKey).where(old).values(created_at=ago(200_000)))
        session.execute(
            update(IdempotencyKey).where(IdempotencyKey.key == "old").values(beat_at=ago(200_000))
        )
    reconciler.sweep()
    with transaction() as session:
        assert session.scalars(select(Worker.id)).all() == ["alive"]
        assert set(session.scalars(select(IdempotencyKey.key))) == {"uploading", "new"}


def test_the_sweep_removes_uploads_that_nobody_has_ended(service: Service) -> None:
    store = Store(get_settings().store)
    for name, expires_at in (("upl_old", ago(1)), ("upl_new", ago(-3600))):
        store.upload(name).write_bytes(b"half")
        with transaction() as session:
            session.add(PendingUpload(id=name, filename="pool.zip", bytes=9, expires_at=expires_at))
    reconciler.sweep()
    with transaction() as session:
        assert session.scalars(select(PendingUpload.id)).all() == ["upl_new"]
    assert not store.upload("upl_old").exists()
    assert store.upload("upl_new").exists()


def test_the_sweep_removes_what_a_worker_that_died_left_of_jobs_that_succeeded(service: Service) -> None:
    store = Store(get_settings().store)
    jobs = {}
    for ending in ("succeeded", "failed"):
        id_ = f"upl_{ending}"
        store.upload(id_).write_bytes(b"all")
        spec = DatasetSpec(name="pool", uploads=[Upload(id=id_, filename="a.zip", sha256="0" * 64, bytes=3)])
        jobs[ending] = service.submit("dataset", spec)
        (store.work(jobs[ending]) / "training.pt").touch()
        set_job(jobs[ending], state=ending, finished_at=func.now())
    reconciler.sweep()
    assert [path.name for path in (store.root / "work").iterdir()] == [jobs["failed"]]  # may be retried
    assert not store.upload("upl_succeeded").exists()
    assert store.upload("upl_failed").exists()
