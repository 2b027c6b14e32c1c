"""Jobs asked for as the API asks for them, and worker processes to run them."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel
from sqlalchemy import delete, func, select, text

from core.artifacts import open_store
from core.db.jobs import Job, JobEvent, JobLog, Worker
from core.db.session import transaction
from core.jobs import outbox, plans, transitions
from core.jobs.states import FINISHED
from core.queue import send
from core.settings import get_settings
from core.specs.kinds import PARENTS, Kind
from tests.fixtures.lengths import by_length

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = by_length(240.0, 1800.0)  # seconds until a test gives up; never a bound that is tested


class WorkerProcess:
    """A Celery worker of our own."""

    def __init__(self, log: Path, queues: str = "cpu,gpu") -> None:
        self.log = log
        words = ["-m", "celery", "-A", "workers.celery_app", "worker", "--pool", "solo", "-Q", queues]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def stop(self) -> int:
        """As an operator stops it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """As the machine's fate would have it."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """However far it has come."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def child(self) -> int | None:
        """The process of the job that runs."""
        return self._below("workers.run")

    def nursery(self) -> int | None:
        """The process that jobs' processes are forked from."""
        return self._below("forkserver")

    def _below(self, word: str) -> int | None:
        command = ["ps", "-e", "-o", "pid=,ppid=,args="]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        rows = [
            (int(pid), int(parent), words) for pid, parent, words in (line.split(None, 2) for line in lines)
        ]
        family = [self.process.pid]
        for above in family:
            family += [pid for pid, parent, _ in rows if parent == above]
        return next((pid for pid, _, words in rows if pid in family[1:] and word in words), None)


class Service:
    """The database, the store, and the workers that a test has started."""

    def __init__(self, home: Path, images: Path) -> None:
        self.home, self.images = home, images
        self.store = open_store(get_settings())
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def worker(self, queues: str = "cpu,gpu") -> WorkerProcess:
        worker = WorkerProcess(self.home / "worker.log", queues)
        self._stack.callback(worker.end)
        return worker

    def submit(self, kind: Kind, spec: BaseModel, *, hint: bool = True) -> str:
        with transaction() as session:
            job = transitions.submit(session, kind, spec)
            if kind in PARENTS:
                plans.begin(session, job)
        if hint:
            outbox.flush(send)
        return job.id

    def job(self, job_id: str) -> Job:
        with transaction() as session:
            return session.get_one(Job, job_id)

    def wait(self, job_id: str, until: Callable[[Job], bool] | None = None) -> Job:
        """The job once it is over, or once a condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not (until or (lambda job: job.state in FINISHED))(job := self.job(job_id)):
            if time.monotonic() > deadline or (until is not None and job.state in FINISHED):
                raise AssertionError(
                    f"{job.kind} is {job.state} in stage {job.stage}: {job.error}\n{self.log(job_id)}"
                    f"\n{self.worker_logs()}"
                )
            time.sleep(0.05)
        return job

    def succeeded(self, job_id: str) -> str:
        """The id of what a job has made."""
        job = self.wait(job_id)
        assert job.state == "succeeded", f"{job.error}\n{self.log(job_id)}"
        assert job.result is not None
        return str(job.result["id"])

    def row(self, table: type[Any], id_: str | tuple[str, ...]) -> Any:
        with transaction() as session:
            return session.get_one(table, id_)

    def count(self, table: type[Any]) -> int:
        with transaction() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def log(self, job_id: str) -> str:
        with transaction() as session:
            family = select(Job.id).where((Job.id == job_id) | (Job.parent_id == job_id))
            return "".join(
                session.scalars(select(JobLog.text).where(JobLog.job_id.in_(family)).order_by(JobLog.id))
            )

    def worker_logs(self) -> str:
        """How the logs of all workers end."""
        return "\n".join(path.read_text()[-4000:] for path in sorted(self.home.glob("worker*.log")))

    def events(self, job_id: str) -> list[tuple[str, dict[str, Any]]]:
        with transaction() as session:
            rows = session.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq))
            return [(event.type, event.data) for event in rows]

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.worker_logs()
            time.sleep(0.05)

    def live_workers(self) -> int:
        return self.count(Worker)

    def stop_workers(self) -> None:
        """Stop all that were started."""
        self._stack.close()

    def forget_dead_workers(self) -> None:
        """What the sweep does after a minute."""
        with transaction() as session:
            session.execute(delete(Worker).where(Worker.beat_at < func.now() - text("interval '2 seconds'")))

    def half_made(self) -> list[Path]:
        """What lies about in the store that no resource owns."""
        return [path for part in ("work", "uploads") for path in (self.store.root / part).rglob("*")]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return "Z" not in (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
