# Written by scripts/sync_client.py from g2l/client/aio/uploads.py; edit that, then `make generate`.
"""Uploads: streamed, sent again from their beginning where the connection breaks, their digest compared."""

from g2l.client.errors import DigestError
from g2l.client.forms import Form
from g2l.client.messages import Message
from g2l.client.sync.transport import Transport
from g2l.client.values import JsonObject

PATIENCE = 600.0  # the answer comes when the service has stored and digested the whole body


def post_form(transport: Transport, path: str, form: Form) -> JsonObject:
    """Send a form; the job that answers.

    Raises:
        ApiError, UnreachableError: as of any request.
        DigestError: the service received other bytes than were read here; the job is told to stop.
    """
    message = Message("POST", path, headers=form.headers, chunks=form.chunks, patience=PATIENCE)
    job = transport.json(message)
    for sent, received in zip(form.sha256, _received(job), strict=False):
        if sent != received:
            transport.post(f"/v1/jobs/{job['id']}/cancel")
            raise DigestError(f"{transport.url}{path}", sent, received)
    return job


def _received(job: JsonObject) -> list[str]:
    """The digests of the files that a job was given, in their order."""
    spec = job.get("spec") or {}
    uploads = spec.get("uploads") or [spec.get("upload")]
    return [upload["sha256"] for upload in uploads if upload]
