"""What a pipeline does next: stages are child rows, and whoever finishes one advances the parent.

`advance` runs inside the transaction that ended the child, so losing the queue loses no step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.jobs import Job
from core.db.resources import Pipeline
from core.errors import ChildFailedError, ServiceError
from core.jobs import transitions
from core.jobs.states import FINISHED, RETRYABLE
from core.specs.anchor_sets import AnchorSetOptions, AnchorSetSpec, DiscoverSpec
from core.specs.forecasts import ForecastSpec
from core.specs.kinds import Kind, parse_spec
from core.specs.labelings import GeometryLabelingSpec
from core.specs.models import PseudoLabelModelSpec
from core.specs.pipelines import PipelineSpec
from core.specs.transfers import TransferSpec


@dataclass(frozen=True)
class Stage:
    """One child of a pipeline: when it may start, what it is asked, and where its result is noted."""

    role: str
    kind: Kind
    column: str
    spec: Callable[[PipelineSpec, Pipeline], BaseModel | None]  # None: its inputs are not there yet


def _anchor_set(spec: PipelineSpec, made: Pipeline) -> BaseModel | None:
    anchors = spec.anchors
    common = {name: getattr(anchors, name) for name in AnchorSetOptions.model_fields}
    if anchors.discover is not None:
        discover = DiscoverSpec(dataset_id=spec.dataset_id, **anchors.discover.model_dump())
        return AnchorSetSpec(discover=discover, **common)
    given = anchors.anchors or []
    if common["fit_on"] is None:
        common["fit_on"] = list(dict.fromkeys([spec.dataset_id, *(a.dataset_id for a in given)]))
    return AnchorSetSpec(anchors=given, **common)


def _labeling(spec: PipelineSpec, made: Pipeline) -> BaseModel | None:
    if made.anchor_set_id is None:
        return None
    return GeometryLabelingSpec(
        dataset_id=spec.dataset_id, anchor_set_id=made.anchor_set_id, **spec.labeling.model_dump()
    )


def _model(spec: PipelineSpec, made: Pipeline) -> BaseModel | None:
    if made.labeling_id is None:
        return None
    return PseudoLabelModelSpec(labeling_id=made.labeling_id, **spec.model.model_dump())


def _forecast(spec: PipelineSpec, made: Pipeline) -> BaseModel | None:
    if made.model_id is None or spec.transfer is None:
        return None
    return ForecastSpec(
        dataset_id=spec.transfer.dataset_id,
        model_ids=[made.model_id],
        label_budget=spec.transfer.label_budget,
    )


def _scratch(spec: PipelineSpec, made: Pipeline) -> BaseModel | None:
    if spec.transfer is None:
        return None
    recipe = spec.transfer.model_dump() | {"image_size": spec.transfer.image_size or spec.model.image_size}
    return TransferSpec(arch=spec.model.arch, **(recipe | {"method": "fine-tune"}))


def _transfer(spec: PipelineSpec, made: Pipeline) -> BaseModel | None:
    if made.forecast_id is None or made.scratch_transfer_id is None or spec.transfer is None:
        return None
    return TransferSpec(model_id=made.model_id, **spec.transfer.model_dump())


STAGES: tuple[Stage, ...] = (
    Stage("anchors", "anchor-set", "anchor_set_id", _anchor_set),
    Stage("labeling", "labeling", "labeling_id", _labeling),
    Stage("model", "model", "model_id", _model),
    Stage("forecast", "forecast", "forecast_id", _forecast),
    Stage("scratch", "transfer", "scratch_transfer_id", _scratch),
    Stage("transfer", "transfer", "transfer_id", _transfer),
)
# Which part of a pipeline's spec a stage is asked by.
_SECTIONS = {
    "anchors": "anchors",
    "labeling": "labeling",
    "model": "model",
    "forecast": "transfer",
    "scratch": "transfer",
    "transfer": "transfer",
}


def begin(session: Session, parent: Job) -> None:
    """Write a new pipeline's row and start its first stage."""
    spec: PipelineSpec = parse_spec(parent.kind, parent.spec)
    row = Pipeline(
        job_id=parent.id, name=spec.name, dataset_id=spec.dataset_id, anchor_set_id=spec.anchors.anchor_set_id
    )
    session.add(row)
    session.flush()
    _start_next(session, parent, spec, row)


def advance(session: Session, child_id: str) -> None:
    """After a child has ended: note its result and start what comes next, or end the parent with it."""
    child = session.get_one(Job, child_id)
    if child.parent_id is None:
        return
    parent = transitions.lock(session, child.parent_id)
    if parent.state in FINISHED:
        return
    if child.state == "succeeded":
        row = session.get_one(Pipeline, parent.id)
        _note_result(row, child)
        session.flush()
        _start_next(session, parent, parse_spec(parent.kind, parent.spec), row)
    elif child.state in FINISHED:
        _stop(session, parent, child)


def cancel(session: Session, job_id: str) -> Job:
    """Ask a job to stop, and let its parent know where that ended it at once.

    Raises:
        NotFoundError, JobFinishedError: as `transitions.request_cancel` does.
    """
    job = transitions.request_cancel(session, job_id)
    advance(session, job.id)
    return job


def retry(session: Session, job_id: str) -> Job:
    """Put a failed or cancelled job back to work; a parent goes on with what is unfinished.

    Raises:
        NotFoundError: no such job.
        JobFinishedError: it is not over, or it succeeded.
        InvalidRequestError: something that it needs was deleted.
    """
    job = transitions.lock(session, job_id)
    transitions.requeue_finished(session, job)
    if job.queue is None:
        _resume(session, job)
    elif job.parent_id is not None:
        parent = transitions.lock(session, job.parent_id)
        if parent.state in RETRYABLE:  # a stage that goes on is of no use to a parent that is over
            transitions.requeue_finished(session, parent)
    return job


def _resume(session: Session, parent: Job) -> None:
    row = session.get_one(Pipeline, parent.id)
    for child_id in session.scalars(select(Job.id).where(Job.parent_id == parent.id)).all():
        child = transitions.lock(session, child_id)
        if child.state in RETRYABLE:
            transitions.requeue_finished(session, child)
        elif child.state == "running":
            child.cancel_requested = False  # its worker may be stopping it still, and then queues it again
        else:
            _note_result(row, child)
    session.flush()
    _start_next(session, parent, parse_spec(parent.kind, parent.spec), row)


def _note_result(row: Pipeline, child: Job) -> None:
    stage = next(stage for stage in STAGES if stage.role == child.role)
    if child.result is not None:
        setattr(row, stage.column, child.result["id"])


def _start_next(session: Session, parent: Job, spec: PipelineSpec, row: Pipeline) -> None:
    """Start the first stage that has no result; one at a time, since they share the machine."""
    wanted = STAGES if spec.transfer is not None else STAGES[:3]
    stage = next((stage for stage in wanted if getattr(row, stage.column) is None), None)
    if stage is None:
        result = {"kind": "pipeline", "id": parent.id, "href": f"/v1/pipelines/{parent.id}"}
        transitions.end(session, parent, "succeeded", result=result)
        return
    existing = session.scalar(select(Job.id).where(Job.parent_id == parent.id, Job.role == stage.role))
    child_spec = stage.spec(spec, row)
    if existing is not None or child_spec is None:
        return
    try:
        with session.begin_nested():
            transitions.submit(session, stage.kind, child_spec, parent=parent, role=stage.role)
    except ServiceError as error:  # what it stands on was deleted meanwhile
        transitions.end(session, parent, "failed", error=transitions.problem_of(error))
        return
    transitions.enter_stage(session, parent, stage.role, done=wanted.index(stage), total=len(wanted))


def _stop(session: Session, parent: Job, child: Job) -> None:
    if child.state == "cancelled":
        transitions.end(session, parent, "cancelled")
        return
    cause: dict[str, Any] = child.error or {}
    reason = ChildFailedError(
        f"The stage `{child.role}` ({child.id}) failed: {cause.get('detail', 'no reason given')}"
    )
    section = _SECTIONS[child.role or ""]
    errors = [
        {**error, "pointer": _pointer_in_parent(parent.spec, section, error["pointer"])}
        for error in cause.get("errors", [])
    ]
    transitions.end(session, parent, "failed", error=transitions.problem_of(reason) | {"errors": errors})


def _pointer_in_parent(spec: Any, section: str, pointer: str) -> str:
    """Where a field of a stage's spec stands in the pipeline's; the stage's section if it is not there."""
    words, place = [section, *pointer.removeprefix("#/").split("/")], spec
    for word in words:
        place = place.get(word) if isinstance(place, dict) else None
    return f"#/{section}" if place is None else "#/" + "/".join(words)
