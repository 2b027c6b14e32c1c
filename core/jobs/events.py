"""A job's events: numbered without gaps, announced to listeners."""

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from core.db.base import Json
from core.db.jobs import Job, JobEvent

CHANNEL = "g2l_jobs"


def record(session: Session, job_id: str, type_: str, data: Json) -> None:
    """Append an event to a job and tell listeners of the job and of its parent when this commits.

    The number comes from the job's own row, whose lock this takes: number n is never visible before n - 1.
    """
    seq, parent_id = session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(event_seq=Job.event_seq + 1)
        .returning(Job.event_seq, Job.parent_id)
    ).one()
    session.add(JobEvent(job_id=job_id, seq=seq, type=type_, data=data))
    for listener in filter(None, (job_id, parent_id)):
        session.execute(text("SELECT pg_notify(:channel, :id)"), {"channel": CHANNEL, "id": listener})
