"""What the processes of a service use, by what they are."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A word of the command line, and what it is of; the first that fits.
NAMES = {
    "app.commands.api": "API",
    "workers.": "worker",
    "celery": "worker",
    "forkserver": "worker",
    "resource_tracker": "worker",
    "postgres": "PostgreSQL",
    "redis": "Redis",
    "serve": "serve",
    "locust": "locust",
}
TICK = os.sysconf("SC_CLK_TCK")


def family(root: int) -> list[int]:
    """A process and all below it."""
    parents = {pid: int(stat[1]) for pid in _all() if (stat := _stat(pid))}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def named(root: int, name: str) -> list[int]:
    """Those of a family that are called so."""
    return [pid for pid in family(root) if name_of(pid) == name]


def name_of(pid: int) -> str:
    """What a process is, in a word."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return "gone"
    return next((name for word, name in NAMES.items() if word in words), "other")


def cpu_seconds(root: int) -> Counter[str]:
    """What each kind of process of a family has used so far, with the children that it has outlived."""
    used: Counter[str] = Counter()
    for pid in family(root):
        if stat := _stat(pid):
            used[name_of(pid)] += sum(int(field) for field in stat[11:15]) / TICK  # type: ignore[assignment]
    return used


def busy_seconds() -> float:
    """What all processes of the machine have used."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / TICK


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


@contextmanager
def peaks(root: int) -> Iterator[dict[str, tuple[int, int]]]:
    """While the block runs: by kind, the memory of the first process seen, and the most that one had."""
    found: dict[str, tuple[int, int]] = {}
    done = threading.Event()

    def look() -> None:
        while True:
            for pid in family(root):
                name, size = name_of(pid), resident(pid)
                first, peak = found.get(name, (size, 0))
                found[name] = (first, max(peak, size))
            if done.wait(0.2):
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def _all() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields behind the name: state, parent, …; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
