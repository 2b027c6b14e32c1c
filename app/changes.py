"""Who waits for a job hears of its changes: one LISTEN a process, a poll behind it, fanned out to asyncio."""

import asyncio
import selectors
import socket
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import structlog
from sqlalchemy import make_url, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from core.db.jobs import Job
from core.db.session import transaction
from core.jobs.events import CHANNEL
from core.settings import get_settings

logger = structlog.get_logger(__name__)
T = TypeVar("T")
PERIOD = 1.0  # seconds; progress is not announced, and a lost notification is made up for


class Changes:
    """Wakes waiters; what has changed they read themselves, so that waking once too often does no harm."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._seen: dict[str, Sequence[object]] = {}
        self._reads: dict[Hashable, asyncio.Future[Any]] = {}  # that have not begun
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._tell_to_stop, self._told_to_stop = socket.socketpair()

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @property
    def stopping(self) -> bool:
        """Whether waits must end now, whatever they wait for."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End every wait; from any thread, or from a signal handler."""
        self._stop.set()
        self._tell_to_stop.send(b"\0")
        self._wake(list(self._waiters))

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout=5)
        self._tell_to_stop.close()
        self._told_to_stop.close()

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job may have changed; the waiter clears it, then reads."""
        event = asyncio.Event()
        with self._lock:
            self._waiters.setdefault(job_id, set()).add(event)
            self._seen.pop(job_id, None)  # so that the next poll wakes the newcomer once
        try:
            yield event
        finally:
            with self._lock:
                self._waiters[job_id].discard(event)
                if not self._waiters[job_id]:
                    del self._waiters[job_id]
                    self._seen.pop(job_id, None)

    async def read(self, key: Hashable, read: Callable[[], T]) -> T:
        """What ``read`` finds, in a thread; those who woke together and ask for the same share one call."""
        # Not one that has begun: it may have missed what its newest listener was woken for.
        if (shared := self._reads.get(key)) is None:

            def begin() -> T:
                self._reads.pop(key, None)
                return read()

            shared = self._reads[key] = asyncio.ensure_future(run_in_threadpool(begin))
        return await asyncio.shield(shared)  # it is of others, too, when one goes away

    def _wake(self, job_ids: Sequence[str]) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        for job_id in job_ids:
            for event in list(self._waiters.get(job_id, ())):
                self._loop.call_soon_threadsafe(event.set)

    def _run(self) -> None:
        url = make_url(get_settings().require_database_url()).set(drivername="postgresql")
        while not self._stop.is_set():
            try:
                self._listen(url.render_as_string(hide_password=False))
            except (psycopg.Error, SQLAlchemyError) as error:
                if not self._stop.wait(PERIOD):
                    logger.warning("not listening to the database", error=str(error))

    def _listen(self, url: str) -> None:
        with (
            psycopg.connect(url, autocommit=True, connect_timeout=5) as connection,
            selectors.DefaultSelector() as selector,
        ):
            connection.execute(f"LISTEN {CHANNEL}")
            for source in (connection, self._told_to_stop):
                selector.register(source, selectors.EVENT_READ)
            self._wake(list(self._waiters))  # for what was announced while nobody listened
            due = 0.0
            while not self._stop.is_set():
                if time.monotonic() >= due:
                    self._poll()
                    due = time.monotonic() + PERIOD
                selector.select(max(0.0, due - time.monotonic()))
                for notice in connection.notifies(timeout=0):
                    self._wake([notice.payload])

    def _poll(self) -> None:
        with self._lock:
            watched = list(self._waiters)
        if not watched:
            return
        with transaction() as session:
            rows = session.execute(
                select(
                    Job.id, Job.version, Job.event_seq, Job.stage, Job.progress_done, Job.progress_total
                ).where(Job.id.in_(watched))
            ).all()
        with self._lock:
            changed = [row.id for row in rows if row.id in self._waiters and self._seen.get(row.id) != row]
            self._seen.update({row.id: row for row in rows if row.id in self._waiters})
        self._wake(changed)
