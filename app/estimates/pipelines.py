"""What a pipeline would take: the work of each stage, at the pace of jobs like it."""

from collections import defaultdict
from typing import Literal

from sqlalchemy.orm import Session

from app.estimates import reference
from app.estimates.measured import Pace, Past, finished, pace, start_of
from app.estimates.works import Likeness, Work, works
from app.schemas.estimates import PipelineEstimateOut, SecondsOut, StageEstimateOut
from core.jobs.stages import Step
from core.specs.pipelines import PipelineSpec


def estimate_pipeline(db: Session, spec: PipelineSpec) -> PipelineEstimateOut:
    """The stages of a pipeline that was found right, with their expected times."""
    jobs = finished(db)
    start, alike = start_of(jobs), defaultdict[Likeness, list[Past]](list)
    for job in jobs:
        alike[job.like].append(job)
    stages = [_stage(step, work, pace(alike[work.like], start)) for step, work in works(db, spec)]
    return PipelineEstimateOut(stages=stages, expected_seconds=_sum(stages))


def _stage(step: Step, work: Work, known: Pace | None) -> StageEstimateOut:
    basis: Literal["measured here", "reference", "unknown"] = "measured here"
    if known is None:
        known = reference.pace(work.like)
        basis = "unknown" if known is None else "reference"
    return StageEstimateOut(
        role=step.role,
        kind=step.stage.kind,
        round=step.round,
        images=work.images,
        epochs=work.epochs,
        images_per_second=None if known is None else round(known.images_per_second, 1),
        expected_seconds=None if known is None else _seconds(work, known),
        basis=basis,
    )


def _seconds(work: Work, known: Pace) -> SecondsOut:
    value = known.start + work.passes / known.images_per_second
    return SecondsOut(
        value=round(value, 1), low=round(value / known.spread, 1), high=round(value * known.spread, 1)
    )


def _sum(stages: list[StageEstimateOut]) -> SecondsOut | None:
    """All together, as one after the other; None if one of them is unknown."""
    parts = [stage.expected_seconds for stage in stages]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return SecondsOut(
        value=round(sum(part.value for part in known), 1),
        low=round(sum(part.low for part in known), 1),
        high=round(sum(part.high for part in known), 1),
    )
