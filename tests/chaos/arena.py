"""The whole service as processes of a test's own, to be killed, frozen and cut off one by one."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg

from app.commands.children import Service as Engine
from app.commands.leftovers import MARK
from core.settings import get_settings
from tests.fixtures.lengths import by_length
from tests.workers.archives import folders, zipped
from tests.workers.service import PATIENCE, ROOT, Service, WorkerProcess

TIMES = {
    "G2L_LEASE_SECONDS": by_length("3", "10"),
    "G2L_BEAT_SECONDS": by_length("0.3", "1"),
    "G2L_MAX_CRASHES": "1000",
}
POLLED = "found a job that no message told of"


class ApiProcess:
    """One replica. Its socket outlives it, as under `g2l serve`: clients wait while it is started again."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.start()

    def start(self) -> None:
        """Start it, also again."""
        descriptor = self._listener.fileno()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.commands.api", str(descriptor)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                pass_fds=[descriptor],
                start_new_session=True,
            )

    def kill(self) -> None:
        """By SIGKILL, and start it again."""
        self.process.kill()
        self.process.wait()
        self.start()

    def end(self) -> None:
        """Stop it for good."""
        self.process.kill()
        self.process.wait()
        self._listener.close()


class Crew:
    """Workers that are started again when they die."""

    def __init__(self, start: Callable[[], WorkerProcess], size: int) -> None:
        self.members = [start() for _ in range(size)]
        self._start = start
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def victims(self) -> list[int]:
        """The processes that may be killed: workers, jobs' processes, and those that they are forked from."""
        pids = [
            pid for worker in self.members for pid in (worker.process.pid, worker.child(), worker.nursery())
        ]
        return [pid for pid in pids if pid is not None]

    def leave(self) -> None:
        """Start none again."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(0.1):
            for place, worker in enumerate(self.members):
                if worker.process.poll() is not None:
                    self.members[place] = self._start()


class Arena(Service):
    """Engines, API replicas and workers, each in reach of a fault."""

    def __init__(self, home: Path, images: Path, postgres: Engine, redis: Engine) -> None:
        super().__init__(home, images)
        self.postgres, self.redis = postgres, redis
        self.judged: set[str] = set()  # jobs of which a verdict was given
        self._made = 0

    def worker(self, queues: str = "cpu,gpu") -> WorkerProcess:
        """A worker with a log of its own."""
        self._made += 1
        worker = WorkerProcess(self.home / f"worker-{self._made}.log", queues)
        self._stack.callback(worker.end)
        return worker

    @contextmanager
    def crew(self, size: int) -> Iterator[Crew]:
        """Workers that are kept alive until the block ends."""
        crew = Crew(self.worker, size)
        try:
            yield crew
        finally:
            crew.leave()

    def api(self) -> ApiProcess:
        """A replica that answers."""
        self._made += 1
        api = ApiProcess(self.home / f"api-{self._made}.log")
        self._stack.callback(api.end)
        httpx.get(f"{api.url}/healthz", timeout=PATIENCE).raise_for_status()
        return api

    def new_archive(self, classes: int = 2, images: int = 4) -> str:
        """The URI of a small archive of images that no other one has."""
        self._made += 1
        path = self.images / f"{self._made}.zip"
        path.write_bytes(zipped(folders(classes, images, first=1000 * self._made)))
        return path.as_uri()


def kill(engine: Engine) -> None:
    """SIGKILL to an engine's first process, and start it again."""
    assert engine.child is not None
    os.kill(engine.child.pid, signal.SIGKILL)
    engine.start()


def terminate_all() -> None:
    """Have the database cut all connections to it."""
    with psycopg.connect(get_settings().require_database_url(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def processes_of(job_ids: set[str], *, attempt: int | None = None) -> dict[str, list[int]]:
    """The processes that work on jobs, of one attempt or of all."""
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode().replace("\0", " ").split()
            except OSError:
                continue
            if "workers.run" in words and attempt in (None, int(words[-1])):
                for job_id in job_ids.intersection(words):
                    found.setdefault(job_id, []).append(int(entry.name))
    return found


def program(pid: int) -> str | None:
    """What a process runs; None if it is over."""
    try:
        return (Path("/proc") / str(pid) / "exe").readlink().name
    except OSError:
        return None


@contextmanager
def watching(job_ids: set[str]) -> Iterator[set[str]]:
    """While the block runs, the jobs that two processes were seen at work on at once."""
    doubled: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            doubled.update(id_ for id_, pids in processes_of(set(job_ids)).items() if len(pids) > 1)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield doubled
    finally:
        over.set()
        watcher.join()


def marks(home: Path) -> dict[str, str]:
    """What the environment of all of an arena's processes says, so that none is overlooked at the end."""
    return {MARK: str(home)}
