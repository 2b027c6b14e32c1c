"""What must hold when a fault is over, whatever it was."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.commands import gc
from app.commands.doctor import examine
from app.commands.leftovers import served_from
from core.db.jobs import IdempotencyKey, Job, JobEvent, Outbox
from core.db.resources import RESOURCE_TABLES, Artifact
from core.db.session import get_engine, transaction
from core.db.uploads import PendingUpload
from core.jobs.states import FINISHED, State
from core.settings import get_settings
from tests.chaos.arena import Arena, program
from workers.reconciler import sweep

# What may follow a state in a job's events; `running` again says that it is asked to stop.
FOLLOWS = {
    "queued": {"running", "cancelled"},
    "running": {"running", "queued", "succeeded", "failed", "cancelled"},
    "succeeded": set(),
    "failed": {"queued"},
    "cancelled": {"queued"},
}


@dataclass(frozen=True)
class Verdict:
    """What was counted on the way to it.

    Attributes:
        jobs: that were asked for, each in its right state.
        attempts: that they took.
        crashes: of these, cut off.
        collected: what had to be left to `g2l gc`: parts of uploads, artifacts that were never recorded.
        silence: the longest time between two ends of jobs, in seconds.
    """

    jobs: int
    attempts: int
    crashes: int
    collected: int
    silence: float


def judge(arena: Arena, expected: Mapping[str, State]) -> Verdict:
    """Wait until each job has ended in its state, stop the service, and look at everything that it keeps."""
    for job_id, state in expected.items():
        found = arena.wait(job_id)
        assert found.state == state, f"{job_id}: {found.state}, {found.error}\n{arena.log(job_id)}"
    arena.stop_workers()
    _nobody_is_left(arena)
    sweep()  # as a living worker does twice a minute
    with transaction() as session:
        jobs = session.scalars(select(Job)).all()
        assert {job.id for job in jobs} == {*expected, *arena.judged}
        assert session.scalars(select(Outbox)).all() == []
        unanswered = select(IdempotencyKey.key).where(IdempotencyKey.status.is_(None))
        assert session.scalars(unanswered).all() == []
    arena.judged.update(expected)
    crashes = {job.id: _lived_well(job) for job in jobs}
    _store_is_whole(arena, {job.id for job in jobs if job.state in {"failed", "cancelled"}})
    judged = [job for job in jobs if job.id in expected]
    ends = sorted(job.finished_at.timestamp() for job in judged if job.finished_at is not None)
    return Verdict(
        jobs=len(judged),
        attempts=sum(job.attempt for job in judged),
        crashes=sum(crashes[job.id] for job in judged),
        collected=_collected(arena),
        silence=max((b - a for a, b in pairwise(ends)), default=0.0),
    )


def _nobody_is_left(arena: Arena) -> None:
    """What a killed worker leaves ends by itself, a moment later; engines stay for the next test."""
    engines = {"postgres", "redis-server"}

    def left() -> list[int]:
        return [pid for pid in served_from(arena.home) if program(pid) not in engines]

    arena.until(lambda: left() == [])


def _lived_well(job: Job) -> int:
    """One life, attempt after attempt, with one result or none; how often it was cut off."""
    assert job.state in FINISHED
    with transaction() as session:
        events = session.scalars(
            select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.seq)
        ).all()
        tables = [
            session.scalars(select(table.id).where(table.job_id == job.id)).all()
            for table in RESOURCE_TABLES.values()
        ]
        made = [id_ for ids in tables for id_ in ids]
    assert [event.seq for event in events] == list(range(1, job.event_seq + 1))
    states = [event.data for event in events if event.type == "state"]
    assert states[0]["state"] == "queued"
    for before, after in pairwise(state["state"] for state in states):
        assert after in FOLLOWS[before], f"{job.id}: {after} after {before}"
    attempts = [state["attempt"] for state in states if "attempt" in state]
    assert attempts == list(range(1, job.attempt + 1))
    assert states[-1]["state"] == job.state
    if job.state == "succeeded":
        assert job.result is not None
        assert job.result["id"] in made
        assert max(len(ids) for ids in tables) == 1  # an embedder beside the anchors that it was fitted for
    else:
        assert made == []
    handed_back = [state for state in states if state["state"] == "queued" and "reason" in state]
    return sum("asked to leave" not in state["reason"] for state in handed_back)


def _store_is_whole(arena: Arena, unsuccessful: set[str]) -> None:
    """Every artifact, to its last byte; and no work or upload of jobs that need none."""
    findings = [found for found in examine(get_settings(), deep=True) if found.verdict == "failure"]
    assert findings == [], findings
    assert {path.name for path in (arena.store.root / "work").iterdir()} <= unsuccessful
    assert list((arena.store.root / "work").glob("*/staged-*")) == []
    assert list((arena.store.root / "work").glob("*/*.part")) == []


def _collected(arena: Arena) -> int:
    """`g2l gc` finds what nobody needs, and after it nothing is left that no row has."""
    with Session(get_engine()) as session:
        found = [each.kind for each in gc.find(session, arena.store, timedelta(0))]
        gc.collect(session, arena.store, timedelta(0), delete=True, say=lambda _: None)
        recorded = set(session.scalars(select(Artifact.digest)))
        pending = set(session.scalars(select(PendingUpload.id)))
    root = arena.store.root
    assert {path.name for path in (root / "artifacts").glob("*/*")} == recorded
    assert {path.name for path in (root / "uploads").iterdir()} == pending
    assert list((root / "work").iterdir()) == []
    return found.count("artifact") + found.count("upload")


def rate(job_ids: Collection[str], *, warm: int) -> float:
    """Jobs a second, from the end of the last of those that warm up to the last end."""
    with transaction() as session:
        statement = select(func.extract("epoch", Job.finished_at)).where(Job.id.in_(job_ids))
        ends = sorted(float(end) for end in session.scalars(statement))[warm - 1 :]
    return (len(ends) - 1) / max(ends[-1] - ends[0], 1e-9)
