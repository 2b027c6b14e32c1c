"""A job's events as they happen: Server-Sent Events, taken up again without a gap."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx

from g2l.client import retries
from g2l.client.errors import UnreachableError
from g2l.client.transport import Transport, lines
from g2l.client.values import FINISHED, JsonObject

SILENCE = 60.0  # seconds beyond the timeout; the service pings every 15


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Attributes:
        id: its number; a stream that begins with it as ``Last-Event-ID`` begins after it.
        type: state, stage, metric, …
    """

    id: str
    type: str
    data: JsonObject


def events(transport: Transport, job_id: str, last_event_id: str | None = None) -> Iterator[Event]:
    """The events of a job from a number on (from its first, if none is given), until it is over.

    Raises:
        ApiError: the service refused.
        UnreachableError: it went away and did not come back.
    """
    last = last_event_id
    pauses = retries.delays(retries.TRIES)
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        reason = "event streams end before the job"
        try:
            with transport.stream(f"/v1/jobs/{job_id}/events", headers=headers, patience=SILENCE) as answer:
                for event in parse(lines(answer)):
                    last = event.id or last
                    pauses = retries.delays(retries.TRIES)
                    yield event
                    if event.type == "state" and event.data.get("state") in FINISHED:
                        return
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
        pause = next(pauses, None)
        if pause is None:
            raise UnreachableError(transport.url, reason)
        time.sleep(pause)


def parse(stream: Iterable[str]) -> Iterator[Event]:
    """The events that lines of a stream spell; comments and half an event at the end are dropped."""
    fields: dict[str, list[str]] = {}
    for line in stream:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields:
            type_ = fields.get("event", ["message"])[-1]
            yield Event(fields.get("id", [""])[-1], type_, json.loads("\n".join(fields["data"])))
        fields = {}
