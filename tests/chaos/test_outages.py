"""Redis and PostgreSQL: gone, emptied, cut off, full."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import update

from core.db.jobs import Job, Outbox
from core.db.session import transaction
from core.queue import redis_url
from core.settings import get_settings
from core.specs.datasets import DatasetSpec
from g2l.client import Client
from tests.chaos.arena import POLLED, Arena, kill, terminate_all
from tests.chaos.conftest import Tell
from tests.chaos.load import small_jobs, steady
from tests.chaos.verdict import judge
from tests.fixtures.lengths import by_length
from tests.workers.service import WorkerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
RETRY_FOR = 600.0


@pytest.mark.rates
def test_no_worker_goes_deaf_when_redis_fails(arena: Arena, tell: Tell) -> None:
    """One worker a queue, so that each is seen to hear."""
    cuts, flushes, kills, n_jobs = by_length((15, 1, 1, 2), (250, 20, 5, 60))
    workers = {queue: arena.worker(queue) for queue in ("cpu", "gpu")}
    asked: list[str] = []
    before = steady(arena, asked)
    load = small_jobs(arena, n_jobs)
    move(load[::2], "gpu")
    broker = redis_url(get_settings())
    for number in range(kills):
        cut_connections(broker, cuts // kills)
        for _ in range(flushes // kills):
            with redis.Redis.from_url(broker) as client:
                client.flushall()
            time.sleep(by_length(0.2, 1.0))
        kill(arena.redis)
        time.sleep(by_length(0.2, 5.0) if number + 1 < kills else 0.0)
    for job_id in load:
        arena.succeeded(job_id)
    after = steady(arena, asked)
    for queue, worker in workers.items():
        (last,) = small_jobs(arena, 1)
        move([last], queue)
        arena.succeeded(last)
        asked.append(last)
        assert not any(last in line for line in polled(worker.log)), f"the worker of {queue} is deaf"
    n_polled = sum(len(polled(worker.log)) for worker in workers.values())
    asked.append(lives_without_redis(arena, workers["cpu"]))
    verdict = judge(arena, dict.fromkeys(asked + load, "succeeded"))
    assert verdict.jobs == len(asked + load)
    tell(
        "Redis killed, emptied, its connections cut",
        f"{kills} kills, {flushes} FLUSHALL, {cuts} times all connections cut; "
        f"{n_polled} jobs were found by polling",
        verdict=vars(verdict),
        before=before,
        after=after,
    )


@pytest.mark.rates
def test_postgres_stopped_killed_cut_off_and_full(arena: Arena, tell: Tell) -> None:
    down, kills, cuts, full, n_jobs = by_length((1.0, 1, 4, 1.0, 2), (30.0, 5, 50, 20.0, 60))
    api = arena.api()
    asked: list[str] = []
    with (
        arena.crew(by_length(1, 2)),
        Client(api.url, retry_for=RETRY_FOR) as client,
        ThreadPoolExecutor(4) as clients,
    ):
        before = steady(arena, asked)
        load = [
            clients.submit(lambda uri: client.datasets.take_in(uri, "pool").id, arena.new_archive())
            for _ in range(n_jobs)
        ]
        time.sleep(1.0)
        arena.postgres.stop()
        time.sleep(down)
        arena.postgres.start()
        for _ in range(kills):
            time.sleep(by_length(1.0, 5.0))
            kill(arena.postgres)
        for _ in range(cuts):
            terminate_all()
            time.sleep(by_length(0.1, 0.5))
        with all_connections_taken():
            time.sleep(full)
        jobs = [job.result() for job in load]
        for job_id in jobs:
            arena.succeeded(job_id)
        after = steady(arena, asked)
    verdict = judge(arena, dict.fromkeys(asked + jobs, "succeeded"))
    assert verdict.jobs == len(asked + jobs)
    tell(
        "PostgreSQL stopped, killed, cut off, full",
        f"{down:g} s down, {kills} kills, {cuts} times all backends terminated, "
        f"{full:g} s without a free connection",
        verdict=vars(verdict),
        before=before,
        after=after,
    )


def lives_without_redis(arena: Arena, worker: WorkerProcess) -> str:
    """A worker that loses Redis during a job does it, and ends when it is told to."""
    job_id = arena.submit("dataset", DatasetSpec(name="pool", uri=arena.new_archive(2, 1000)), hint=False)
    arena.wait(job_id, lambda job: job.state == "running")
    arena.redis.stop()
    try:
        arena.succeeded(job_id)
        time.sleep(2.5)  # Celery would say that the worker lives every 2 s
        assert worker.stop() == 0
    finally:
        arena.redis.start()
    return job_id


def move(job_ids: list[str], queue: str) -> None:
    """Have jobs wait in another queue, their messages too, if they have not left yet."""
    with transaction() as session:
        session.execute(update(Job).where(Job.id.in_(job_ids)).values(queue=queue))
        session.execute(update(Outbox).where(Outbox.job_id.in_(job_ids)).values(queue=queue))


def cut_connections(broker: str, times: int) -> None:
    for _ in range(times):
        with redis.Redis.from_url(broker) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        time.sleep(0.05)


def polled(log: Path) -> list[str]:
    """The lines of a worker's log about jobs that no message had told it of."""
    return [line for line in log.read_text(errors="replace").splitlines() if POLLED in line]


@contextmanager
def all_connections_taken() -> Iterator[None]:
    with ExitStack() as held:
        with suppress(psycopg.OperationalError):  # too many clients already
            while True:
                held.enter_context(psycopg.connect(get_settings().require_database_url()))
        yield
