"""What a parent does next: stages are child rows, and whoever finishes one advances the parent.

A pipeline's are told here, one after another; a study's in `study_plan`; those of a job that waits for
shards of responses in `shard_plan`.

`advance` runs inside the transaction that ended the child, so losing the queue loses no step.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.jobs import Job
from core.db.resources import Pipeline
from core.errors import ChildFailedError, ServiceError
from core.jobs import shard_plan, study_plan, transitions
from core.jobs.stages import ROUND, Asked, Step, steps
from core.jobs.states import FINISHED, RETRYABLE
from core.specs.kinds import parse_spec
from core.specs.pipelines import PipelineSpec


def begin(session: Session, parent: Job) -> None:
    """Start a new parent's first children; of a pipeline, write its row too."""
    if parent.kind == "study":
        study_plan.go_on(session, parent)
        return
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
    if child.kind == "responses":
        shard_plan.ended(session, parent, child)
        advance(session, parent.id)
    elif parent.kind == "study":
        if child.state in FINISHED:
            study_plan.ended(session, parent, child)
    elif child.state == "succeeded":
        row, spec = session.get_one(Pipeline, parent.id), parse_spec(parent.kind, parent.spec)
        _note_result(row, spec, child)
        session.flush()
        _start_next(session, parent, spec, row)
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
    if job.kind == "study":
        study_plan.resume(session, job)
    elif job.queue is None:
        _resume(session, job)
    parent_id = job.parent_id
    while parent_id is not None:  # a stage or shard that goes on is of no use to a parent that is over
        parent = transitions.lock(session, parent_id)
        if parent.state in RETRYABLE:
            transitions.requeue_finished(session, parent)
            if parent.kind == "study":
                study_plan.keep_parts(session, parent)
        parent_id = parent.parent_id
    return job


def _resume(session: Session, parent: Job) -> None:
    row, spec = session.get_one(Pipeline, parent.id), parse_spec(parent.kind, parent.spec)
    children = select(Job.id).where(Job.parent_id == parent.id).order_by(Job.id)
    for child_id in session.scalars(children).all():
        child = transitions.lock(session, child_id)
        if child.state in RETRYABLE:
            transitions.requeue_finished(session, child)
        elif child.state == "running":
            child.cancel_requested = False  # its worker may be stopping it still, and then queues it again
        else:
            _note_result(row, spec, child)
    session.flush()
    _start_next(session, parent, spec, row)


def _note_result(row: Pipeline, spec: PipelineSpec, child: Job) -> None:
    step = _step_of(spec, child)
    if step.round > len(row.rounds) and child.result is not None:  # an earlier round's are filed already
        setattr(row, step.stage.column, child.result["id"])


def _step_of(spec: PipelineSpec, child: Job) -> Step:
    return next(step for step in steps(spec) if step.role == child.role)


def _next_step(spec: PipelineSpec, row: Pipeline) -> Step | None:
    """The first step without a result; a round that is complete, and not the last, is filed before."""
    if row.model_id is not None and len(row.rounds) + 1 < spec.rounds:
        row.rounds = [*row.rounds, {stage.column: getattr(row, stage.column) for stage in ROUND}]
        for stage in ROUND:
            setattr(row, stage.column, None)
    present = len(row.rounds) + 1
    ahead = (step for step in steps(spec) if step.round >= present)
    return next((step for step in ahead if getattr(row, step.stage.column) is None), None)


def _start_next(session: Session, parent: Job, spec: PipelineSpec, row: Pipeline) -> None:
    """Start the next step; one at a time, since they share the machine."""
    step = _next_step(spec, row)
    if step is None:
        result = {"kind": "pipeline", "id": parent.id, "href": f"/v1/pipelines/{parent.id}"}
        transitions.end(session, parent, "succeeded", result=result)
        return
    existing = session.scalar(select(Job.id).where(Job.parent_id == parent.id, Job.role == step.role))
    if existing is not None:
        return
    try:
        with session.begin_nested():
            child_spec = step.stage.spec(Asked(session, spec, row))
            transitions.submit(session, step.stage.kind, child_spec, parent=parent, role=step.role)
    except ServiceError as error:  # what it stands on was deleted meanwhile
        transitions.end(session, parent, "failed", error=transitions.problem_of(error))
        return
    every = steps(spec)
    transitions.enter_stage(session, parent, step.role, done=every.index(step), total=len(every))


def _stop(session: Session, parent: Job, child: Job) -> None:
    if child.state == "cancelled":
        transitions.end(session, parent, "cancelled")
        return
    cause: dict[str, Any] = child.error or {}
    reason = ChildFailedError(
        f"The stage `{child.role}` ({child.id}) failed: {cause.get('detail', 'no reason given')}"
    )
    section = _step_of(parse_spec(parent.kind, parent.spec), child).stage.section
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
