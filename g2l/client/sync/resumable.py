# Written by scripts/sync_client.py from g2l/client/aio/resumable.py; edit that, then `make generate`.
"""Files sent in pieces by the tus protocol 1.0: what a broken connection took is sent again, and no more.

Source: https://tus.io/protocols/resumable-upload.
"""

import base64
import os
from collections.abc import Callable, Iterator, Sequence

import httpx

from g2l.client.errors import ApiError, UnreachableError
from g2l.client.forms import OnProgress
from g2l.client.interrupted import Interrupted
from g2l.client.messages import Message, reason, segment
from g2l.client.pieces import SentFile
from g2l.client.retries import Schedule
from g2l.client.sync.transport import Transport
from g2l.client.waiting import call, sleep

PATH = "/v1/uploads"
VERSION = {"Tus-Resumable": "1.0.0"}
GONE = frozenset({404, 410})
PASSING = GONE | {408, 409, 423, 429}  # ask where the upload is, then go on


def send_files(
    transport: Transport,
    files: Sequence[SentFile],
    known: Interrupted,
    *,
    on_progress: OnProgress | None = None,
) -> list[str]:
    """Send files, from where earlier processes stopped; the ids of their uploads.

    Args:
        transport: to the service.
        files: to send, one after another.
        known: what earlier processes left, and where this one leaves its own.
        on_progress: called with the bytes that are there and all bytes; first with what was there before.

    Raises:
        ApiError: the service refused.
        UnreachableError: it went away and did not come back.
        PackingError: a file changed meanwhile.
    """

    def tell() -> None:
        if on_progress is not None:
            on_progress(sum(upload.there for upload in uploads), sum(file.size for file in files))

    uploads = [_AsyncUpload(transport, file, known, on_bytes=tell) for file in files]
    for upload in uploads:
        upload.find()
    tell()
    return [upload.send() for upload in uploads]


class _AsyncUpload:
    """One file's upload.

    Attributes:
        there: the bytes that the service has; while they are sent, those that it should have.
    """

    def __init__(
        self,
        transport: Transport,
        file: SentFile,
        known: Interrupted,
        *,
        on_bytes: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._file = file
        self._known = known
        self._on_bytes = on_bytes
        self._id = known.upload_of(file)
        self.there = 0

    def find(self) -> None:
        """Ask how much an earlier process has sent, if any; what it sent of another version goes."""
        if (outdated := self._known.outdated_of(self._file)) is not None:
            self._discard(outdated)
        self._settle(Schedule(self._transport.retry_for))

    def send(self) -> str:
        """Send what is missing; the upload's id."""
        schedule = Schedule(self._transport.retry_for)
        furthest = self.there
        while True:
            if self._id is None:
                self._id = self._announce()
                furthest = 0
            if self.there == self._file.size:
                return self._id
            call(self._file.digest_until, self.there)
            if (failure := self._append(self._id, self._file.size - self.there)) is None:
                continue
            self._pause(schedule, failure)
            self._settle(schedule)
            if self.there > furthest:
                schedule.succeed()
                furthest = self.there

    def _settle(self, schedule: Schedule) -> None:
        """Ask where to go on, until no broken request holds the upload: a long one would be sent in vain."""
        while self._id is not None:
            self._ask(self._id)
            if self._id is None or self.there == self._file.size:
                return
            if (failure := self._append(self._id, 0)) is None:
                return
            self._pause(schedule, failure)

    def _pause(self, schedule: Schedule, failure: ApiError | UnreachableError) -> None:
        if (pause := schedule.pause()) is None:
            raise failure
        sleep(pause)

    def _announce(self) -> str:
        name = os.fsencode(self._file.filename).decode(errors="replace").encode()
        headers = {
            **VERSION,
            "Upload-Length": str(self._file.size),
            "Upload-Metadata": f"filename {base64.b64encode(name).decode()}",
        }
        answer = self._transport.request(Message("POST", PATH, headers=headers))
        upload_id = httpx.URL(answer.headers["Location"]).path.rstrip("/").rpartition("/")[2]
        self._known.remember(self._file, upload_id)
        return upload_id

    def _ask(self, upload_id: str) -> None:
        """Learn how much is there; what is gone begins anew."""
        try:
            answer = self._transport.request(Message("HEAD", _of(upload_id), headers=VERSION))
        except ApiError as refusal:
            if refusal.status not in GONE:
                raise
            self._id, self.there = None, 0
        else:
            self.there = int(answer.headers["Upload-Offset"])
        self._on_bytes()

    def _append(self, upload_id: str, length: int) -> ApiError | UnreachableError | None:
        """Send the next bytes, all that are missing or none; why not, if that may pass."""
        headers = {
            **VERSION,
            "Upload-Offset": str(self.there),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
        }
        chunks = self._rest if length else None
        message = Message("PATCH", _of(upload_id), headers=headers, chunks=chunks, once=True)
        try:
            answer = self._transport.request(message)
        except httpx.TransportError as error:
            return UnreachableError(self._transport.url, reason(error))
        except ApiError as refusal:
            if refusal.status in PASSING or (refusal.status or 0) >= 500:
                return refusal
            raise
        self.there = int(answer.headers["Upload-Offset"])
        return None

    def _rest(self) -> Iterator[bytes]:
        for chunk in self._file.chunks(self.there):
            yield chunk
            self.there += len(chunk)
            self._on_bytes()

    def _discard(self, upload_id: str) -> None:
        try:
            self._transport.request(Message("DELETE", _of(upload_id), headers=VERSION))
        except ApiError as refusal:
            if refusal.status not in GONE:
                raise


def _of(upload_id: str) -> str:
    return f"{PATH}/{segment(upload_id)}"
