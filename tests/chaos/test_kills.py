"""SIGKILL to workers and to the processes of jobs."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from core.jobs.states import FINISHED
from core.specs.datasets import DatasetSpec
from tests.chaos.arena import Arena, processes_of
from tests.chaos.conftest import Tell
from tests.chaos.load import small_jobs, steady, unfinished
from tests.chaos.verdict import judge
from tests.fixtures.lengths import LONG, by_length
from tests.workers.service import alive

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


@pytest.mark.rates
def test_random_kills_in_a_mixed_load(arena: Arena, tell: Tell) -> None:
    dice = random.Random(1)
    kills, n_jobs = by_length((2, 3), (50, 100))
    with arena.crew(by_length(1, 2)) as crew:
        asked, train_on = [], None
        if LONG:
            asked.append(arena.submit("dataset", DatasetSpec(name="pool", uri=arena.new_archive(3, 16))))
            train_on = arena.succeeded(asked[0])
        before = steady(arena, asked, train_on=train_on)
        load = small_jobs(arena, n_jobs, train_on=train_on)
        killed = 0
        while killed < kills:
            if not unfinished(arena, load):
                load += small_jobs(arena, n_jobs // 2, train_on=train_on)
            at_work = [pid for pids in processes_of(set(load)).values() for pid in pids]
            victims = at_work if killed % 2 == 0 else crew.victims()
            if victims:
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    os.kill(dice.choice(victims), signal.SIGKILL)
                    killed += 1
                    time.sleep(dice.uniform(*by_length((0.1, 0.5), (0.5, 3.0))))
            time.sleep(0.02)
        for job_id in load:
            arena.succeeded(job_id)
        after = steady(arena, asked, train_on=train_on)
    verdict = judge(arena, dict.fromkeys(asked + load, "succeeded"))
    assert verdict.jobs == len(asked + load)
    assert verdict.crashes == verdict.attempts - verdict.jobs <= killed
    tell(
        "SIGKILL of jobs, workers, nurseries",
        f"{killed} kills",
        verdict=vars(verdict),
        before=before,
        after=after,
    )


def test_a_job_that_kills_its_worker_every_time(
    arena: Arena, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("G2L_MAX_CRASHES", "3")
    poison = arena.submit("dataset", DatasetSpec(name="poison", uri=arena.new_archive()))
    others = small_jobs(arena, by_length(2, 20))
    killed = 0
    with arena.crew(by_length(1, 2)):
        while arena.job(poison).state not in FINISHED:
            for pid in processes_of({poison}).get(poison, []):
                _kill(pid, its_worker=killed % 2 == 1)
                killed += 1
            time.sleep(0.02)
        for job_id in others:
            arena.succeeded(job_id)
    assert arena.job(poison).attempt == 3
    assert [arena.job(job_id).attempt for job_id in others] == [1] * len(others)
    error = arena.job(poison).error
    assert error is not None
    assert error["code"] == "worker-lost"
    verdict = judge(arena, {poison: "failed", **dict.fromkeys(others, "succeeded")})
    assert (verdict.jobs, verdict.attempts) == (1 + len(others), killed + len(others))
    tell(
        "a job that kills its worker every time",
        f"failed after {killed} attempts, the others took one each",
        verdict=vars(verdict),
    )


def _kill(pid: int, *, its_worker: bool) -> None:
    """End a job's process, or its worker, with which it goes; between them is what it was forked from."""
    os.kill(_parent(_parent(pid)) if its_worker else pid, signal.SIGKILL)
    while alive(pid):
        time.sleep(0.01)


def _parent(pid: int) -> int:
    return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
