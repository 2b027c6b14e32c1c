"""Multipart bodies, straight from the socket into the store: flat memory, digests and sizes on the way."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from anyio import CancelScope
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from core.artifacts import Store
from core.errors import InvalidRequestError, MalformedUploadError, UploadTooLargeError
from core.specs.base import Upload

_BATCH = 1 << 20  # bytes that are parsed and written at a time, in a thread
_MAX_FIELD = 64 << 10
_MAX_FIELDS = 20


@dataclass
class Received:
    """A body that was read to its end; its files are removed unless they are kept."""

    fields: dict[str, str]
    uploads: list[Upload]
    kept: bool = False

    @property
    def digest(self) -> str:
        """What tells this request from another one: its fields and its files."""
        files = [(upload.filename, upload.sha256) for upload in self.uploads]
        return hashlib.sha256(repr((sorted(self.fields.items()), files)).encode()).hexdigest()


class _Form:
    """Takes the parser's callbacks: small fields into memory, the parts named `file` into files."""

    def __init__(self, store: Store, limit: int, most: int) -> None:
        self.fields: dict[str, str] = {}
        self.files: list[_File] = []
        self.complete = False
        self._store, self._left, self._most = store, limit, most
        self._limit = limit
        self._part: str | None = None
        self._value = bytearray()
        self._header = [bytearray(), bytearray()]
        self._headers: dict[bytes, bytes] = {}

    def on_part_begin(self) -> None:
        self._headers = {}
        self._value = bytearray()
        self._part = None

    def on_header_begin(self) -> None:
        self._header = [bytearray(), bytearray()]

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def on_header_end(self) -> None:
        self._headers[bytes(self._header[0]).lower()] = bytes(self._header[1])

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name == "file":
            if len(self.files) == self._most:
                wanted = "one" if self._most == 1 else f"{self._most:,} at most"
                raise InvalidRequestError.at("file", f"There are more parts named `file`; send {wanted}.")
            self.files.append(_File(self._store, base_name(options.get(b"filename", b""))))
        elif name in self.fields or len(self.fields) >= _MAX_FIELDS:
            raise InvalidRequestError.at(name, "The field is there twice, or there are too many.")
        self._part = name

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self._left -= end - start
            if self._left < 0:
                raise too_large(self._limit)
            self.files[-1].write(memoryview(data)[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _MAX_FIELD:
            raise InvalidRequestError.at(self._part or "", f"A field may have {_MAX_FIELD:,} bytes.")

    def on_part_end(self) -> None:
        if self._part == "file":
            self.files[-1].end()
        else:
            self.fields[self._part or ""] = self._value.decode("utf-8", "replace")

    def on_end(self) -> None:
        self.complete = True

    def share(self) -> None:
        """Let the workers of other machines have the files."""
        for file in self.files:
            self._store.share_upload(file.id)

    def remove(self) -> None:
        """Remove the files, everywhere."""
        for file in self.files:
            file.close()
            self._store.discard_upload(file.id)


class _File:
    """A part that is written into the store."""

    def __init__(self, store: Store, filename: str) -> None:
        self.filename = filename
        self.id = f"upl_{secrets.token_hex(16)}"
        self._bytes = 0
        self._sha256 = hashlib.sha256()
        self._file: BinaryIO = store.upload(self.id).open("xb")

    def write(self, chunk: memoryview) -> None:
        self._bytes += len(chunk)
        self._sha256.update(chunk)
        self._file.write(chunk)

    def end(self) -> None:
        """All of it is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """However much has come."""
        with suppress(OSError):  # what a full disk had no room for, it has none for now
            self._file.close()

    @property
    def upload(self) -> Upload:
        return Upload(id=self.id, filename=self.filename, sha256=self._sha256.hexdigest(), bytes=self._bytes)


@asynccontextmanager
async def received(
    request: Request, store: Store, limit: int, *, most_files: int = 1
) -> AsyncIterator[Received]:
    """Read a multipart body with a `file` or several; whatever goes wrong, nothing of it stays in the store.

    Raises:
        MalformedUploadError: the body is cut short, or is no multipart.
        UploadTooLargeError: all files together have more bytes than the limit.
        InvalidRequestError: no `file` or more than wanted, two of one name, or a field twice.
    """
    form = _Form(store, limit, most_files)
    body: Received | None = None
    try:
        await _read(request, form)
        if not form.complete:
            raise MalformedUploadError("The multipart body ends before its closing boundary; send it whole.")
        if not form.files:
            raise InvalidRequestError.at("file", "Send the archive in a part named `file`.")
        body = Received(form.fields, [file.upload for file in form.files])
        await run_in_threadpool(form.share)
        yield body
    finally:
        if body is None or not body.kept:
            with CancelScope(shield=True):
                await run_in_threadpool(form.remove)


async def _read(request: Request, form: _Form) -> None:
    parser = _parser(request, form)
    batch = bytearray()
    try:
        async for chunk in request.stream():
            batch += chunk
            if len(batch) >= _BATCH:
                await _unbroken(parser, bytes(batch))
                batch.clear()
        await _unbroken(parser, bytes(batch))
    except FormParserError as error:
        raise MalformedUploadError(f"The body is not multipart/form-data: {error}") from None


async def _unbroken(parser: MultipartParser, batch: bytes) -> None:
    """Parse in a thread, and wait for it even when cancelled: it writes to a file that will be closed."""
    task = asyncio.ensure_future(run_in_threadpool(parser.write, batch))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _parser(request: Request, form: _Form) -> MultipartParser:
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if not boundary:
        raise MalformedUploadError("The Content-Type names no boundary.")
    names = [name for name in dir(form) if name.startswith("on_")]
    try:
        return MultipartParser(boundary, {name: getattr(form, name) for name in names})  # type: ignore[arg-type]
    except FormParserError as error:
        raise MalformedUploadError(str(error)) from None


def too_large(limit: int) -> UploadTooLargeError:
    """The refusal of a file beyond the limit."""
    return UploadTooLargeError(f"A file may have {limit:,} bytes (G2L_MAX_UPLOAD_BYTES); this one has more.")


def base_name(raw: bytes) -> str:
    """The last part of the sender's file name, printable."""
    name = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in name if c.isprintable())[:255] or "upload"
