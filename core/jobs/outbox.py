"""Messages that were promised in a transaction, sent after it."""

from collections.abc import Callable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.db.jobs import Job, Outbox
from core.db.session import transaction


def promise(session: Session, job: Job) -> None:
    """Write that this job's message must be sent; parents have no queue and need none."""
    if job.queue is not None:
        session.add(Outbox(job_id=job.id, queue=job.queue))


def withdraw(session: Session, job_id: str) -> None:
    """Forget what was promised of a job that is over; a message on its way is left, and does nothing."""
    waiting = select(Outbox.id).where(Outbox.job_id == job_id).with_for_update(skip_locked=True)
    session.execute(delete(Outbox).where(Outbox.id.in_(waiting.scalar_subquery())))


def flush(send: Callable[[str, str], None], limit: int = 500) -> int:
    """Send what is promised; when a commit fails a message goes twice, and the claim ignores the second.

    Returns:
        How many messages were sent.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; all that was not sent stays promised.
    """
    with transaction() as session:
        rows = session.execute(
            select(Outbox.id, Outbox.queue, Outbox.job_id)
            .order_by(Outbox.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for _, queue, job_id in rows:
            send(queue, job_id)
        session.execute(delete(Outbox).where(Outbox.id.in_([row.id for row in rows])))
    return len(rows)
