"""Small jobs, many of them."""

from core.jobs.states import FINISHED
from core.specs.datasets import DatasetSpec
from core.specs.models import HumanLabelModelSpec
from tests.chaos.arena import Arena
from tests.chaos.verdict import rate
from tests.fixtures.lengths import LONG

WARM, STEADY = 20, 200  # jobs without a fault, before it and after it: first those that are not timed
TRAININGS = 5  # one job in so many is a training where there is something to train on


def small_jobs(arena: Arena, count: int, *, train_on: str | None = None) -> list[str]:
    """Ask for archives to be taken in and for small trainings between them; no two make the same."""
    return [_small_job(arena, number, train_on) for number in range(count)]


def _small_job(arena: Arena, number: int, train_on: str | None) -> str:
    if train_on is not None and number % TRAININGS == TRAININGS - 1:
        spec = HumanLabelModelSpec(
            objective="human-labels", dataset_id=train_on, epochs=2, image_size=16, batch_size=16, seed=number
        )
        return arena.submit("model", spec, hint=False)
    return arena.submit("dataset", DatasetSpec(name="pool", uri=arena.new_archive()), hint=False)


def unfinished(arena: Arena, job_ids: list[str]) -> list[str]:
    """Those that are not over."""
    return [job_id for job_id in job_ids if arena.job(job_id).state not in FINISHED]


def steady(arena: Arena, into: list[str], *, train_on: str | None = None) -> float | None:
    """The rate of jobs that no fault disturbs, which are added to `into`; None in the short run."""
    if not LONG:
        return None
    jobs = small_jobs(arena, WARM + STEADY, train_on=train_on)
    for job_id in jobs:
        arena.succeeded(job_id)
    into += jobs
    return rate(jobs, warm=WARM)
