"""Error code to HTTP status and explanation, in one table; and how a problem looks on the wire (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import JSONResponse

from app.method_problems import METHOD
from core.errors import ServiceError

MEDIA_TYPE: Final = "application/problem+json"
OPEN_API_SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "RFC 9457: what went wrong, and how to mend it.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "A page that explains the problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Each mistake of the request, by JSON pointer; on every 422.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


@dataclass(frozen=True)
class Entry:
    """What a code means: the status it is answered with, and what its page at `/problems/<code>` says."""

    status: int
    title: str
    about: str


_SERVICE: Final[Mapping[str, Entry]] = {
    "bad-request": Entry(
        400, "The request is not valid HTTP for this endpoint", "Compare it with the endpoint in /docs."
    ),
    "malformed-upload": Entry(
        400,
        "The upload cannot be read",
        "The multipart body ended early or breaks the format of RFC 7578. Send it again, whole; with curl: "
        "-F name=NAME -F file=@FILE.",
    ),
    "unauthenticated": Entry(
        401,
        "A valid API key is needed",
        "Send `Authorization: Bearer g2l_…`. Whoever operates the service makes keys with `g2l keys create`.",
    ),
    "not-found": Entry(
        404,
        "There is no such resource",
        "The path names nothing, or its resource was deleted. Lists, as GET /v1/models, show what there is.",
    ),
    "method-not-allowed": Entry(
        405, "The resource does not take this method", "The Allow header names the methods it takes."
    ),
    "not-acceptable": Entry(
        406,
        "There is no representation of the accepted types",
        "Tables come as application/jsonl, text/csv and application/vnd.apache.parquet; or say ?format=.",
    ),
    "in-use": Entry(
        409,
        "The resource is in use",
        "Other resources or unfinished jobs need it; the detail names them. Delete or cancel those first.",
    ),
    "job-state": Entry(
        409,
        "The job is in a state that does not allow this",
        "Queued and running jobs can be cancelled; failed and cancelled ones can be retried.",
    ),
    "idempotency-in-flight": Entry(
        409,
        "A request with this Idempotency-Key is in flight",
        "Wait for the first request's answer, then send the same request again to read it once more.",
    ),
    "no-responses": Entry(
        409,
        "The dataset has not been embedded for this anchor set",
        "A dataset is labelled from its responses. The detail names the request that makes them: "
        "a labeling of the dataset with this anchor set.",
    ),
    "upload-offset": Entry(
        409,
        "The piece does not begin where the upload ends",
        "HEAD the upload: its Upload-Offset says where to go on.",
    ),
    "upload-silent": Entry(
        408,
        "The rest of the piece did not come",
        "What came before is kept: HEAD the upload, and go on from its Upload-Offset.",
    ),
    "upload-locked": Entry(
        423,
        "Another request is writing this upload",
        "Wait until it has ended, or its connection is given up, then HEAD the upload and go on.",
    ),
    "upload-checksum": Entry(
        460,
        "The piece is not what its checksum says",
        "It was changed on its way, and nothing of it was kept: send it again.",
    ),
    "tus-version": Entry(
        412,
        "This version of the tus protocol is not spoken here",
        "Send `Tus-Resumable: 1.0.0`; OPTIONS /v1/uploads says what is spoken.",
    ),
    "upload-too-large": Entry(
        413,
        "The upload is too large",
        "Split the archive, or ask whoever operates the service to raise G2L_MAX_UPLOAD_BYTES. "
        "JSON bodies end at 16 MiB.",
    ),
    "unsupported-media-type": Entry(
        415,
        "The body has a type that this endpoint does not take",
        "Send application/json, or multipart/form-data where the endpoint takes a file.",
    ),
    "range-not-satisfiable": Entry(
        416, "No such part of the file", "The Content-Range header says how long the file is."
    ),
    "invalid-request": Entry(
        422,
        "The request has fields that cannot be used",
        "`errors` names each field by a JSON pointer (`#/query/…` and `#/header/…` for those parts), "
        "what was given and what is wanted.",
    ),
    "idempotency-mismatch": Entry(
        422,
        "The Idempotency-Key was used for another request",
        "A key belongs to one request: same path, same body. Use a fresh key for another one.",
    ),
    "worker-lost": Entry(
        422,
        "The job lost its worker too often",
        "The process that ran the job died or froze again and again, for want of memory for instance. "
        "Its log says more. Retry it, with a smaller batch or image size if memory was short.",
    ),
    "stage-failed": Entry(
        422,
        "A stage or shard of the job failed",
        "The detail names the stage or shard, and its job. Mend the cause, then retry the job that failed "
        "with it: it goes on with what is unfinished.",
    ),
    "internal-error": Entry(
        500,
        "The service made a mistake",
        "A fault of the service. Its log has the trace, under the request's X-Request-ID or the job's id.",
    ),
    "artifact-missing": Entry(
        500,
        "A stored file is missing",
        "The detail names it. Restore it from a backup, or make its resource anew; "
        "`g2l doctor` lists all such.",
    ),
    "artifact-broken": Entry(
        500,
        "A stored file is damaged",
        "The detail names it. Restore it from a backup, or make its resource anew; "
        "`g2l doctor --deep` reads all.",
    ),
    "store-unavailable": Entry(
        503,
        "The store cannot be reached",
        "Try again shortly; /readyz says when the service is whole again. "
        "A job that failed of it can be retried.",
    ),
    "database-unavailable": Entry(
        503,
        "The database cannot be reached",
        "Nothing was changed. Try again shortly; /readyz says when the service is whole again.",
    ),
    "storage-full": Entry(
        507,
        "There is no room on the disk",
        "Nothing half made is kept. Whoever operates the service makes room (`g2l gc` shows what can go); "
        "then send the request again, or retry the job.",
    ),
    "not-ready": Entry(
        503,
        "The service is not ready",
        "One of database, broker, store and workers is not there; `checks` says which.",
    ),
}
TABLE: Final[Mapping[str, Entry]] = {
    **_SERVICE,
    **{code: Entry(422, title, about) for code, (title, about) in METHOD.items()},
}
UNKNOWN: Final = TABLE["method-error"]


def entry_of(code: str) -> Entry:
    """The table's row for a code; a code of the method that it does not know is a 422."""
    return TABLE.get(code, UNKNOWN)


def problem(
    code: str,
    detail: str,
    *,
    instance: str,
    errors: Sequence[Mapping[str, str]] = (),
    title: str | None = None,
) -> dict[str, Any]:
    """A problem's body; a 422 always says where, if only that it is the whole request."""
    entry = entry_of(code)
    body: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": title or entry.title,
        "status": entry.status,
        "detail": detail,
        "instance": instance,
    }
    if errors or entry.status == 422:
        body["errors"] = [dict(error) for error in errors] or [{"pointer": "#", "detail": detail}]
    return body


def response(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem as an answer."""
    return JSONResponse(body, int(body["status"]), dict(headers or {}), MEDIA_TYPE)


def of_service_error(error: ServiceError, instance: str) -> dict[str, Any]:
    """A refusal's body."""
    errors = [{"pointer": e.pointer, "detail": e.detail} for e in error.errors]
    return problem(error.code, error.detail, instance=instance, errors=errors, title=error.title)


def of_job(error: Mapping[str, Any], job_id: str) -> dict[str, Any]:
    """The stored error of a job, as a problem."""
    code = str(error.get("code", "internal-error"))
    return problem(
        code,
        str(error.get("detail", "")),
        instance=f"/v1/jobs/{job_id}",
        errors=error.get("errors") or (),
        title=error.get("title"),
    )


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for the problems that an endpoint answers with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    titles: dict[int, list[str]] = {}
    for code in codes:
        titles.setdefault(entry_of(code).status, []).append(f"`{code}`: {entry_of(code).title}.")
    return {status: {"description": " ".join(lines), "content": content} for status, lines in titles.items()}
