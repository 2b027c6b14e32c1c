"""A pipeline on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from core.db.jobs import Job
from core.db.resources import Pipeline
from core.jobs.states import State


class RoundOut(BaseModel):
    """What one of the earlier rounds has made."""

    anchor_set_id: str
    labeling_id: str
    model_id: str


class PipelineOut(BaseModel):
    """What a pipeline has made so far; null until made. Of several rounds, the last stands at the top."""

    id: str
    job_id: str
    name: str | None
    state: State
    dataset_id: str
    anchor_set_id: str | None
    labeling_id: str | None
    model_id: str | None
    forecast_id: str | None
    scratch_transfer_id: str | None
    transfer_id: str | None
    rounds: list[RoundOut]
    created_at: datetime
    spec: dict[str, Any]

    @classmethod
    def of(cls, row: Pipeline, job: Job) -> "PipelineOut":
        """A row with its job."""
        made = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        return cls.model_validate(made | {"id": row.job_id, "state": job.state, "spec": job.spec})
