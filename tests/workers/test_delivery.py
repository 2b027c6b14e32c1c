"""Messages are hints: lost, doubled or late, every job runs once."""

from collections.abc import Iterator

import pytest
import redis
from sqlalchemy import create_engine, delete, text

from core import queue
from core.db.jobs import Outbox
from core.db.session import transaction
from core.queue import send
from core.settings import get_settings
from tests.workers.archives import folders, submit_dataset
from tests.workers.service import Service
from workers.reconciler import ELECTION_LOCK


@pytest.fixture(autouse=True)
def _no_workers(service: Service) -> Iterator[None]:
    yield
    service.stop_workers()


def test_doubled_messages_run_a_job_once(service: Service) -> None:
    jobs = [submit_dataset(service, folders(2, 4, first=10 * n)) for n in range(3)]
    for job_id in jobs * 4:
        send("cpu", job_id)
    service.worker()
    service.worker("cpu")
    for job_id in jobs:
        service.succeeded(job_id)
    service.until(lambda: queue.waiting("cpu") == 0)
    assert [service.job(job_id).attempt for job_id in jobs] == [1, 1, 1]


def test_a_message_for_nothing_is_ignored(service: Service) -> None:
    service.worker()
    send("cpu", "job_unknown")
    service.succeeded(submit_dataset(service, folders(2, 4, first=40)))
    service.stop_workers()
    assert service.live_workers() == 0  # who leaves takes its row along


def test_a_flushed_broker_loses_no_job(service: Service) -> None:
    with redis.Redis.from_url(queue.redis_url(get_settings())) as client:
        before = client.llen("cpu")  # a worker that was stopped gives back what it had not confirmed
        jobs = [submit_dataset(service, folders(2, 4, first=50 + 10 * n)) for n in range(3)]
        assert client.llen("cpu") == before + 3
        client.flushdb()
    service.worker()
    for job_id in jobs:
        service.succeeded(job_id)
        assert service.job(job_id).attempt == 1


def test_an_idle_worker_finds_what_no_message_tells_of(service: Service) -> None:
    """Nobody sends the lost message again: the test itself is elected, and does nothing."""
    job_id = submit_dataset(service, folders(2, 4, first=90), hint=False)
    with transaction() as session:
        session.execute(delete(Outbox))
    engine = create_engine(get_settings().require_database_url())
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": ELECTION_LOCK})
        connection.commit()
        service.worker()
        assert service.succeeded(job_id).startswith("ds_")
    engine.dispose()
