"""Downloads that survive cut connections: written aside, gone on with by Range, checked, then renamed."""

import base64
import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from g2l.client import retries
from g2l.client.errors import DigestError, UnreachableError
from g2l.client.transport import Params, Transport

OnProgress = Callable[[int, int], None]  # bytes that are here, bytes in all
_SHA256 = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")


@dataclass(frozen=True)
class _Version:
    """What the service says of a file before it sends it."""

    size: int
    etag: str | None
    sha256: str | None

    @classmethod
    def of(cls, answer: httpx.Response) -> Self:
        headers = answer.headers
        return cls(int(headers.get("Content-Length", 0)), headers.get("ETag"), _sha256(answer))

    def part(self, destination: Path) -> Path:
        """Where its bytes gather; another version of the file gathers elsewhere."""
        return destination.with_name(f".{destination.name}.{(self.sha256 or 'unnamed')[:16]}.part")


def download(
    transport: Transport, path: str, destination: Path, *, on_progress: OnProgress | None = None
) -> Path:
    """Fetch one file; at `destination` lies what lay there before, or the whole new file.

    A download that was cut, in this process or an earlier one, goes on where it stopped.

    Args:
        transport: to the service.
        path: below the service's address.
        destination: the file to write; its folder is made.
        on_progress: called with the bytes that are here, and all bytes.

    Raises:
        ApiError: the service refused.
        UnreachableError: it went away and did not come back.
        DigestError: the bytes are not those that the service described.
    """
    version = _Version.of(transport.request("HEAD", path, headers={"Accept-Encoding": "identity"}))
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = version.part(destination)
    if version.sha256 is None:
        part.unlink(missing_ok=True)  # nothing says that it belongs to this version
    part.touch()
    pauses = retries.delays(retries.TRIES)
    while (here := part.stat().st_size) < version.size:
        cut = _append(transport, path, part, version=version, on_progress=on_progress)
        if part.stat().st_size > here:  # it comes forward, so patience begins anew
            pauses = retries.delays(retries.TRIES)
        elif (pause := next(pauses, None)) is not None:
            time.sleep(pause)
        else:
            raise UnreachableError(transport.url, cut or "downloads end before their time")
    return _publish(part, destination, version.sha256, source=transport.url + path)


def save(transport: Transport, path: str, destination: Path, *, params: Params) -> Path:
    """Fetch an answer that is made as it is sent, whole or not at all; raises as `download`."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    pauses = retries.delays(retries.TRIES)
    while True:
        try:
            with transport.stream(path, params=params) as answer, part.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
            return _publish(part, destination, _sha256(answer), source=transport.url + path)
        except httpx.TransportError as error:
            pause = next(pauses, None)
            if pause is None:
                raise UnreachableError(transport.url, str(error)) from error
            time.sleep(pause)


def _append(
    transport: Transport, path: str, part: Path, *, version: _Version, on_progress: OnProgress | None
) -> str | None:
    """Ask for what is missing and write it; the reason if the connection was cut."""
    headers = {"Accept-Encoding": "identity"}
    if (here := part.stat().st_size) and version.etag:
        headers |= {"Range": f"bytes={here}-", "If-Range": version.etag}
    try:
        with transport.stream(path, headers=headers) as answer:
            goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
            with part.open("ab" if goes_on else "wb") as file:
                for chunk in answer.iter_raw():
                    file.write(chunk)
                    if on_progress is not None:
                        on_progress(file.tell(), version.size)
    except httpx.TransportError as error:
        return str(error) or type(error).__name__
    return None


def _publish(part: Path, destination: Path, wanted: str | None, *, source: str) -> Path:
    with part.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    if wanted is not None and got != wanted:
        part.unlink()
        raise DigestError(source, wanted, got)
    part.replace(destination)
    return destination


def _sha256(answer: httpx.Response) -> str | None:
    match = _SHA256.search(answer.headers.get("Repr-Digest", ""))
    return base64.b64decode(match[1]).hex() if match else None
