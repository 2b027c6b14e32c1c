"""What can go wrong in the service, as codes and titles; `app.problems` gives each its HTTP status."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One mistake in a request: where (a JSON pointer such as ``#/labeling/length``), and how to mend it."""

    pointer: str
    detail: str


class ServiceError(Exception):
    """A refusal with a stable code; raised once, translated once."""

    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)


class NotFoundError(ServiceError):
    """The id in the path names nothing."""

    code = "not-found"
    title = "There is no such resource"


class InvalidRequestError(ServiceError):
    """The request is well-formed and cannot be served; ``errors`` name the fields."""

    code = "invalid-request"
    title = "The request has fields that cannot be used"

    @classmethod
    def at(cls, field: str, detail: str) -> "InvalidRequestError":
        """A refusal of one body field, given as ``labeling/length``."""
        return cls(detail, errors=[FieldError(f"#/{field}", detail)])


class InUseError(ServiceError):
    """A resource that others need is not deleted."""

    code = "in-use"
    title = "The resource is in use"


class JobFinishedError(ServiceError):
    """Cancel of a job that is over, or retry of one that is not or that succeeded."""

    code = "job-state"
    title = "The job is in a state that does not allow this"


class IdempotencyMismatchError(ServiceError):
    """A key came back with another request."""

    code = "idempotency-mismatch"
    title = "The Idempotency-Key was used for another request"


class IdempotencyInFlightError(ServiceError):
    """The first request with this key is still being answered."""

    code = "idempotency-in-flight"
    title = "A request with this Idempotency-Key is in flight"


class UnauthenticatedError(ServiceError):
    """A key is needed, and none that is valid was sent."""

    code = "unauthenticated"
    title = "A valid API key is needed"


class UploadTooLargeError(ServiceError):
    """The body is larger than ``G2L_MAX_UPLOAD_BYTES``."""

    code = "upload-too-large"
    title = "The upload is too large"


class StorageFullError(ServiceError):
    """The disk of the store has no room."""

    code = "storage-full"
    title = "There is no room on the disk"


class MalformedUploadError(ServiceError):
    """The multipart body cannot be read."""

    code = "malformed-upload"
    title = "The upload cannot be read"


class WorkerLostError(ServiceError):
    """A job's worker died or froze more often than ``G2L_MAX_CRASHES`` allows."""

    code = "worker-lost"
    title = "The job lost its worker too often"


class InternalJobError(ServiceError):
    """A job stopped on a fault of ours; the log has the trace."""

    code = "internal-error"
    title = "The service made a mistake"


class ChildFailedError(ServiceError):
    """A job stops because a stage or shard of it failed, or a study ends without some of its transfers."""

    code = "stage-failed"
    title = "A stage or shard of the job failed"


class LeaseLostError(Exception):
    """Another attempt owns the job now, or the job is over: stop without a further write."""
