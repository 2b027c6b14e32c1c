# Written by scripts/sync_client.py from g2l/client/aio/uploads.py; edit that, then `make generate`.
"""Uploads: small ones as forms, sent again from their beginning; large files in pieces; digests compared."""

from collections.abc import Callable, Sequence

from g2l.client.errors import DigestError
from g2l.client.forms import Form, OnProgress, Source
from g2l.client.interrupted import interrupted
from g2l.client.messages import Message
from g2l.client.pieces import SentFile, in_pieces
from g2l.client.sync.resumable import send_files
from g2l.client.sync.transport import Transport
from g2l.client.values import JsonObject
from g2l.client.waiting import call

PATIENCE = 600.0  # the answer comes when the service has stored and digested the whole body
Body = Callable[[list[str]], JsonObject]  # of the ids of uploads, the JSON that takes them in


def post_files(
    transport: Transport,
    path: str,
    sources: Sequence[Source],
    *,
    fields: dict[str, str],
    body: Body,
    on_progress: OnProgress | None = None,
) -> JsonObject:
    """Send files with the fields of a form, in pieces where they are large; the job that answers.

    Args:
        transport: to the service.
        path: what takes them in.
        sources: the files.
        fields: what goes with them in one form.
        body: what takes them in when they were sent in pieces.
        on_progress: called with the bytes sent and all bytes; first with what is there already.

    Raises:
        ApiError, UnreachableError: as of any request.
        PackingError: a file changed meanwhile.
        DigestError: the service received other bytes than were read here; the job is told to stop.
    """
    if files := in_pieces(sources):
        return _post_pieces(transport, path, files, body=body, on_progress=on_progress)
    form = Form(sources, fields, on_progress)
    message = Message("POST", path, headers=form.headers, chunks=form.chunks, patience=PATIENCE)
    job = transport.json(message)
    _compare(transport, path, job, sent=form.sha256)
    return job


def _post_pieces(
    transport: Transport,
    path: str,
    files: Sequence[SentFile],
    *,
    body: Body,
    on_progress: OnProgress | None,
) -> JsonObject:
    with interrupted(transport.url, files) as known:
        ids = send_files(transport, files, known, on_progress=on_progress)
        digests = [call(file.sha256) for file in files]
        job = transport.json(Message("POST", path, json=body(ids), patience=PATIENCE))
        known.forget()
    _compare(transport, path, job, sent=digests)
    return job


def _compare(transport: Transport, path: str, job: JsonObject, *, sent: Sequence[str]) -> None:
    """Stop a job that was given other bytes."""
    for here, there in zip(sent, _received(job), strict=False):
        if here != there:
            transport.post(f"/v1/jobs/{job['id']}/cancel")
            raise DigestError(f"{transport.url}{path}", here, there)


def _received(job: JsonObject) -> list[str]:
    """The digests of the files that a job was given, in their order."""
    spec = job.get("spec") or {}
    uploads = spec.get("uploads") or [spec.get("upload")]
    return [upload["sha256"] for upload in uploads if upload]
