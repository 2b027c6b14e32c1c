"""Tables of the work itself: jobs, their outbox, events and logs; workers; keys."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, Json, Timestamped


class Job(Timestamped, Base):
    """The truth about a piece of work; the queue only hints at it."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"),
        Index("ix_jobs_unfinished", "state", postgresql_where=text("state IN ('queued', 'running')")),
        Index("uq_jobs_parent_id_role", "parent_id", "role", unique=True),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), index=True)
    state: Mapped[str] = mapped_column(String(20), server_default="queued")
    queue: Mapped[str | None] = mapped_column(String(10))  # null: a parent, which no worker runs
    spec: Mapped[Json]
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    role: Mapped[str | None] = mapped_column(String(30))  # the stage of its parent that this job is
    stage: Mapped[str | None] = mapped_column(String(60))
    progress_done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    progress_total: Mapped[int | None] = mapped_column(BigInteger)
    progress_unit: Mapped[str | None] = mapped_column(String(20))
    stage_started_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")  # counts changes of state and stage
    event_seq: Mapped[int] = mapped_column(server_default="0")
    attempt: Mapped[int] = mapped_column(server_default="0")  # the fencing token
    crashes: Mapped[int] = mapped_column(server_default="0")
    owner: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None] = mapped_column(index=True)
    progressed_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    error: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    result: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    request_id: Mapped[str | None] = mapped_column(String(100))  # of the request that asked for it
    traceparent: Mapped[str | None] = mapped_column(String(55))  # the span that its traces go on from
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())  # last
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Outbox(Base):
    """A message that must be sent: written with the job, deleted once the broker has it."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    queue: Mapped[str] = mapped_column(String(10))


class JobEvent(Timestamped, Base):
    """What happened to a job, numbered without gaps under the job's row lock."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(20))  # state | stage | metric
    data: Mapped[Json]


class JobLog(Timestamped, Base):
    """A piece of what a job's processes printed."""

    __tablename__ = "job_logs"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    attempt: Mapped[int]
    text: Mapped[str]


class Worker(Base):
    """A live worker process, known by its beats."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    queues: Mapped[list[str]] = mapped_column(JSONB)
    device: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    beat_at: Mapped[datetime] = mapped_column(server_default=func.now())


class IdempotencyKey(Timestamped, Base):
    """A keyed request, and its answer once there is one."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    method: Mapped[str] = mapped_column(String(10), primary_key=True)
    path: Mapped[str] = mapped_column(String(500), primary_key=True)
    body_sha256: Mapped[str | None] = mapped_column(String(64))  # known once the whole body was read
    owner: Mapped[str] = mapped_column(String(200))  # the API process that answers
    beat_at: Mapped[datetime] = mapped_column(server_default=func.now())
    status: Mapped[int | None]
    headers: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    body: Mapped[str | None]


class ApiKey(Timestamped, Base):
    """An API key; only its hash is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    revoked_at: Mapped[datetime | None]
