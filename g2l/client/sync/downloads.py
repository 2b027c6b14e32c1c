# Written by scripts/sync_client.py from g2l/client/aio/downloads.py; edit that, then `make generate`.
"""Downloads that survive cut connections: written aside, gone on with by Range, checked, then renamed."""

from collections.abc import Callable
from pathlib import Path

import httpx

from g2l.client.errors import UnreachableError
from g2l.client.messages import Message, Params, reason
from g2l.client.parts import PLAIN, Version, private_part, publish, sha256
from g2l.client.retries import Schedule
from g2l.client.sync.transport import Transport
from g2l.client.waiting import call, sleep

OnBytes = Callable[[int, int], None]  # bytes that are here, bytes in all


def download(transport: Transport, path: str, destination: Path, *, on_bytes: OnBytes | None = None) -> Path:
    """Fetch one file; at `destination` lies what lay there before, or the whole new file.

    A download that was cut, in this process or an earlier one, goes on where it stopped.

    Args:
        transport: to the service.
        path: below the service's address.
        destination: the file to write; its folder is made.
        on_bytes: called with the bytes that are here, and all bytes.

    Raises:
        ApiError: the service refused.
        UnreachableError: it went away and did not come back.
        DigestError: the bytes are not those that the service described.
    """
    version = Version.of(transport.request(Message("HEAD", path, headers=PLAIN)))
    schedule = Schedule(transport.retry_for)
    with version.part(destination) as part:
        while (here := part.stat().st_size) < version.size:
            cut = _append(transport, path, part, version=version, on_bytes=on_bytes)
            if part.stat().st_size > here:
                schedule.succeed()
            elif (pause := schedule.pause()) is not None:
                sleep(pause)
            else:
                raise UnreachableError(transport.url, cut or "downloads end before their time")
        source = transport.url + path
        return call(publish, part, destination, version.sha256, source=source)


def save(transport: Transport, path: str, destination: Path, *, params: Params) -> Path:
    """Fetch an answer that is made as it is sent, whole or not at all; raises as `download`."""
    schedule = Schedule(transport.retry_for)
    while True:
        with private_part(destination) as part:
            try:
                with transport.answer(Message("GET", path, params, streamed=True)) as answer:
                    with part.open("wb") as file:
                        for chunk in answer.iter_bytes():
                            file.write(chunk)
                source = transport.url + path
                return call(publish, part, destination, sha256(answer), source=source)
            except httpx.TransportError as error:
                pause = schedule.pause()
                if pause is None:
                    raise UnreachableError(transport.url, reason(error)) from error
        sleep(pause)


def _append(
    transport: Transport, path: str, part: Path, *, version: Version, on_bytes: OnBytes | None
) -> str | None:
    """Ask for what is missing and write it; the reason if the connection was cut."""
    message = Message("GET", path, headers=version.headers(part.stat().st_size), streamed=True)
    try:
        with transport.answer(message) as answer:
            goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
            with part.open("ab" if goes_on else "wb") as file:
                for chunk in answer.iter_raw():
                    file.write(chunk)
                    if on_bytes is not None:
                        on_bytes(file.tell(), version.size)
    except httpx.TransportError as error:
        return reason(error)
    return None
