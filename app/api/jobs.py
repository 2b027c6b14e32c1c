"""Jobs over HTTP: list, read, wait, cancel, retry."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from app import paging, problems
from app.accepting import accepted, children_of
from app.changes import Changes
from app.checks.inputs import is_id, require_undeleted
from app.database import AnyDb, ReadDb, WriteDb
from app.keyed_requests import IdempotentRequest
from app.schemas.jobs import JobOut
from core.db.jobs import Job
from core.db.session import transaction
from core.errors import NotFoundError
from core.jobs import plans
from core.jobs.states import FINISHED, State
from core.specs.kinds import Kind

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
MISSING = problems.documented("not-found")
CONFLICT = problems.documented("not-found", "job-state", "idempotency-in-flight")


class JobsQuery(paging.PageQuery):
    """The filters of the list."""

    state: State | None = None
    kind: Kind | None = None
    parent_id: paging.Text | None = None


@router.get("")
def list_jobs(
    query: Annotated[JobsQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[JobOut]:
    """Jobs, newest first."""
    statement = select(Job)
    for name in ("state", "kind", "parent_id"):
        if (value := getattr(query, name)) is not None:
            statement = statement.where(getattr(Job, name) == value)
    rows = db.scalars(paging.window(statement, query, created_at=Job.created_at, id_=Job.id)).all()
    children = children_of(db, [job.id for job in rows])
    answer = paging.page(
        rows,
        query,
        render=lambda job: JobOut.of(job, children.get(job.id, [])),
        place=lambda job: paging.Position(job.created_at, job.id),
    )
    paging.link(request, response, answer.next_cursor)
    return answer


@router.get("/{job_id}", response_model=JobOut, responses=MISSING)
async def get_job(
    job_id: str,
    request: Request,
    wait: Annotated[float, Query(ge=0, le=60, description="seconds to wait for a change")] = 0,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A job; `?wait=` answers at its next change of state or stage, or at once if that has passed already."""
    known = _version_in(if_none_match)
    changes: Changes = request.app.state.changes
    with changes.watch(job_id) as event:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            event.clear()
            version, etag, body, over = await run_in_threadpool(_read, job_id)
            known = version if known is None else known
            left = deadline - loop.time()
            if over or version != known or left <= 0 or changes.stopping:
                break
            await _until(event, left)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if if_none_match is not None and etag in (word.strip() for word in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.post("/{job_id}/cancel", status_code=202, response_model=JobOut, responses=CONFLICT)
def cancel_job(job_id: str, keyed: IdempotentRequest, db: WriteDb) -> Response:
    """Stop a job within seconds; of a parent, all that is unfinished."""
    _get(db, job_id)
    return accepted(db, keyed, plans.cancel(db, job_id))


@router.post("/{job_id}/retry", status_code=202, response_model=JobOut, responses=CONFLICT)
def retry_job(job_id: str, keyed: IdempotentRequest, db: WriteDb) -> Response:
    """Go on with a failed or cancelled job from its last checkpoint."""
    require_undeleted(db, _get(db, job_id))
    return accepted(db, keyed, plans.retry(db, job_id))


def _get(db: AnyDb, job_id: str) -> Job:
    job = db.get(Job, job_id) if is_id(job_id) else None
    if job is None:
        raise NotFoundError(f"There is no job {ascii(job_id)[:80]}.")
    return job


def _read(job_id: str) -> tuple[int, str, str, bool]:
    with transaction() as session:
        job = _get(session, job_id)
        body = JobOut.of(job, children_of(session, [job_id]).get(job_id, []))
        # The version counts what waiters wait for; the rest tells a reader of progress. Weak: the ETA moves.
        etag = f'W/"{job.version}-{job.progress_done}-{job.progress_total or 0}"'
        return job.version, etag, body.model_dump_json(), job.state in FINISHED


def _version_in(etag: str | None) -> int | None:
    digits = (etag or "").removeprefix("W/").strip('"').partition("-")[0]
    return int(digits) if digits.isdecimal() and len(digits) < 10 else (None if etag is None else -1)


async def _until(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
