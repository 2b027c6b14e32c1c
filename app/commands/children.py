"""A program that runs as our child: in a session of its own, logged to a file, gone when we are."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOG_LIMIT = 64 << 20
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Program:
    """What to run, and how it likes to be told to stop.

    ``stop`` lists signals with the seconds that each may take; SIGKILL to the whole group comes last.
    """

    name: str
    argv: Sequence[str | Path]
    log: Path
    stop: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 5.0),)
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    uid: int | None = None
    gid: int | None = None
    pass_fds: Sequence[int] = ()


class Child:
    """A running program. Start it from the main thread: it is told to stop when that thread ends."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        program = self.program
        with program.log.open("ab") as log:
            return subprocess.Popen(
                list(program.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.cwd,
                env={**os.environ, **program.env},
                start_new_session=True,  # neither Ctrl-C nor a closed terminal reaches it
                preexec_fn=_signal_at_parents_death(program.stop[0][0]),
                user=program.uid,
                group=program.gid,
                extra_groups=None if program.uid is None else [],
                pass_fds=program.pass_fds,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send the first of the program's signals and return."""
        if self.returncode is None:
            self._process.send_signal(self.program.stop[0][0])

    def stop(self) -> None:
        """Stop it: by each of its signals in turn, in the end by force."""
        for number, seconds in self.program.stop:
            if self.returncode is None:
                self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # the rest of its group, too, if any is left
        self._process.wait()

    def log_tail(self, lines: int = 8) -> str:
        """The last lines of its log, for a message about it."""
        text = self.program.log.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


class Service:
    """Something that is started, watched and started again: a child and what its start takes."""

    name: str
    child: Child | None = None

    def start(self) -> None:
        """Start it, also again after it died; returns when it serves."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self.child is not None:
            self.child.stop()


class PlainService(Service):
    """A service whose start is no more than that of its program."""

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self._program = program

    def start(self) -> None:
        """Start the program and return at once."""
        self.child = Child(self._program)


def shorten(log: Path, limit: int = LOG_LIMIT) -> None:
    """Move a long log's text to ``<name>.1``; its writers append, so they go on in the emptied file."""
    if log.exists() and log.stat().st_size > limit:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


def _signal_at_parents_death(number: signal.Signals) -> Callable[[], None] | None:
    """Have Linux send the child a signal when we die, even by SIGKILL; elsewhere the next start cleans up."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: between fork and exec little is safe
    parent = os.getpid()

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # died before we asked
            os._exit(1)

    return arm
