"""A job's log as text: what its processes printed, of a parent what those of its stages did."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import or_, select
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app import problems
from app.api.events import existing_job
from app.changes import Changes
from core.db.jobs import Job, JobLog
from core.db.session import transaction
from core.jobs.states import FINISHED

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
AT_ONCE: Final = 200  # pieces
LOOK_AGAIN_SECONDS: Final = 1.0
LAST_PIECE_SECONDS: Final = 2.0  # a job is over before its worker has written the last of its log


@dataclass(frozen=True)
class Part:
    """Some of a log: up to which piece, and whether the job was over already."""

    text: str
    last: int
    over: bool


@router.get("/{job_id}/logs", responses=problems.documented("not-found"), response_class=StreamingResponse)
async def get_log(
    job_id: Annotated[str, Depends(existing_job)],
    request: Request,
    *,
    follow: Annotated[bool, Query(description="go on with what is printed until the job is over")] = False,
) -> Response:
    """What the job's processes printed, as text; of a pipeline, what its stages did."""
    changes: Changes = request.app.state.changes
    text = _followed(job_id, changes) if follow else _so_far(job_id)
    return StreamingResponse(
        text, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"}
    )


async def _so_far(job_id: str) -> AsyncIterator[str]:
    part = await run_in_threadpool(_read, job_id, 0)
    while part.text:
        yield part.text
        part = await run_in_threadpool(_read, job_id, part.last)


async def _followed(job_id: str, changes: Changes) -> AsyncIterator[str]:
    part, clock = Part("", 0, over=False), asyncio.get_running_loop().time
    silent_since = clock()
    with changes.watch(job_id) as event:
        while not changes.stopping:
            event.clear()
            part = await run_in_threadpool(_read, job_id, part.last)
            if part.text:
                yield part.text
                silent_since = clock()
            elif part.over and clock() - silent_since >= LAST_PIECE_SECONDS:
                return
            else:
                with suppress(TimeoutError):  # a piece of a log is no change of the job
                    await asyncio.wait_for(event.wait(), LOOK_AGAIN_SECONDS)


def _read(job_id: str, after: int) -> Part:
    """What was written after a piece, oldest first."""
    of_it = select(Job.id).where(or_(Job.id == job_id, Job.parent_id == job_id))
    with transaction() as session:
        job = session.get(Job, job_id)
        rows = session.execute(
            select(JobLog.id, JobLog.text)
            .where(JobLog.job_id.in_(of_it), JobLog.id > after)
            .order_by(JobLog.id)
            .limit(AT_ONCE)
        ).all()
    over = job is None or job.state in FINISHED
    return Part("".join(row.text for row in rows), rows[-1].id if rows else after, over)
