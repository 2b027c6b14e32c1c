"""Pipelines over HTTP: the whole main job in one call."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from app import paging, problems
from app.accepting import accepted, submit
from app.checks.inputs import is_id
from app.checks.pipelines import check_pipeline, with_anchors_for, with_start_for
from app.database import AnyDb, ReadDb, WriteDb
from app.estimates.pipelines import estimate_pipeline
from app.keyed_requests import DryRun, IdempotentUnlessDry
from app.schemas.estimates import PipelineEstimateOut
from app.schemas.jobs import JobOut
from app.schemas.pipelines import PipelineOut
from core.db.jobs import Job
from core.db.resources import Pipeline
from core.errors import InUseError, NotFoundError
from core.jobs.states import FINISHED
from core.specs.pipelines import PipelineSpec

router = APIRouter(prefix="/v1/pipelines", tags=["pipelines"])


class PipelinesQuery(paging.PageQuery):
    """The filters of the list."""

    dataset_id: paging.Text | None = None
    name: paging.Text | None = None


@router.post(
    "",
    status_code=202,
    response_model=JobOut,
    responses={
        **problems.documented("idempotency-in-flight"),
        200: {"model": PipelineEstimateOut, "description": "of a dry run"},
    },
)
def create_pipeline(
    body: PipelineSpec, keyed: IdempotentUnlessDry, db: WriteDb, *, dry_run: DryRun = False
) -> Response:
    """Anchors, pseudo-labels, a source model and, with a target, forecast and transfer: a job for all.

    `?dry_run=true` refuses what would be refused and says what the rest would take, and does nothing.
    """
    body = with_start_for(db, with_anchors_for(db, body))
    check_pipeline(db, body)
    if dry_run:
        estimate = estimate_pipeline(db, body)
        return Response(estimate.model_dump_json(), media_type="application/json")
    return accepted(db, keyed, submit(db, "pipeline", body))


@router.get("")
def list_pipelines(
    query: Annotated[PipelinesQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[PipelineOut]:
    """Pipelines, newest first."""
    statement = select(Pipeline, Job).join(Job, Job.id == Pipeline.job_id)
    for name in ("dataset_id", "name"):
        if (value := getattr(query, name)) is not None:
            statement = statement.where(getattr(Pipeline, name) == value)
    rows = db.execute(
        paging.window(statement, query, created_at=Pipeline.created_at, id_=Pipeline.job_id)
    ).all()
    answer = paging.page(
        rows,
        query,
        render=lambda row: PipelineOut.of(row[0], row[1]),
        place=lambda row: paging.Position(row[0].created_at, row[0].job_id),
    )
    paging.link(request, response, answer.next_cursor)
    return answer


@router.get("/{job_id}", responses=problems.documented("not-found"))
def get_pipeline(job_id: str, db: ReadDb) -> PipelineOut:
    """What a pipeline has made so far."""
    return PipelineOut.of(*_get(db, job_id))


@router.delete("/{job_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_pipeline(job_id: str, db: WriteDb) -> None:
    """Remove the pipeline from the list; its job stays, and so do the resources that it made."""
    row, job = _get(db, job_id)
    if job.state not in FINISHED:
        raise InUseError(f"The job {job.id} is {job.state}; cancel it first.")
    db.delete(row)


def _get(db: AnyDb, job_id: str) -> tuple[Pipeline, Job]:
    if is_id(job_id):
        row, job = db.get(Pipeline, job_id), db.get(Job, job_id)
        if row is not None and job is not None:
            return row, job
    raise NotFoundError(f"There is no pipeline {ascii(job_id)[:80]}.")
