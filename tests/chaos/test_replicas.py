"""Several API replicas and workers over one database."""

import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from core import queue
from core.db.jobs import Job
from core.jobs import outbox
from core.queue import send
from g2l.client import Client
from tests.chaos.arena import Arena, watching
from tests.chaos.conftest import Tell
from tests.chaos.verdict import judge
from tests.fixtures.lengths import by_length
from tests.workers.service import PATIENCE

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


def test_no_job_runs_twice_at_once(arena: Arena, tell: Tell) -> None:
    """Two replicas take jobs in, three workers do them, and each message comes four times."""
    n_jobs = by_length(4, 100)
    replicas = [arena.api() for _ in range(2)]
    jobs: list[str] = []
    for number in range(n_jobs):
        with Client(replicas[number % 2].url) as client:
            jobs.append(client.datasets.take_in(arena.new_archive(), "pool").id)
    for job_id in jobs * 3:
        send("cpu", job_id)
    with watching(set(jobs)) as doubled, arena.crew(by_length(2, 3)):
        for job_id in jobs:
            arena.succeeded(job_id)
    assert doubled == set()
    assert [arena.job(job_id).attempt for job_id in jobs] == [1] * n_jobs
    verdict = judge(arena, dict.fromkeys(jobs, "succeeded"))
    assert (verdict.jobs, verdict.attempts) == (n_jobs, n_jobs)
    tell(
        "two API replicas, three workers",
        f"{4 * n_jobs} messages for {n_jobs} jobs; none was seen at work twice at once",
        verdict=vars(verdict),
    )


def test_requests_that_are_sent_twice_make_one_job_each(arena: Arena, tell: Tell) -> None:
    dice = random.Random(2)
    n_jobs, uri = by_length(300, 5_000), arena.new_archive()
    replicas = [arena.api() for _ in range(2)]
    before = arena.count(Job)
    requests = [f"key-{number}" for number in range(n_jobs)] * 2
    dice.shuffle(requests)
    with httpx.Client(timeout=PATIENCE) as client, ThreadPoolExecutor(16) as clients:

        def ask(key: str) -> tuple[str, str]:
            while True:
                answer = client.post(
                    f"{dice.choice(replicas).url}/v1/datasets",
                    json={"name": "pool", "uri": uri},
                    headers={"Idempotency-Key": key},
                )
                if answer.status_code != 409:  # its twin is being answered
                    assert answer.status_code == 202, answer.text
                    return key, answer.json()["id"]

        answered = set(clients.map(ask, requests))
    assert len(answered) == len({job_id for _, job_id in answered}) == n_jobs
    assert arena.count(Job) == before + n_jobs
    arena.stop_workers()
    outbox.flush(send, limit=n_jobs)
    assert queue.waiting("cpu") == n_jobs
    tell(
        "keyed requests, each sent twice at once", f"{2 * n_jobs} requests, {n_jobs} jobs, {n_jobs} messages"
    )
