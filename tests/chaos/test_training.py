"""Whatever dies or freezes, a training ends once, with the same weights, and leaves nothing behind."""

import os
import random
import signal
import time
from dataclasses import dataclass

import pytest

from core.db.resources import Model
from core.db.session import transaction
from core.jobs import plans
from tests.chaos.arena import Arena, terminate_all
from tests.chaos.conftest import Tell
from tests.chaos.training import EPOCHS, mid_epoch, process, told_epochs, training, weights
from tests.chaos.verdict import judge
from tests.fixtures.lengths import LONG, by_length
from tests.workers.archives import folders, submit_dataset
from tests.workers.service import alive

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
EVERY_EPOCH = list(range(1, EPOCHS + 1))


@dataclass(frozen=True)
class Calm:
    """What is made while nothing is cut."""

    dataset: str
    weights: str  # of a training on it; their digest


@pytest.fixture(scope="module")
def calm(arena: Arena) -> Calm:
    worker = arena.worker()
    pool = submit_dataset(arena, folders(3, 32))
    dataset = arena.succeeded(pool)
    trained = arena.submit("model", training(dataset))
    made = Calm(dataset, weights(arena, trained))
    assert worker.stop() == 0
    arena.judged.update({pool, trained})
    return made


def test_random_kills_end_in_the_same_weights(arena: Arena, calm: Calm, tell: Tell) -> None:
    """The job's process and its worker in turn; in the long run also while they start."""
    dice, kills, epochs = random.Random(5), by_length(2, 100), by_length(EPOCHS, 1_000)
    asked, expected = [], calm.weights
    with arena.crew(1) as crew:
        if LONG:
            asked.append(arena.submit("model", training(calm.dataset, epochs=epochs)))
            expected = weights(arena, asked[0])
        job_id = arena.submit("model", training(calm.dataset, epochs=epochs))
        for number in range(kills):
            if LONG and dice.random() < 0.5:
                child = process(arena, job_id, attempt=number + 1)
                time.sleep(dice.uniform(0, 4))
            else:
                child = mid_epoch(arena, job_id, attempt=number + 1)
                time.sleep(dice.uniform(0, by_length(0.1, 1.0)))
            worker = crew.members[0].process.pid
            os.kill(child if number % 2 == 0 else worker, signal.SIGKILL)
            ended(arena, child)
        assert weights(arena, job_id) == expected
    job = arena.job(job_id)
    assert (job.attempt, job.crashes) == (kills + 1, kills)
    reasons = [data.get("reason") for type_, data in arena.events(job_id) if type_ == "state"]
    assert any("SIGKILL" in reason for reason in reasons if reason)
    assert told_epochs(arena, job_id) == list(range(1, epochs + 1))  # each once, though it was cut
    verdict = judge(arena, dict.fromkeys([*asked, job_id], "succeeded"))
    assert (verdict.jobs, verdict.crashes) == (len(asked) + 1, kills)
    tell("SIGKILL during one training", f"{kills} kills; bit-equal weights", verdict=vars(verdict))


def test_a_frozen_worker_that_wakes_is_refused(arena: Arena, calm: Calm, tell: Tell) -> None:
    """It is the one that would notice silent workers, so another must take its office, too."""
    jobs = [_frozen(arena, calm) for _ in range(by_length(1, 10))]
    verdict = judge(arena, dict.fromkeys(jobs, "succeeded"))
    assert (verdict.jobs, verdict.crashes) == (len(jobs), len(jobs))
    tell(
        "SIGSTOP beyond the lease, SIGCONT after another took over",
        f"{len(jobs)} times; its writes refused, bit-equal weights",
        verdict=vars(verdict),
    )


def ended(arena: Arena, pid: int) -> None:
    arena.until(lambda: not alive(pid))


def _frozen(arena: Arena, calm: Calm) -> str:
    first = arena.worker()
    job_id = arena.submit("model", training(calm.dataset))
    child = mid_epoch(arena, job_id)
    os.kill(first.process.pid, signal.SIGSTOP)
    os.killpg(child, signal.SIGSTOP)
    try:
        second = arena.worker()
        mid_epoch(arena, job_id, attempt=2)
    finally:
        os.killpg(child, signal.SIGCONT)
        os.kill(first.process.pid, signal.SIGCONT)
    ended(arena, child)
    assert weights(arena, job_id) == calm.weights
    assert (arena.job(job_id).attempt, arena.job(job_id).crashes) == (2, 1)
    assert told_epochs(arena, job_id) == EVERY_EPOCH
    assert first.stop() == second.stop() == 0
    return job_id


def test_one_training_is_cut_off_cancelled_retried_and_handed_back(arena: Arena, calm: Calm) -> None:
    models = arena.count(Model)
    worker = arena.worker()
    job_id = arena.submit("model", training(calm.dataset))
    child = mid_epoch(arena, job_id)
    told = len(told_epochs(arena, job_id))
    terminate_all()  # costs no attempt
    arena.wait(job_id, lambda job: job.state == "running" and len(told_epochs(arena, job_id)) > told)
    assert arena.job(job_id).attempt == 1

    with transaction() as session:
        plans.cancel(session, job_id)
    assert arena.wait(job_id).state == "cancelled"
    assert not alive(child)
    assert arena.count(Model) == models
    work = arena.store.root / "work"
    arena.until(lambda: {p.name for p in work.rglob("*")} == {job_id, "training.pt"})

    with transaction() as session:
        plans.retry(session, job_id)
    child = mid_epoch(arena, job_id, attempt=2)
    assert worker.stop() == 0  # told to leave, it hands back
    job = arena.job(job_id)
    assert (job.state, job.attempt, job.crashes) == ("queued", 2, 0)
    assert not alive(child)

    arena.worker()
    assert weights(arena, job_id) == calm.weights
    assert (arena.job(job_id).attempt, arena.job(job_id).crashes) == (3, 0)
    assert told_epochs(arena, job_id) == EVERY_EPOCH
    arena.until(lambda: arena.half_made() == [])
    verdict = judge(arena, {job_id: "succeeded"})
    assert (verdict.jobs, verdict.attempts, verdict.crashes) == (1, 3, 0)
