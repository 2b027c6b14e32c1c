"""Processes that an earlier `g2l serve` of the same home left behind: found by what they are, not by pid.

Linux only (it reads ``/proc``); elsewhere nothing is found, and PostgreSQL's own lock file is the guard.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

PROC = Path("/proc")
MARK = "G2L_SERVED_FROM"  # in the environment of every child of `serve`, and so of theirs


def can_look() -> bool:
    """Whether this system shows us its processes."""
    return (PROC / "self" / "cwd").exists()


def working_in(folder: Path, program: str) -> list[int]:
    """Pids of processes that run this program with this working folder, as both engines do in their data."""
    found = []
    for entry in _processes():
        try:
            same = (entry / "cwd").readlink() == folder and _program(entry) == program
        except OSError:  # gone meanwhile, or not ours to look at
            continue
        if same:
            found.append(int(entry.name))
    return found


def served_from(home: Path) -> list[int]:
    """Pids of processes that carry the home's mark in their environment: API, workers and their jobs."""
    mark = f"{MARK}={home}".encode()
    found = []
    for entry in _processes():
        try:
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marked and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def end(pids: Iterable[int], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """End processes that are not our children: each signal in turn with its seconds, then SIGKILL."""
    left = set(pids)
    for number, seconds in [*signals, (signal.SIGKILL, 10.0)]:
        for pid in left:
            _send(pid, number)
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            left = {pid for pid in left if _alive(pid)}
            time.sleep(0.02)
        if not left:
            return


def _processes() -> Iterator[Path]:
    if PROC.is_dir():
        yield from (entry for entry in PROC.iterdir() if entry.name.isdigit())


def _program(entry: Path) -> str:
    return (entry / "exe").readlink().name.removesuffix(" (deleted)")


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _alive(pid: int) -> bool:
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in "ZX"
