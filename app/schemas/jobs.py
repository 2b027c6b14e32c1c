"""A job on the wire."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from app import problems
from core.db.jobs import Job
from core.jobs.states import State
from core.specs.kinds import Kind


class ProgressOut(BaseModel):
    """How far the present stage is."""

    done: int
    total: int | None
    unit: str | None


class ResultOut(BaseModel):
    """What a job made."""

    kind: str
    id: str
    href: str


class JobOut(BaseModel):
    """A piece of work, and how it is going."""

    id: str
    kind: Kind
    state: State
    stage: str | None
    progress: ProgressOut
    eta_seconds: float | None
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: dict[str, Any] | None
    result: ResultOut | None
    parent_id: str | None
    role: str | None = Field(
        description="the stage of its parent that this is, of a later round with its number, `anchors-2`; "
        "or the shard, as `responses-3`"
    )
    children: list[str]
    spec: dict[str, Any]

    @classmethod
    def of(cls, job: Job, children: Sequence[str]) -> "JobOut":
        """A row with the ids of its children."""
        return cls.model_validate(
            {
                **{name: getattr(job, name) for name in cls.model_fields if hasattr(job, name)},
                "progress": ProgressOut(
                    done=job.progress_done, total=job.progress_total, unit=job.progress_unit
                ),
                "eta_seconds": eta_seconds(job),
                "error": problems.of_job(job.error, job.id) if job.error else None,
                "children": list(children),
            }
        )


def eta_seconds(job: Job) -> float | None:
    """Seconds to the end of the stage at its pace so far; of a parent, to its own end."""
    since = job.stage_started_at if job.queue is not None else job.started_at
    if job.state != "running" or since is None or not job.progress_total or job.progress_done <= 0:
        return None
    left = max(0, job.progress_total - job.progress_done)
    elapsed = max(0.0, (datetime.now(UTC) - since).total_seconds())
    return round(elapsed * left / job.progress_done, 1)


def progress_event(job: Job) -> Mapping[str, Any]:
    """What a stream tells between numbered events."""
    return {
        "stage": job.stage,
        "done": job.progress_done,
        "total": job.progress_total,
        "unit": job.progress_unit,
        "eta_seconds": eta_seconds(job),
    }
