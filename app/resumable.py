"""Files that arrive in pieces: written at the recorded offset, recorded when they are on the disk for good.

Whatever breaks off, the file is its first `offset` bytes; a longer tail is cut off when the next piece comes.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy import update
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from core.artifacts import Store
from core.db.session import transaction
from core.db.uploads import PendingUpload
from core.errors import InvalidRequestError, NotFoundError, ServiceError

RECORDED_EVERY = 8 << 20  # bytes at most that a broken connection has to send again
SILENCE = 30.0  # seconds; a connection that broke without a word would hold its upload for ever
_READ = 1 << 20


class OffsetMismatchError(ServiceError):
    """A piece that does not begin where the file ends."""

    code = "upload-offset"
    title = "The piece does not begin where the upload ends"


class UploadLockedError(ServiceError):
    """Another request is writing the same upload."""

    code = "upload-locked"
    title = "Another request is writing this upload"


class SilentUploadError(ServiceError):
    """A connection over which nothing comes any more."""

    code = "upload-silent"
    title = "The rest of the piece did not come"


class ChecksumMismatchError(ServiceError):
    """A piece was changed on its way."""

    code = "upload-checksum"
    title = "The piece is not what its checksum says"


@dataclass(frozen=True)
class Checksum:
    """What a piece must hash to, as `Upload-Checksum` says."""

    algorithm: str
    digest: bytes


async def receive(
    store: Store, upload_id: str, offset: int, pieces: AsyncIterator[bytes], checksum: Checksum | None = None
) -> int:
    """Append what comes and return the upload's new end; a broken connection loses nothing that arrived.

    Raises:
        NotFoundError: there is no such upload.
        OffsetMismatchError: the piece begins elsewhere.
        UploadLockedError: another request is writing it.
        InvalidRequestError: there are more bytes than were announced.
        ChecksumMismatchError: the piece is broken; nothing of it is kept.
        ClientDisconnect: the client has gone; what came before is kept.
        SilentUploadError: the client says nothing more; likewise.
    """
    with _locked(store, upload_id) as file:
        piece = await run_in_threadpool(_begin, file, upload_id, offset, checksum)
        try:
            buffer = bytearray()
            async for part in _heard(pieces):
                buffer += part
                if len(buffer) >= _READ:
                    await run_in_threadpool(piece.write, bytes(buffer))
                    buffer.clear()
            await run_in_threadpool(piece.write, bytes(buffer))
        except (ClientDisconnect, SilentUploadError):
            if checksum is None:
                await run_in_threadpool(piece.write, bytes(buffer))
                await run_in_threadpool(piece.record)
            raise
        except OSError:
            piece.give_up()
            raise
        end = await run_in_threadpool(piece.finish)
        if piece.is_last:
            await run_in_threadpool(store.share_upload, upload_id)
        return end


async def _heard(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same, as long as they come."""
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                part = await anext(pieces, None)
        except TimeoutError:
            raise SilentUploadError(
                f"Nothing came for {SILENCE:g} seconds; what came before is kept. Ask where it is, and go on."
            ) from None
        if part is None:
            return
        yield part


class _Piece:
    """One piece under way, in a file that nobody else writes."""

    def __init__(self, file: BinaryIO, row: PendingUpload, checksum: Checksum | None) -> None:
        self._file, self._row, self._checksum = file, row, checksum
        self._recorded = self._written = row.offset
        self._hash = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None

    def write(self, data: bytes) -> None:
        """Append, and record now and then; a piece with a checksum is recorded whole or not at all."""
        self._written += len(data)
        if self._written > self._row.bytes:
            raise InvalidRequestError.at(
                "header/Upload-Length", f"The upload was announced with {self._row.bytes:,} bytes; more came."
            )
        self._file.write(data)
        if self._hash is not None:
            self._hash.update(data)
        elif self._written - self._recorded >= RECORDED_EVERY:
            self.record()

    def record(self) -> None:
        """Make what was written last, and say so."""
        self._file.flush()
        os.fsync(self._file.fileno())
        with transaction() as session:
            moved = session.execute(
                update(PendingUpload)
                .where(PendingUpload.id == self._row.id, PendingUpload.offset == self._recorded)
                .values(offset=self._written)
                .returning(PendingUpload.id)
            ).one_or_none()
        if moved is None:
            raise NotFoundError(f"The upload {self._row.id} was removed meanwhile.")
        self._recorded = self._written

    @property
    def is_last(self) -> bool:
        """Whether the upload has all its bytes."""
        return self._recorded == self._row.bytes

    def give_up(self) -> None:
        """Give back what a full disk has taken of the piece since it was recorded."""
        os.ftruncate(self._file.fileno(), self._recorded)

    def finish(self) -> int:
        """Verify and record; the upload's new end."""
        if self._checksum and self._hash and self._hash.digest() != self._checksum.digest:
            raise ChecksumMismatchError("The piece was changed on its way; send it again.")
        self.record()
        return self._recorded


@contextmanager
def _locked(store: Store, upload_id: str) -> Iterator[BinaryIO]:
    """The file, open for this request alone; the lock ends with the process, however that ends."""
    try:
        file = store.upload(upload_id).open("r+b")
    except FileNotFoundError:
        raise NotFoundError(f"There is no upload {upload_id!a}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UploadLockedError("Wait until the other request has ended, then ask where it is.") from None
        yield file


def _begin(file: BinaryIO, upload_id: str, offset: int, checksum: Checksum | None) -> _Piece:
    with transaction() as session:
        row = session.get(PendingUpload, upload_id)
    if row is None:
        raise NotFoundError(f"There is no upload {upload_id!a}.")
    if offset != row.offset:
        raise OffsetMismatchError(f"The upload has {row.offset:,} bytes; the piece begins at {offset:,}.")
    file.truncate(row.offset)
    file.seek(row.offset)
    return _Piece(file, row, checksum)
