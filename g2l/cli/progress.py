"""How far things are, on stderr: a bar a task on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from g2l.cli.output import duration, note, size

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY = 10.0  # seconds between two lines about one stage


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

    def amount(self) -> str:
        """The progress within the stage, in words."""
        if self.total is None:
            return ""
        if self.unit == "bytes":
            return f"{size(self.done)} of {size(self.total)}"
        return f"{self.done}/{self.total} {self.unit}".rstrip()


class Reporter(Protocol):
    """Where statuses go."""

    def update(self, status: Status) -> None:
        """Show it."""


@contextmanager
def reporting() -> Iterator[Reporter]:
    """The reporter that suits where stderr leads to."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<18}", markup=False),
        BarColumn(24),
        TextColumn("{task.fields[words]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bars(progress)


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
        left = f"{duration(status.eta)} left" if status.eta is not None else ""
        words = f"{status.stage} {status.amount()}".strip()
        if status.ended is None:
            self._progress.update(task, completed=status.done, total=status.total, words=words, left=left)
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
            note(f"{status.title}: {status.ended} after {duration(now - began)}")
            return
        stage, at = self._shown.get(status.title, (None, 0.0))
        if stage == status.stage and now - at < LINE_EVERY:
            return
        self._shown[status.title] = (status.stage, now)
        left = f"{duration(status.eta)} left" if status.eta is not None else ""
        words = ", ".join(filter(None, (status.stage, status.amount(), left))) or "started"
        note(f"{status.title}: {words}")
