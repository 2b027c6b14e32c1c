"""What a caller of the client may have to catch; all are a `ClientError`.

`ApiError`: the service refused a request. `JobFailedError`: a job failed or was cancelled.
`WaitTimeoutError`: it is not over yet. `UnreachableError`: nobody answers at the service's address.
`DigestError`: what arrived is not what was sent. `MissingPackageError`: something must be installed first.
`packing.PackingError`: a path cannot be uploaded.
"""

from g2l.client.job_answers import JobAnswer
from g2l.client.values import FieldError, Problem


class ClientError(Exception):
    """Any error of the client.

    Attributes:
        problem: the same, as the service would word it.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    @property
    def pointers(self) -> tuple[str, ...]:
        """The fields to mend, as JSON pointers such as ``#/labeling/length``."""
        return tuple(error.pointer for error in self.problem.errors)

    def __str__(self) -> str:
        return str(self.problem)

    def __repr__(self) -> str:
        status = "" if self.problem.status is None else f"{self.problem.status} "
        words = "; ".join(filter(None, [self.problem.detail, *self.pointers]))
        return f"<{type(self).__name__} {status}{self.problem.code}: {words}>"


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

    def __init__(self, job: JobAnswer) -> None:
        what = "was cancelled" if job.state == "cancelled" else "failed"
        plain = Problem(f"/problems/job-{job.state}", f"The job {what}", detail=f"{job.id} ({job.kind})")
        super().__init__(job.error or plain)
        self.job = job


class WaitTimeoutError(ClientError):
    """A job was not over in the time that was given; it goes on.

    Attributes:
        job: the job as last seen.
    """

    def __init__(self, job: JobAnswer, seconds: float) -> None:
        detail = f"{job.id} is {job.state} after {seconds:g} s of waiting; it goes on"
        super().__init__(Problem("/problems/wait-timeout", "The job is not over yet", detail=detail))
        self.job = job


class NotMadeError(ClientError):
    """A job has made nothing that could be read, since it is not over.

    Attributes:
        job: the job as last seen.
    """

    def __init__(self, job: JobAnswer) -> None:
        detail = f"{job.id} is {job.state}; wait for it first"
        super().__init__(Problem("/problems/not-made", "The job has made nothing yet", detail=detail))
        self.job = job


class UnreachableError(ClientError):
    """No answer from the service's address."""

    def __init__(self, url: str, reason: str) -> None:
        detail = f"no answer from {url}: {reason}"
        super().__init__(Problem("/problems/unreachable", "The service cannot be reached", detail=detail))


class DigestError(ClientError):
    """The bytes that arrived do not have the digest of those that were sent."""

    def __init__(self, what: str, wanted: str, got: str) -> None:
        detail = f"{what}: wanted sha-256 {wanted}, got {got}; nothing was kept, so try again"
        super().__init__(Problem("/problems/digest-mismatch", "The bytes are damaged", detail=detail))


class MissingPackageError(ClientError):
    """Something that is not installed is needed for what was asked."""

    def __init__(self, purpose: str, *packages: str) -> None:
        detail = f"{purpose} needs {' and '.join(packages)}; `pip install {' '.join(packages)}`"
        super().__init__(Problem("/problems/missing-package", "A package is missing", detail=detail))
