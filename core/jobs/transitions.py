"""Every change of a job's state: one fenced statement each, in the caller's transaction.

A write of a running attempt carries `attempt` in its WHERE. No row changed means the lease is lost:
`LeaseLostError`, and the attempt stops without another word.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from core import tracing
from core.db.jobs import Job
from core.errors import JobFinishedError, LeaseLostError, NotFoundError, ServiceError
from core.ids import new_id
from core.jobs import events, needs, outbox
from core.jobs.states import FINISHED, RETRYABLE, State
from core.specs.kinds import PARENTS, QUEUES, Kind, dump_spec, parse_spec
from core.specs.references import references
from core.telemetry import request_id


@dataclass(frozen=True)
class Claim:
    """What an attempt holds: the job, the token that fences its writes, and where the job came from."""

    job_id: str
    kind: str
    attempt: int
    request_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class Progress:
    """How far a stage has come."""

    stage: str
    done: int = 0
    total: int | None = None
    unit: str | None = None


def submit(
    session: Session,
    kind: Kind,
    spec: BaseModel,
    *,
    uses: Iterable[str] = (),
    parent: Job | None = None,
    role: str | None = None,
) -> Job:
    """Write a job and the promise of its message.

    What its spec names, and `uses` beside it, is not deleted until the job is over.

    Raises:
        InvalidRequestError: something that the spec names is gone.
    """
    is_parent = kind in PARENTS
    job_id = new_id("job")
    origin = parent.traceparent if parent else None
    with tracing.span(f"submit {kind}", within=origin, job_id=job_id) as traceparent:
        pass  # a point in time: what is done under it is done by workers, later
    job = Job(
        id=job_id,
        kind=kind,
        spec=dump_spec(spec),
        state="running" if is_parent else "queued",
        started_at=func.now() if is_parent else None,
        queue=None if is_parent else QUEUES.get(kind, "cpu"),
        parent_id=parent.id if parent else None,
        role=role,
        request_id=parent.request_id if parent else request_id(),
        traceparent=traceparent,
    )
    session.add(job)
    session.flush()
    needs.take(session, job.id, {*references(spec), *uses})
    outbox.promise(session, job)
    events.record(session, job.id, "state", {"state": job.state})
    session.refresh(job)
    return job


def claim(session: Session, job_id: str, owner: str, lease_seconds: float) -> Claim | None:
    """Take a queued job under a lease and raise its attempt; None if it is not to be had."""
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == "queued", Job.queue.is_not(None))
        .values(
            state="running",
            attempt=Job.attempt + 1,
            owner=owner,
            lease_expires_at=_in(lease_seconds),
            started_at=func.coalesce(Job.started_at, func.now()),
            progressed_at=func.now(),
            version=Job.version + 1,
        )
        .returning(Job.kind, Job.attempt, Job.request_id, Job.traceparent)
    ).one_or_none()
    if row is None:
        return None
    events.record(session, job_id, "state", {"state": "running", "attempt": row.attempt})
    return Claim(job_id, *row)


def beat(session: Session, held: Claim, lease_seconds: float, stall_seconds: float) -> bool:
    """Renew the lease; True if the job is asked to stop.

    Raises:
        LeaseLostError: the attempt no longer owns the job, or has shown no progress for `stall_seconds`.
    """
    row = session.execute(
        update(Job)
        .where(_held(held), Job.progressed_at > _in(-stall_seconds))
        .values(lease_expires_at=_in(lease_seconds))
        .returning(Job.cancel_requested)
    ).one_or_none()
    if row is None:
        raise LeaseLostError(held.job_id)
    return bool(row.cancel_requested)


def report(session: Session, held: Claim, progress: Progress) -> None:
    """Record how far the attempt is; a new stage is an event, progress within one is not."""
    previous = session.execute(select(Job.stage).where(_held(held)).with_for_update()).one_or_none()
    if previous is None:
        raise LeaseLostError(held.job_id)
    values: dict[str, Any] = {
        "progress_done": progress.done,
        "progress_total": progress.total,
        "progress_unit": progress.unit,
        "progressed_at": func.now(),
    }
    entered = previous.stage != progress.stage
    if entered:
        values |= {"stage": progress.stage, "stage_started_at": func.now(), "version": Job.version + 1}
    session.execute(update(Job).where(Job.id == held.job_id).values(values))
    if entered:
        events.record(session, held.job_id, "stage", {"stage": progress.stage})


def note(session: Session, held: Claim, data: dict[str, Any]) -> None:
    """Record what the attempt has measured, as an event."""
    if session.execute(select(Job.id).where(_held(held)).with_for_update()).one_or_none() is None:
        raise LeaseLostError(held.job_id)
    events.record(session, held.job_id, "metric", data)


def succeed(session: Session, held: Claim, result: dict[str, str] | None) -> None:
    """End an attempt well; the caller writes the result's row in this transaction and advances the parent."""
    end(session, lock_held(session, held), "succeeded", result=result)


def fail(session: Session, held: Claim, error: dict[str, Any]) -> None:
    """End an attempt with a problem."""
    end(session, lock_held(session, held), "failed", error=error)


def request_cancel(session: Session, job_id: str) -> Job:
    """Ask a job to stop: one that a worker has ends at its beat, any other at once; its children likewise.

    Raises:
        NotFoundError: no such job.
        JobFinishedError: it is over already.
    """
    job = lock(session, job_id)
    if job.state in FINISHED:
        raise JobFinishedError(
            f"The job has {job.state} already; only queued and running jobs can be cancelled."
        )
    if job.owner is None:
        end(session, job, "cancelled")
    else:
        session.execute(
            update(Job).where(Job.id == job.id).values(cancel_requested=True, version=Job.version + 1)
        )
        events.record(session, job.id, "state", {"state": "running", "cancel_requested": True})
    for child_id in session.scalars(
        select(Job.id).where(Job.parent_id == job.id, Job.state.not_in(FINISHED))
    ):
        request_cancel(session, child_id)
    session.refresh(job)
    return job


def requeue_finished(session: Session, job: Job) -> None:
    """Put a failed or cancelled job back: a worker's job into the queue, a parent at once into `running`.

    Raises:
        JobFinishedError: it is not over, or it succeeded.
        InvalidRequestError: something that its spec names is gone.
    """
    if job.state not in RETRYABLE:
        raise JobFinishedError(f"The job is {job.state}; only failed and cancelled jobs can be retried.")
    needs.take(session, job.id, references(parse_spec(job.kind, job.spec)))
    state = "running" if job.queue is None else "queued"
    session.execute(
        update(Job)
        .where(Job.id == job.id)
        .values(
            state=state,
            error=None,
            finished_at=None,
            queued_at=func.now(),
            crashes=0,
            cancel_requested=False,
            version=Job.version + 1,
        )
    )
    events.record(session, job.id, "state", {"state": state, "retried": True})
    session.refresh(job)
    outbox.promise(session, job)


def enter_stage(
    session: Session, parent: Job, stage: str, *, done: int, total: int, unit: str = "stages"
) -> None:
    """Say what a parent waits for, and how far it is; the caller holds the parent's row lock."""
    values: dict[str, Any] = {"progress_done": done, "progress_total": total, "progress_unit": unit}
    entered = stage != parent.stage
    if entered:
        values |= {"stage": stage, "stage_started_at": func.now(), "version": Job.version + 1}
    session.execute(update(Job).where(Job.id == parent.id).values(values))
    if entered:
        events.record(session, parent.id, "stage", {"stage": stage})
    session.refresh(parent)


def end(session: Session, job: Job, state: State, *, error: Any = None, result: Any = None) -> None:
    """End a job; the caller holds its row lock and has checked that it may end."""
    session.execute(
        update(Job)
        .where(Job.id == job.id)
        .values(
            state=state,
            error=error,
            result=result,
            owner=None,
            lease_expires_at=None,
            finished_at=func.now(),
            version=Job.version + 1,
        )
    )
    outbox.withdraw(session, job.id)
    needs.release(session, job.id)
    events.record(session, job.id, "state", {"state": state})
    session.refresh(job)


def lock(session: Session, job_id: str) -> Job:
    """A job's row, locked after those it descends from: in that order, so that no two wait for each other."""
    for ancestor_id in reversed(_ancestors(session, job_id)):
        session.execute(select(Job.id).where(Job.id == ancestor_id).with_for_update())
    job = session.scalar(
        select(Job).where(Job.id == job_id).with_for_update().execution_options(populate_existing=True)
    )
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    return job


def _ancestors(session: Session, job_id: str) -> list[str]:
    """Its parent, the parent of that, and so on; a job's parent never changes."""
    found: list[str] = []
    while (parent_id := session.scalar(select(Job.parent_id).where(Job.id == job_id))) is not None:
        found.append(parent_id)
        job_id = parent_id
    return found


def lock_held(session: Session, held: Claim) -> Job:
    """The row of a job that an attempt still owns, locked.

    Raises:
        LeaseLostError: it owns it no longer.
    """
    job = lock(session, held.job_id)
    if job.attempt != held.attempt or job.state != "running" or job.owner is None:
        raise LeaseLostError(held.job_id)
    return job


def requeue(session: Session, job: Job, *, reason: str, crashes: int = 0) -> None:
    """Queue a running job again; the caller holds its row lock."""
    session.execute(
        update(Job)
        .where(Job.id == job.id)
        .values(
            state="queued",
            owner=None,
            lease_expires_at=None,
            queued_at=func.now(),
            crashes=Job.crashes + crashes,
            version=Job.version + 1,
        )
    )
    outbox.promise(session, job)
    events.record(session, job.id, "state", {"state": "queued", "reason": reason})


def problem_of(error: ServiceError) -> dict[str, Any]:
    """An error as a job's row keeps it; the API adds status and type."""
    return {
        "code": error.code,
        "title": error.title,
        "detail": error.detail,
        "errors": [{"pointer": e.pointer, "detail": e.detail} for e in error.errors],
    }


def _held(held: Claim) -> ColumnElement[bool]:
    return and_(
        Job.id == held.job_id,
        Job.attempt == held.attempt,
        Job.state == "running",
        Job.owner.is_not(None),
    )


def _in(seconds: float) -> ColumnElement[Any]:
    return func.now() + timedelta(seconds=seconds)
