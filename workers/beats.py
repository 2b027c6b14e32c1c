"""The thread that renews a running job's lease, and brings back what was asked of the job meanwhile."""

import contextvars
import threading
import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.db.jobs import JobLog
from core.db.session import transaction
from core.errors import LeaseLostError
from core.jobs import transitions
from core.jobs.transitions import Claim
from core.settings import Settings
from workers.output import Output

# The database may be away for so many leases before the attempt gives up. Whoever else takes the job
# meanwhile is safe from it: every write of an attempt is fenced.
PATIENCE_LEASES = 12

_log = structlog.get_logger()


class Beats:
    """Beats of one attempt, from construction to `stop`."""

    def __init__(self, held: Claim, output: Output, settings: Settings) -> None:
        self._held, self._output, self._settings = held, output, settings
        self._last = time.monotonic()
        self._over = threading.Event()
        self.cancel_requested = False
        self.lost = False
        run = contextvars.copy_context().run  # its lines of the log are the attempt's
        self._thread = threading.Thread(target=run, args=(self._run,), name="beats", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.lost and not self._over.wait(self._settings.beat_seconds):
            self._beat()

    def _beat(self) -> None:
        started = time.monotonic()
        piece = self._output.piece()
        try:
            with transaction() as session:
                self.cancel_requested = transitions.beat(
                    session, self._held, self._settings.lease_seconds, self._settings.stall_seconds
                )
                if piece:
                    session.add(JobLog(job_id=self._held.job_id, attempt=self._held.attempt, text=piece))
        except LeaseLostError:
            self.lost = True
        except SQLAlchemyError as error:
            silence = started - self._last
            _log.warning("beat failed", silence=round(silence), error=str(error))
            self.lost = silence > PATIENCE_LEASES * self._settings.lease_seconds
        else:
            self._last = started
            self._output.written(piece)
