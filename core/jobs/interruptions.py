"""Attempts that end before their job does: stopped, crashed, silent for too long, or waiting for others."""

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.db.jobs import Job
from core.errors import WorkerLostError
from core.jobs import events
from core.jobs.states import State
from core.jobs.transitions import Claim, end, lock, lock_held, problem_of, requeue


def stop(session: Session, held: Claim) -> State:
    """After the attempt was stopped: end it if that was asked for and still is, else queue it again."""
    job = lock_held(session, held)
    if job.cancel_requested:
        end(session, job, "cancelled")
        return "cancelled"
    requeue(session, job, reason="its worker was asked to leave")
    return "queued"


def wait(session: Session, held: Claim) -> State:
    """Give the worker back until what was asked of child jobs is there; a job to be cancelled ends instead.

    Without an owner no attempt holds the job, and no lease runs out; whoever ends the last child queues it.
    """
    job = lock_held(session, held)
    if job.cancel_requested:
        end(session, job, "cancelled")
        return "cancelled"
    session.execute(
        update(Job).where(Job.id == job.id).values(owner=None, lease_expires_at=None, version=Job.version + 1)
    )
    events.record(session, job.id, "state", {"state": "running", "waiting": True})
    session.refresh(job)
    return "running"


def crash(session: Session, held: Claim, reason: str, max_crashes: int) -> State:
    """After the attempt died without a word: queue the job again, or end it where that is enough."""
    job = lock_held(session, held)
    if job.cancel_requested:
        end(session, job, "cancelled")
        return "cancelled"
    if job.crashes + 1 >= max_crashes:
        error = WorkerLostError(
            f"The job was cut off {job.crashes + 1} times, and is not tried again; the last time {reason}. "
            "See the job's log, then retry it."
        )
        end(session, job, "failed", error=problem_of(error))
        return "failed"
    requeue(session, job, crashes=1, reason=reason)
    return "queued"


def lapsed(session: Session) -> list[str]:
    """The running jobs whose lease has run out."""
    return list(
        session.scalars(
            select(Job.id)
            .where(Job.state == "running", Job.queue.is_not(None), Job.lease_expires_at < func.now())
            .order_by(Job.id)
        )
    )


def expire(session: Session, job_id: str, max_crashes: int) -> State:
    """Treat a job as crashed if its lease has run out (still, now that its row is locked)."""
    job = lock(session, job_id)
    now = session.scalar(select(func.now()))
    if job.state != "running" or job.lease_expires_at is None or now is None or job.lease_expires_at >= now:
        return job.state  # type: ignore[return-value]  # the table's CHECK holds it to a State
    return crash(session, Claim(job.id, job.kind, job.attempt), "its worker fell silent", max_crashes)
