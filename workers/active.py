"""What a task is given: its job under a lease, and ways to say how far it is."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import tracing
from core.artifacts import Store
from core.db.base import Base
from core.db.jobs import JobEvent
from core.db.session import transaction
from core.errors import InvalidRequestError
from core.jobs import transitions
from core.jobs.transitions import Claim, Progress
from core.settings import Settings
from g2l.errors import G2LError
from workers.patience import patiently
from workers.shipping import shipped

if TYPE_CHECKING:
    from g2l.nn.records import EpochRecord
    from g2l.nn.view_training import SelfSupervisedRecord

# What is done once for a dataset, by the job that first needs it, and is not the job's own work.
DECODING, SIGNING = "decoding", "looking for twins"
REPORT_SECONDS = 0.5  # at most so often is progress within a stage written

SpecT = TypeVar("SpecT", bound=BaseModel)
RowT = TypeVar("RowT", bound=Base)
T = TypeVar("T")
OnProgress = Callable[[int, int], None]

_log = structlog.get_logger()


@dataclass
class Pace:
    """Images that went through a stage, which may be entered several times, and the seconds it took."""

    images: int = 0
    seconds: float = 0.0
    _done: int = 0
    _at: float = 0.0

    def begin(self) -> None:
        """The stage is entered."""
        self._done, self._at = 0, time.perf_counter()

    def reached(self, done: int) -> None:
        """So many of this time's images are done."""
        now = time.perf_counter()
        self.images, self.seconds = self.images + done - self._done, self.seconds + now - self._at
        self._done, self._at = done, now


@dataclass
class ActiveJob(Generic[SpecT]):
    """A job that runs in this process."""

    held: Claim
    spec: SpecT
    stored_spec: dict[str, Any]
    settings: Settings
    store: Store
    seconds_before: float = 0.0  # that shards took which were made for it
    stages: ExitStack = field(default_factory=ExitStack, init=False)  # the trace of the present stage
    _reported: float = field(default=0.0, init=False)
    _owed: list[dict[str, Any]] = field(default_factory=list, init=False)  # epochs not yet written as events
    _paces: dict[str, Pace] = field(default_factory=lambda: defaultdict(Pace), init=False)

    def enter(self, stage: str) -> None:
        """Say that a stage without countable steps has begun."""
        _log.info(stage)
        self.stages.close()
        self.stages.enter_context(tracing.span(stage))
        self._report(Progress(stage))

    def counting(self, stage: str, unit: str) -> OnProgress:
        """Enter a stage; what it returns takes (done, total) and raises where the lease is lost."""
        self.enter(stage)
        pace = self._paces[stage] if unit == "images" else Pace()
        pace.begin()

        def on_progress(done: int, total: int) -> None:
            pace.reached(done)
            if time.monotonic() - self._reported >= REPORT_SECONDS:
                self._report(Progress(stage, int(done), int(total), unit))

        return on_progress

    def images_per_second(self, stage: str | None = None) -> float | None:
        """How fast images went through a stage, or the longest of its own; None if none was counted."""
        paces = {
            name: pace
            for name, pace in self._paces.items()
            if pace.images and name not in {DECODING, SIGNING}
        }
        longest = max(paces, key=lambda name: paces[name].seconds, default=None)
        found = paces.get(stage or longest or "")
        return None if found is None or found.seconds == 0 else found.images / found.seconds

    def on_epoch(self, record: "EpochRecord | SelfSupervisedRecord") -> None:
        """Record an epoch's figures as an event while a network trains.

        Each is recorded once and in order, however often the job is tried or its connection cut: what could
        not be written goes with the next or with the job's success, and what a checkpoint tells anew is known
        by its epoch.
        """
        figures = {name: value for name, value in asdict(record).items() if not isinstance(value, tuple)}
        self._owed.append(figures)
        with _tolerant():
            with transaction() as session:
                self.note_epochs(session)
            self._owed.clear()

    def note_epochs(self, session: Session) -> None:
        """Write the epochs that are not written yet."""
        if not self._owed:
            return
        epoch = JobEvent.data["epoch"].as_integer()
        of_job = (JobEvent.job_id == self.held.job_id, JobEvent.type == "metric")
        last = session.scalar(select(func.max(epoch)).where(*of_job)) or 0
        for figures in self._owed:
            if figures["epoch"] > last:
                _log.info("measured", **{name: _short(value) for name, value in figures.items()})
                tracing.event("measured", **figures)
                transitions.note(session, self.held, figures)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder to write an artifact into."""
        with self.store.staging(self.held.job_id, self.held.attempt) as folder:
            yield folder

    def resuming(self, name: str, work: Callable[[Path], T]) -> T:
        """Do work that goes on from a file which an earlier attempt left, or anew where that does not fit."""
        with shipped(self.store, self.held.job_id, name) as checkpoint:
            try:
                return work(checkpoint)
            except G2LError as error:
                if error.code != "checkpoint-mismatch":
                    raise
                checkpoint.unlink()  # of another version of the code
                return work(checkpoint)

    def _report(self, progress: Progress) -> None:
        with _tolerant(), transaction() as session:
            transitions.report(session, self.held, progress)
        self._reported = time.monotonic()


def load(table: type[RowT], id_: str) -> RowT:
    """A row that the job needs, detached from its session.

    Raises:
        InvalidRequestError: it was deleted.
    """
    row = patiently(lambda session: session.get(table, id_))
    if row is None:
        raise InvalidRequestError(f"{id_} is needed, and was deleted.")
    return row


def _short(value: float | str | None) -> float | str | None:
    return float(f"{value:.4g}") if isinstance(value, float) else value


@contextmanager
def _tolerant() -> Iterator[None]:
    """Go on without what is only for the eye, or is written later, while the database is away."""
    try:
        yield
    except SQLAlchemyError as error:
        _log.warning("progress was not written", error=str(error))
