# Written by scripts/sync_client.py from g2l/client/aio/events.py; edit that, then `make generate`.
"""A job's events as they happen, taken up again without a gap."""

from collections.abc import Iterator

import httpx

from g2l.client.errors import UnreachableError
from g2l.client.events import Event, Parser
from g2l.client.job_answers import FINISHED
from g2l.client.messages import Message, reason
from g2l.client.retries import Schedule
from g2l.client.sync.transport import Transport, lines
from g2l.client.waiting import sleep

SILENCE = 60.0  # seconds beyond the timeout; the service pings every 15


def events(transport: Transport, path: str, last_event_id: str | None) -> Iterator[Event]:
    """The events of a job from a number on (from its first, if none is given), until it is over.

    Raises:
        ApiError: the service refused.
        UnreachableError: it went away and did not come back.
    """
    last = last_event_id
    schedule = Schedule(transport.retry_for)
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        cut = "event streams end before the job"
        try:
            parser = Parser()
            message = Message("GET", path, headers=headers, patience=SILENCE, streamed=True)
            with transport.answer(message) as answer:
                for line in lines(answer):
                    event = parser.feed(line)
                    if event is None:
                        continue
                    last = event.id or last
                    schedule.succeed()
                    yield event
                    if event.type == "state" and event.data.get("state") in FINISHED:
                        return
        except httpx.TransportError as error:
            cut = reason(error)
        pause = schedule.pause()
        if pause is None:
            raise UnreachableError(transport.url, cut)
        sleep(pause)
