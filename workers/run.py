"""A job's own process: ``python -m workers.run JOB ATTEMPT``."""

import importlib
import signal
import sys
import time
import traceback
from types import FrameType
from typing import Any, NoReturn

import structlog
from sqlalchemy.orm import Session

from core import disk, tracing
from core.artifacts import open_store
from core.db.jobs import Job, JobLog
from core.errors import FieldError, InternalJobError, LeaseLostError, ServiceError, StorageFullError
from core.jobs import plans, shard_plan, transitions
from core.jobs.transitions import Claim
from core.settings import get_settings
from core.specs.kinds import parse_spec
from core.telemetry import configure_logging
from g2l.errors import G2LError, TeamLostError
from workers import leash
from workers.active import ActiveJob
from workers.patience import patiently
from workers.products import Product
from workers.shards import WaitsForShards

_log = structlog.get_logger()


class Stopped(BaseException):
    """The worker asks this process to end; no `except Exception` may hold it up."""


def main(job_id: str, attempt: int, traceparent: str | None = None) -> int:
    """Run one attempt; the exit status is 0 if the job is over, or another's."""
    leash.hold()
    tracing.name_service("g2l-job")
    signal.signal(signal.SIGTERM, _stop)
    configure_logging(get_settings().log_level, for_people=True)  # it becomes the job's log
    try:
        job = _load(job_id, attempt)
        if job is not None:
            with tracing.span(f"run {job.held.kind}", within=traceparent, job_id=job_id, attempt=attempt):
                _run(job)
    except LeaseLostError:
        _log.info("lease lost", job_id=job_id, attempt=attempt)
    except Stopped:
        return 128 + signal.SIGTERM
    finally:
        tracing.flush()
    return 0


def _load(job_id: str, attempt: int) -> ActiveJob[Any] | None:
    row = patiently(lambda session: session.get(Job, job_id))
    if row is None or row.attempt != attempt or row.state != "running":
        return None
    settings = get_settings()
    return ActiveJob(
        held=Claim(row.id, row.kind, row.attempt),
        spec=parse_spec(row.kind, row.spec),
        stored_spec=row.spec,
        settings=settings,
        store=open_store(settings),
        seconds_before=patiently(lambda session: shard_plan.seconds_waited(session, job_id)),
    )


def _run(job: ActiveJob[Any]) -> None:
    """Do the work, then write how it ended: in one transaction with what it made and what comes next."""
    try:
        task = importlib.import_module(f"workers.tasks.{job.held.kind.replace('-', '_')}")
        _log.info("started", kind=job.held.kind, job_id=job.held.job_id, attempt=job.held.attempt)
        started = time.perf_counter() - job.seconds_before
        with job.stages:
            product: Product = task.run(job)
        seconds = time.perf_counter() - started
        product.note_pace(seconds, job.images_per_second())
        patiently(lambda session: _succeed(session, job, product))
        _log.info("succeeded", result=(product.reference or {}).get("id"), seconds=round(seconds, 1))
    except WaitsForShards as waiting:
        _log.info(str(waiting))
    except (G2LError, ServiceError) as refusal:
        _fail(job, _as_service_error(refusal, job.stored_spec))
    except (LeaseLostError, TeamLostError):  # the latter as good as our own death: the worker tries again
        raise
    except Exception as error:
        if _told_to_stop():  # what was cut may fail on its way out, as torch does in the middle of a file
            raise Stopped from error
        if disk.is_full(error):
            full = "There is no room on the worker's disk: make some, then retry the job."
            _fail(job, StorageFullError(full))
            return
        fault = InternalJobError("The job stopped on a fault of the service; its log has the details.")
        _fail(job, fault, traceback.format_exc())


def _succeed(session: Session, job: ActiveJob[Any], product: Product) -> None:
    job.note_epochs(session)
    transitions.succeed(session, job.held, product.reference)
    product.save(session)
    plans.advance(session, job.held.job_id)


def _fail(job: ActiveJob[Any], error: ServiceError, trace: str | None = None) -> None:
    problem = transitions.problem_of(error)
    job.store.discard_staged(job.held.job_id, job.held.attempt)
    _log.info("job failed", job_id=job.held.job_id, code=error.code, detail=error.detail)

    def write(session: Session) -> None:
        transitions.fail(session, job.held, problem)
        if trace is not None:
            session.add(JobLog(job_id=job.held.job_id, attempt=job.held.attempt, text=trace))
        plans.advance(session, job.held.job_id)

    patiently(write)


def _as_service_error(error: G2LError | ServiceError, spec: dict[str, Any]) -> ServiceError:
    """What the method refused, in the words of the service: with a pointer into the job's spec."""
    if isinstance(error, ServiceError):
        return error
    fields = []
    if error.field is not None:
        fields = [FieldError(f"#/{_path_to(error.field, spec) or error.field}", str(error))]
    translated = ServiceError(str(error), errors=fields)
    translated.code, translated.title = error.code, error.title  # type: ignore[misc]
    return translated


def _path_to(field: str, spec: dict[str, Any]) -> str | None:
    """Where a parameter of the method stands in a spec, such as ``discover/k``; None if nowhere."""
    if field in spec:
        return field
    inner = ((name, _path_to(field, value)) for name, value in spec.items() if isinstance(value, dict))
    return next((f"{name}/{path}" for name, path in inner if path is not None), None)


def _told_to_stop() -> bool:
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the clean-up is not to be cut
    raise Stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
