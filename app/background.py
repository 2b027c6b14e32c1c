"""What runs beside the requests: a thread that sends promised messages and keeps idempotency keys alive."""

import threading
import time
from collections.abc import Callable

import structlog
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app import idempotency
from core.jobs import outbox
from core.queue import send

logger = structlog.get_logger(__name__)
PERIOD = 1.0  # seconds between looks at the outbox when nothing was committed here
PURGE_PERIOD = 600.0


class Sender:
    """Sends what was committed, after a commit or within a second; if the broker is away, tries again."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Something was committed: look now."""
        self._wake.set()

    def stop(self) -> None:
        """Send what is promised once more, and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        purged = 0.0
        while True:
            stopping = self._stopping
            self._wake.clear()
            self._attempt()
            if stopping:
                return
            if time.monotonic() - purged > PURGE_PERIOD:
                purged = time.monotonic()
                _guarded("old idempotency keys stay", idempotency.purge)
            self._wake.wait(PERIOD)

    def _attempt(self) -> None:
        _guarded("idempotency keys were not kept alive", idempotency.beat)
        _guarded("messages wait for the broker or the database", lambda: outbox.flush(send))


def _guarded(message: str, step: Callable[[], object]) -> None:
    try:
        step()
    except (BrokerError, RedisError, SQLAlchemyError, OSError) as error:
        logger.warning(message, error=str(error))
