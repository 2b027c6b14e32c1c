"""Sets right what was lost between database and queue; one worker of all does it at a time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from celery import signals
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy import Connection, Select, delete, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from core.artifacts import open_store, uploads_of
from core.db.jobs import IdempotencyKey, Job, Outbox, Worker
from core.db.session import get_engine, transaction
from core.db.uploads import PendingUpload
from core.jobs import interruptions, outbox, plans
from core.jobs.states import FINISHED
from core.queue import send, waiting
from core.settings import get_settings

ELECTION_LOCK = 0x67326D  # arbitrary, and ours
TICK_SECONDS = 1.0
SWEEP_SECONDS = 30.0
UNSEEN_AFTER = timedelta(seconds=5)
STALE_WORKER = timedelta(minutes=1)
OFFICE_SECONDS = 10.0  # an elected worker that is silent so long, frozen or cut off, loses its office
TIDIED = timedelta(hours=1)  # jobs that ended before need `g2l gc`

_log = structlog.get_logger()


class Reconciler:
    """The thread; it does nothing until it is elected."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._patient_until = 0.0  # monotonic; leases are not held against workers before
        self._swept = float("-inf")
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Step down."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            try:
                with _elected() as connection:
                    while connection is not None and not self._over.wait(TICK_SECONDS):
                        connection.execute(text("SELECT 1"))  # still elected
                        self._tick()
            except SQLAlchemyError as error:
                # Beats could not be written either: when the database is back, workers speak first.
                self._patient_until = time.monotonic() + get_settings().lease_seconds
                _log.warning("database away", error=str(error))
            except Exception:  # nothing else sets right what is lost: this thread must not end
                _log.exception("reconciling failed")

    def _tick(self) -> None:
        try:
            outbox.flush(send)
            promise_again()
            outbox.flush(send)
        except (BrokerError, RedisError) as error:
            _log.warning("broker away", error=str(error))
        if time.monotonic() >= self._patient_until:
            expire()
        if time.monotonic() >= self._swept + SWEEP_SECONDS:
            sweep()
            self._swept = time.monotonic()


def expire() -> None:
    """Queue again, or end, what has lost its worker."""
    with transaction() as session:
        lapsed = interruptions.lapsed(session)
    for job_id in lapsed:
        with transaction() as session:
            state = interruptions.expire(session, job_id, get_settings().max_crashes)
            if state in FINISHED:
                plans.advance(session, job_id)
        _log.info("lease lapsed", job_id=job_id, state=state)


def promise_again() -> None:
    """New messages for jobs that wait although their queue is empty: theirs are lost.

    A queue that is not empty has no idle worker, so that nothing is late yet, and nothing piles up.
    """
    with transaction() as session:
        queues = session.scalars(_unseen().with_only_columns(Job.queue).distinct()).all()
    for queue in filter(None, queues):
        if waiting(queue) == 0:
            with transaction() as session:
                for job in session.scalars(_unseen().where(Job.queue == queue).limit(100)):
                    outbox.promise(session, job)
                    job.queued_at = func.now()


def sweep() -> None:
    """Remove rows of workers that died, uploads and answers that nobody will ask for again."""
    kept = timedelta(hours=get_settings().idempotency_hours)
    with transaction() as session:
        session.execute(delete(Worker).where(Worker.beat_at < func.now() - STALE_WORKER))
        session.execute(
            delete(IdempotencyKey).where(
                func.greatest(IdempotencyKey.created_at, IdempotencyKey.beat_at) < func.now() - kept
            )
        )
        expired = session.scalars(
            delete(PendingUpload).where(PendingUpload.expires_at < func.now()).returning(PendingUpload.id)
        ).all()
    for upload_id in expired:
        open_store(get_settings()).discard_upload(upload_id)
    tidy()


def tidy() -> None:
    """Remove what a worker that died just then could not: the work and uploads of a job that succeeded."""
    store = open_store(get_settings())
    lying = {path.name for part in ("work", "uploads") for path in (store.root / part).iterdir()}
    with transaction() as session:
        ended = Job.finished_at > func.now() - TIDIED
        statement = select(Job.id, Job.spec).where(Job.state == "succeeded", ended, Job.queue.is_not(None))
        jobs = session.execute(statement).all() if lying else []
    for job_id, spec in jobs:
        if lying.intersection([job_id, *uploads_of(spec)]):
            store.discard_all_of(job_id, spec)


def _unseen() -> Select[Job]:
    promised = select(Outbox.id).where(Outbox.job_id == Job.id).exists()
    return select(Job).where(Job.state == "queued", Job.queued_at < func.now() - UNSEEN_AFTER, ~promised)


@contextmanager
def _elected() -> Iterator[Connection | None]:
    """A connection that holds the election's lock; None if another has it."""
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET idle_session_timeout = '{OFFICE_SECONDS:g}s'"))
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": ELECTION_LOCK}):
            connection.invalidate()  # another's use of it would be cut off
            yield None
            return
        try:
            yield connection
        finally:
            connection.invalidate()  # closing the connection gives the lock back, whatever happened


_reconciler: Reconciler | None = None


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _start(**_: object) -> None:
    global _reconciler
    _reconciler = Reconciler()


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def _stop(**_: object) -> None:
    if _reconciler is not None:
        _reconciler.stop()
