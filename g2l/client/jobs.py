"""Jobs: look at them, wait for them, stop them."""

import time
from collections.abc import Callable, Iterator

from g2l.client.errors import JobFailedError, WaitTimeoutError
from g2l.client.events import Event, events
from g2l.client.transport import Transport, segment
from g2l.client.values import Job, JsonObject

WATCHED_POLL, POLL = 1, 30  # seconds; the service answers sooner when the job changes its state or stage
PACE = 0.5  # at most two questions a second, also of a busy job


class Jobs:
    """The work of the service."""

    path = "/v1/jobs"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, id_: str, *, wait: int | None = None) -> Job:
        """A job as it is now, or at its next change if that comes within `wait` seconds (≤ 60).

        Raises:
            ApiError: there is none with this id (404).
        """
        body = self._transport.json(
            "GET", f"{self.path}/{segment(id_)}", params={"wait": wait}, patience=float(wait or 0)
        )
        return Job.from_json(body)

    def list(self, **filters: str | None) -> Iterator[Job]:
        """All jobs, newest first; filter by `state`, `kind` or `parent_id`."""
        return map(Job.from_json, self._transport.items(self.path, filters))

    def wait(
        self,
        job: Job | str,
        timeout: float | None = None,
        on_update: Callable[[Job], None] | None = None,
    ) -> Job:
        """Wait until a job is over.

        Args:
            job: the job, or its id.
            timeout: seconds; None waits for as long as it takes.
            on_update: called with the job as it is now, about once a second and when its state changes.

        Returns:
            The job, succeeded.

        Raises:
            JobFailedError: it failed or was cancelled.
            WaitTimeoutError: it is not over yet, and goes on.
        """
        id_ = job if isinstance(job, str) else job.id
        started = time.monotonic()
        poll = POLL if on_update is None else WATCHED_POLL
        while True:
            asked = time.monotonic()
            left = None if timeout is None else started + timeout - asked
            now = self.get(id_, wait=poll if left is None else max(0, min(poll, round(left))))
            if on_update is not None:
                on_update(now)
            if now.state == "succeeded":
                return now
            if now.finished:
                raise JobFailedError(now)
            if timeout is not None and time.monotonic() - started >= timeout:
                raise WaitTimeoutError(now, timeout)
            time.sleep(max(0.0, PACE - (time.monotonic() - asked)))

    def result(self, job: Job) -> JsonObject:
        """The resource that a job has made.

        Raises:
            JobFailedError: it has made none.
        """
        if job.result is None:
            raise JobFailedError(job)
        return self._transport.json("GET", job.result.href)

    def events(self, id_: str, last_event_id: str | None = None) -> Iterator[Event]:
        """What happens to a job, from after `last_event_id` (else from its start) until it is over."""
        return events(self._transport, id_, last_event_id)

    def logs(self, id_: str) -> str:
        """What the job's processes printed."""
        return self._transport.request("GET", f"{self.path}/{segment(id_)}/logs").text

    def cancel(self, id_: str) -> Job:
        """Ask a job to stop.

        Raises:
            ApiError: it is over already (409).
        """
        return Job.from_json(self._transport.json("POST", f"{self.path}/{segment(id_)}/cancel"))

    def retry(self, id_: str) -> Job:
        """Have a failed or cancelled job go on from its last checkpoint.

        Raises:
            ApiError: it is not over, or it succeeded (409).
        """
        return Job.from_json(self._transport.json("POST", f"{self.path}/{segment(id_)}/retry"))
