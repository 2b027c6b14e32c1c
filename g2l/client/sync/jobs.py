# Written by scripts/sync_client.py from g2l/client/aio/jobs.py; edit that, then `make generate`.
"""Jobs: look at them, wait for them, stop them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from g2l.client.errors import JobFailedError, NotMadeError, WaitTimeoutError
from g2l.client.events import Event
from g2l.client.job_answers import JobAnswer
from g2l.client.messages import Message, segment
from g2l.client.progress import Reporter, Status, reporting_if
from g2l.client.sync.events import events
from g2l.client.sync.logs import log_lines
from g2l.client.sync.transport import Transport
from g2l.client.values import JsonObject, read
from g2l.client.waiting import Interrupts, sleep

WATCHED_POLL, POLL = 1, 30  # seconds; the service answers sooner when the job changes its state or stage
PACE = 0.5  # at most two questions a second, also of a busy job
T = TypeVar("T")
Reader = Callable[[JsonObject], Any]


@dataclass(frozen=True, kw_only=True)
class Job(JobAnswer, Generic[T]):
    """A job as it was when asked; its methods ask again."""

    jobs: "Jobs" = field(repr=False, compare=False)

    def wait(
        self,
        timeout: float | None = None,
        on_update: Callable[["Job[T]"], None] | None = None,
        *,
        progress: bool | Reporter = False,
    ) -> "Job[T]":
        """Wait until it is over; as `Jobs.wait`."""
        return self.jobs.wait(self, timeout, on_update, progress=progress)

    def resource(self) -> T:
        """What it made; as `Jobs.result`."""
        made: T = self.jobs.result(self)
        return made

    def refresh(self) -> "Job[T]":
        """The job as it is now."""
        return self.jobs.get(self.id)

    def events(self, last_event_id: str | None = None) -> Iterator[Event]:
        """What happens to it; as `Jobs.events`."""
        return self.jobs.events(self.id, last_event_id)

    def logs(self) -> str:
        """What its processes printed."""
        return self.jobs.logs(self.id)

    def log_lines(self) -> Iterator[str]:
        """What they print, as it comes; as `Jobs.log_lines`."""
        return self.jobs.log_lines(self.id)

    def cancel(self) -> "Job[T]":
        """Ask it to stop; as `Jobs.cancel`."""
        return self.jobs.cancel(self.id)

    def retry(self) -> "Job[T]":
        """Have it go on from its last checkpoint; as `Jobs.retry`."""
        return self.jobs.retry(self.id)


class Jobs:
    """The work of the service.

    Attributes:
        readers: what a kind of job makes, from its JSON object; each kind of resource adds its own.
    """

    path = "/v1/jobs"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.readers: dict[str, Reader] = {}

    def get(self, id_: str, *, wait: int | None = None) -> Job[Any]:
        """A job as it is now, or at its next change if that comes within `wait` seconds (≤ 60).

        Raises:
            ApiError: there is none with this id (404).
        """
        return self.read(self._transport.get(self._of(id_), {"wait": wait}, patience=float(wait or 0)))

    def list(self, **filters: str | int | None) -> Iterator[Job[Any]]:
        """All jobs, newest first; filter by `state`, `kind` or `parent_id`."""
        for body in self._transport.items(self.path, filters):
            yield self.read(body)

    def wait(
        self,
        job: JobAnswer | str,
        timeout: float | None = None,
        on_update: Callable[[Job[Any]], None] | None = None,
        *,
        progress: bool | Reporter = False,
    ) -> Job[Any]:
        """Wait until a job is over. Whoever interrupts this leaves the job running.

        Args:
            job: the job, or its id.
            timeout: seconds; None waits for as long as it takes.
            on_update: called with the job as it is now, about once a second and when its state changes.
            progress: whether to show a bar on stderr, of a pipeline one a stage; lines without a terminal.

        Returns:
            The job, succeeded.

        Raises:
            JobFailedError: it failed or was cancelled.
            WaitTimeoutError: it is not over yet, and goes on.
        """
        id_ = job if isinstance(job, str) else job.id
        try:
            with reporting_if(progress) as reporter:
                return self._over(id_, timeout, on_update, reporter)
        except Interrupts as interrupt:
            interrupt.add_note(
                f"{id_} goes on in the service: jobs.wait({id_!r}) waits, jobs.cancel stops it"
            )
            raise

    def result(self, job: Job[T]) -> T:
        """The resource that a job has made.

        Raises:
            JobFailedError: it failed or was cancelled.
            NotMadeError: it is not over yet.
        """
        if job.result is None:
            raise JobFailedError(job) if job.finished else NotMadeError(job)
        body = self._transport.get(job.result.href)
        made: T = self.readers[job.result.kind](body)
        return made

    def events(self, id_: str, last_event_id: str | None = None) -> Iterator[Event]:
        """What happens to a job, from after `last_event_id` (else from its start) until it is over."""
        return events(self._transport, f"{self._of(id_)}/events", last_event_id)

    def logs(self, id_: str) -> str:
        """What the job's processes printed."""
        return (self._transport.request(Message("GET", f"{self._of(id_)}/logs"))).text

    def log_lines(self, id_: str) -> Iterator[str]:
        """The lines that the job's processes printed and print, as they come, until it is over.

        Raises:
            ApiError: the service refused.
            UnreachableError: it went away and did not come back.
        """
        return log_lines(self._transport, self._of(id_))

    def cancel(self, id_: str) -> Job[Any]:
        """Ask a job to stop.

        Raises:
            ApiError: it is over already (409).
        """
        return self.read(self._transport.post(f"{self._of(id_)}/cancel"))

    def retry(self, id_: str) -> Job[Any]:
        """Have a failed or cancelled job go on from its last checkpoint.

        Raises:
            ApiError: it is not over, or it succeeded (409).
        """
        return self.read(self._transport.post(f"{self._of(id_)}/retry"))

    def read(self, body: JsonObject) -> Job[Any]:
        """The job that a JSON object spells."""
        return read(Job, body, jobs=self)

    def _over(
        self,
        id_: str,
        timeout: float | None,
        on_update: Callable[[Job[Any]], None] | None,
        reporter: Reporter | None,
    ) -> Job[Any]:
        started = time.monotonic()
        poll = POLL if on_update is None and reporter is None else WATCHED_POLL
        ended: set[str] = set()
        while True:
            asked = time.monotonic()
            left = None if timeout is None else started + timeout - asked
            now = self.get(id_, wait=poll if left is None else max(0, min(poll, round(left))))
            if on_update is not None:
                on_update(now)
            if reporter is not None:
                self._report(now, reporter, ended)
            if now.state == "succeeded":
                return now
            if now.finished:
                raise JobFailedError(now)
            if timeout is not None and time.monotonic() - started >= timeout:
                raise WaitTimeoutError(now, timeout)
            sleep(max(0.0, PACE - (time.monotonic() - asked)))

    def _report(self, job: JobAnswer, reporter: Reporter, ended: set[str]) -> None:
        """Show a job, or the children of a pipeline that have not been shown at their end."""
        if job.kind != "pipeline":  # of a study they are too many
            reporter.update(Status.of_job(job))
            return
        for id_ in job.children:
            if id_ not in ended:
                child = self.get(id_)
                reporter.update(Status.of_job(child))
                if child.finished:
                    ended.add(id_)

    def _of(self, id_: str) -> str:
        return f"{self.path}/{segment(id_)}"
