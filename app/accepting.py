"""The answer of every POST: 202, where to look, and the job."""

from collections.abc import Iterable

import structlog
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.database import AnyDb
from app.idempotency import Keyed
from app.schemas.jobs import JobOut
from core.db.jobs import Job
from core.jobs import plans, transitions
from core.specs.kinds import PARENTS, Kind

POLL_SECONDS = "1"
_log = structlog.get_logger()


def submit(db: Session, kind: Kind, spec: BaseModel) -> Job:
    """Write the job, its uses and its message's promise; a parent's first children too."""
    job = transitions.submit(db, kind, spec)
    if kind in PARENTS:
        plans.begin(db, job)
        db.refresh(job)
    _log.info("submitted", job_id=job.id, kind=kind)
    return job


def accepted(db: Session, keyed: Keyed, job: Job) -> Response:
    """The answer, kept under the request's key in the same transaction."""
    headers = {
        "location": f"/v1/jobs/{job.id}",
        "retry-after": POLL_SECONDS,
        "content-type": "application/json",
    }
    body = JobOut.of(job, children_of(db, [job.id]).get(job.id, [])).model_dump_json()
    keyed.settle(db, status=202, headers=headers, body=body)
    return Response(body, 202, headers)


def children_of(db: AnyDb, job_ids: Iterable[str]) -> dict[str, list[str]]:
    """The ids of the children of each job, oldest first."""
    found: dict[str, list[str]] = {}
    statement = select(Job.parent_id, Job.id).where(Job.parent_id.in_(list(job_ids))).order_by(Job.id)
    for row in db.execute(statement):
        found.setdefault(row.parent_id, []).append(row.id)
    return found
