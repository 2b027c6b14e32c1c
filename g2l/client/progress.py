"""How far things are, on stderr: a bar a task on a terminal, plain lines elsewhere and without rich."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from g2l.client.job_answers import JobAnswer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY = 10.0  # seconds between two lines about one stage
_TITLES = {"anchor-set": "anchors", "model": "pretraining"}


@dataclass(frozen=True)
class Status:
    """One task, at one moment.

    Attributes:
        title: what the task is; also its identity.
        stage: what it is doing.
        done: how much of the stage is done, in `unit`.
        total: how much there is; None if nobody knows.
        unit: what is counted; ``bytes`` are shown as sizes.
        eta: seconds to go, if the service says.
        ended: how it ended; None while it goes on.
    """

    title: str
    stage: str = ""
    done: int = 0
    total: int | None = None
    unit: str = ""
    eta: float | None = None
    ended: str | None = None

    @classmethod
    def of_job(cls, job: JobAnswer, name: str | None = None) -> Self:
        """A job, under a name or that of its kind."""
        progress = job.progress
        return cls(
            title=name or title(job),
            stage=job.stage or job.state,
            done=progress.done if progress else 0,
            total=progress.total if progress else None,
            unit=(progress.unit if progress else None) or "",
            eta=job.eta_seconds,
            ended=("done" if job.state == "succeeded" else job.state) if job.finished else None,
        )

    def amount(self) -> str:
        """The progress within the stage, in words."""
        if self.total is None:
            return ""
        if self.unit == "bytes":
            return f"{size(self.done)} of {size(self.total)}"
        return f"{self.done}/{self.total} {self.unit}".rstrip()

    def left(self) -> str:
        """The time to go, in words."""
        return f"{duration(self.eta)} left" if self.eta is not None else ""


def title(job: JobAnswer) -> str:
    """What a job is called in front of its bar."""
    name = _TITLES.get(job.kind, job.kind)
    if job.kind == "transfer" and job.spec.get("model_id") is None:
        name = "from scratch"
    number = (job.role or "").rpartition("-")[2]
    return f"{name}, round {number}" if number.isdecimal() else name


class Reporter(Protocol):
    """Where statuses go."""

    def update(self, status: Status) -> None:
        """Show it."""


@contextmanager
def reporting() -> Iterator[Reporter]:
    """The reporter that suits where stderr leads to."""
    bars = _bars() if sys.stderr.isatty() else None
    if bars is None:
        yield Lines()
    else:
        with bars:
            yield Bars(bars)


@contextmanager
def reporting_if(wanted: "bool | Reporter") -> Iterator[Reporter | None]:
    """A reporter of our own if one is wanted, the one that is given, or none."""
    if isinstance(wanted, bool):
        with reporting() if wanted else nullcontext() as reporter:
            yield reporter
    else:
        yield wanted


class Bars:
    """A live bar for each task."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def update(self, status: Status) -> None:
        """Move the task's bar."""
        if status.title not in self._tasks:
            self._tasks[status.title] = self._progress.add_task(status.title, total=None, words="", left="")
        task = self._tasks[status.title]
        words = f"{status.stage} {status.amount()}".strip()
        if status.ended is None:
            self._progress.update(
                task, completed=status.done, total=status.total, words=words, left=status.left()
            )
        else:
            full = status.total or 1
            self._progress.update(task, completed=full, total=full, words=status.ended, left="")
            self._progress.stop_task(task)


@dataclass
class Lines:
    """A line when a task begins, enters a stage or ends, and now and then between."""

    _shown: dict[str, tuple[str, float]] = field(default_factory=dict)
    _started: dict[str, float] = field(default_factory=dict)

    def update(self, status: Status) -> None:
        """Write a line, if it is time for one."""
        now = time.monotonic()
        began = self._started.setdefault(status.title, now)
        if status.ended is not None:
            sys.stderr.write(f"{status.title}: {status.ended} after {duration(now - began)}\n")
            return
        stage, at = self._shown.get(status.title, (None, 0.0))
        if stage == status.stage and now - at < LINE_EVERY:
            return
        self._shown[status.title] = (status.stage, now)
        words = ", ".join(filter(None, (status.stage, status.amount(), status.left()))) or "started"
        sys.stderr.write(f"{status.title}: {words}\n")


def size(count: float) -> str:
    """A number of bytes, rounded for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """A span of time, rounded for people."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def _bars() -> "Progress | None":
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    return Progress(
        TextColumn("{task.description:<20}", markup=False),
        BarColumn(24),
        TextColumn("{task.fields[words]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        console=Console(stderr=True),
    )
