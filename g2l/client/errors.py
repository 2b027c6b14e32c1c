"""What a caller of the client may have to catch; all are a `ClientError`.

`ApiError`: the service refused a request. `JobFailedError`: a job failed or was cancelled.
`WaitTimeoutError`: it is not over yet. `UnreachableError`: nobody answers at the service's address.
`DigestError`: a download is not what the service said. `packing.PackingError`: a path cannot be uploaded.
"""

from g2l.client.values import FieldError, Job, Problem


class ClientError(Exception):
    """Any error of the client.

    Attributes:
        problem: the same, as the service would word it.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return str(self.problem)


class ApiError(ClientError):
    """The service answered with a problem."""

    @property
    def code(self) -> str:
        """The problem's stable name, as in ``invalid-request``."""
        return self.problem.code

    @property
    def status(self) -> int | None:
        """The HTTP status."""
        return self.problem.status

    @property
    def detail(self) -> str:
        """What was given, what was wanted, what to do."""
        return self.problem.detail

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """The fields to mend."""
        return self.problem.errors


class JobFailedError(ClientError):
    """A job ended without a result.

    Attributes:
        job: the job, with the reason in ``job.error``.
    """

    def __init__(self, job: Job) -> None:
        what = "was cancelled" if job.state == "cancelled" else "failed"
        plain = Problem(f"/problems/job-{job.state}", f"The job {what}", detail=f"{job.id} ({job.kind})")
        super().__init__(job.error or plain)
        self.job = job


class WaitTimeoutError(ClientError):
    """A job was not over in the time that was given; it goes on.

    Attributes:
        job: the job as last seen.
    """

    def __init__(self, job: Job, seconds: float) -> None:
        detail = f"{job.id} is {job.state} after {seconds:g} s of waiting; it goes on"
        super().__init__(Problem("/problems/wait-timeout", "The job is not over yet", detail=detail))
        self.job = job


class UnreachableError(ClientError):
    """No answer from the service's address."""

    def __init__(self, url: str, reason: str) -> None:
        detail = f"no answer from {url}: {reason}"
        super().__init__(Problem("/problems/unreachable", "The service cannot be reached", detail=detail))


class DigestError(ClientError):
    """The bytes of a download do not have the digest that the service gave."""

    def __init__(self, url: str, wanted: str, got: str) -> None:
        detail = f"{url}: wanted sha-256 {wanted}, got {got}; nothing was kept, so try again"
        super().__init__(Problem("/problems/digest-mismatch", "The download is damaged", detail=detail))
