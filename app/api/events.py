"""A job's events as Server-Sent Events."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import select

from app import problems
from app.changes import Changes
from app.checks.inputs import is_id
from app.schemas.jobs import progress_event
from core.db.jobs import Job, JobEvent
from core.db.session import transaction
from core.errors import NotFoundError
from core.jobs.states import FINISHED

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
BATCH = 500


@dataclass(frozen=True)
class News:
    """What a listener has not heard yet."""

    events: Sequence[JobEvent]
    progress: str
    over: bool  # nothing follows these events


def existing_job(job_id: str) -> str:
    """The path's id; refused before the stream begins."""
    with transaction() as session:
        if is_id(job_id) and session.get(Job, job_id) is not None:
            return job_id
    raise NotFoundError(f"There is no job {job_id!a}.")


@router.get(
    "/{job_id}/events", response_class=EventSourceResponse, responses=problems.documented("not-found")
)
async def stream_events(
    job_id: Annotated[str, Depends(existing_job)],
    request: Request,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Numbered events from `Last-Event-ID` on, progress without a number between them; ends with the job."""
    last = _number(last_event_id)
    changes: Changes = request.app.state.changes
    told: str | None = None
    with changes.watch(job_id) as event:
        while not changes.stopping:
            event.clear()
            news = await changes.read((job_id, last), partial(_news, job_id, last))
            if news is None:
                return
            for entry in news.events:
                last = entry.seq
                yield ServerSentEvent(event=entry.type, id=str(entry.seq), data=entry.data)
            if news.over:
                return
            if news.progress != told:
                told = news.progress
                yield ServerSentEvent(event="progress", raw_data=told)
            if len(news.events) < BATCH:
                await event.wait()


def _number(last_event_id: str | None) -> int:
    """The number that a client heard last; what is no number of ours starts from the beginning."""
    text = last_event_id or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _news(job_id: str, last: int) -> News | None:
    with transaction() as session:
        job = session.get(Job, job_id)
        if job is None:
            return None
        events = session.scalars(
            select(JobEvent)
            .where(JobEvent.job_id == job_id, JobEvent.seq > last)
            .order_by(JobEvent.seq)
            .limit(BATCH)
        ).all()
        heard = events[-1].seq if events else last
        over = job.state in FINISHED and heard >= job.event_seq
        return News(events, json.dumps(progress_event(job)), over)
