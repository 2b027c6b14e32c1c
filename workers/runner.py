"""Around every job: claim it, attend its attempt, one at a time a worker."""

import threading
from dataclasses import replace

import structlog
from celery import signals
from kombu.exceptions import OperationalError

from core import tracing
from core.db.session import transaction
from core.jobs import outbox, transitions
from core.queue import TASK_NAME, send
from core.settings import get_settings
from workers import identity, nursery
from workers.attempt import attend
from workers.celery_app import app

_log = structlog.get_logger()
_slot = threading.Lock()  # held while a job runs
_leaving = False  # a plain flag: what sets it runs inside a signal handler, where a lock could hang


@app.task(name=TASK_NAME)  # type: ignore[untyped-decorator]
def run_job(job_id: str) -> None:
    """Do what a message hints at, unless someone else has or will."""
    with _slot:
        _run(job_id)


def run_if_idle(job_id: str) -> None:
    """The same without a message, for a worker that has nothing to do."""
    if _slot.acquire(blocking=False):
        try:
            _run(job_id)
        finally:
            _slot.release()


def is_idle() -> bool:
    """Whether no job runs here and none is wanted."""
    return not _leaving and not _slot.locked()


def _run(job_id: str) -> None:
    if _leaving:
        return  # the row stays queued, and another worker hears of it
    settings = get_settings()
    nursery.wait_until_warm()
    with transaction() as session:
        held = transitions.claim(session, job_id, identity.WORKER_ID, settings.lease_seconds)
    if held is None:
        return
    origin: dict[str, str | int | None] = {
        "job_id": held.job_id,
        "attempt": held.attempt,
        "request_id": held.request_id,
    }
    with (
        structlog.contextvars.bound_contextvars(**origin),
        tracing.span(f"attempt {held.kind}", within=held.traceparent, **origin) as span,
    ):
        _log.info("attempt began", kind=held.kind)
        attend(replace(held, traceparent=span), settings, lambda: _leaving)
        _log.info("attempt ended")
    try:
        outbox.flush(send)  # what comes next need not wait for the reconciler
    except OperationalError as error:
        _log.warning("broker away", error=str(error))


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _leave(**_: object) -> None:
    global _leaving
    _leaving = True


def wait_until_idle() -> None:
    """Return once the job that a thread of ours may be running was handed back."""
    with _slot:
        pass
