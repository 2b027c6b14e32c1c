"""A worker shows that it lives, and looks for work itself where no message has reached it."""

import threading
from datetime import timedelta

import structlog
from celery import signals
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from core.db.jobs import Job, Worker
from core.db.session import transaction
from core.settings import get_settings
from workers import identity, nursery, runner

SEEK_SECONDS = 3.0
DEAF_AFTER = timedelta(seconds=10)  # a job that waited so long while we were idle never reached our ears

_log = structlog.get_logger()


class Presence:
    """The thread that writes this worker's row and polls when idle."""

    def __init__(self, queues: list[str]) -> None:
        self._queues = queues
        self._device = identity.device()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._thread.start()
        self._seeker = threading.Thread(target=self._seek, name="seeker", daemon=True)
        self._seeker.start()

    def stop(self) -> None:
        """Take the row away."""
        self._over.set()
        self._thread.join()
        self._seeker.join()
        with transaction() as session:
            session.execute(delete(Worker).where(Worker.id == identity.WORKER_ID))

    def _run(self) -> None:
        while True:
            try:
                self._beat()
            except SQLAlchemyError as error:
                _log.warning("the worker's beat failed", error=str(error))
            except Exception:  # a worker that is not seen to live is taken for dead
                _log.exception("the worker's beat failed")
            if self._over.wait(get_settings().beat_seconds):
                return

    def _beat(self) -> None:
        row = insert(Worker).values(id=identity.WORKER_ID, queues=self._queues, device=self._device)
        with transaction() as session:
            session.execute(row.on_conflict_do_update(index_elements=["id"], set_={"beat_at": func.now()}))

    def _seek(self) -> None:
        while not self._over.wait(SEEK_SECONDS):
            if runner.is_idle():
                try:
                    if (job_id := self._overlooked()) is not None:
                        _log.warning("found a job that no message told of", job_id=job_id)
                        runner.run_if_idle(job_id)
                except SQLAlchemyError as error:
                    _log.warning("polling failed", error=str(error))
                except Exception:  # of an attempt that could not be started; the next one may be
                    _log.exception("polling failed")

    def _overlooked(self) -> str | None:
        with transaction() as session:
            return session.scalar(
                select(Job.id)
                .where(
                    Job.state == "queued",
                    Job.queue.in_(self._queues),
                    Job.queued_at < func.now() - DEAF_AFTER,
                )
                .order_by(Job.queued_at)
                .limit(1)
            )


_presence: Presence | None = None


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _start(sender: object, **_: object) -> None:
    global _presence
    nursery.warm()
    _presence = Presence(list(sender.app.amqp.queues.consume_from))  # type: ignore[attr-defined]


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def _stop(**_: object) -> None:
    if _presence is not None:
        _presence.stop()
