# Written by scripts/sync_client.py from g2l/client/aio/logs.py; edit that, then `make generate`.
"""A job's log as it is written, taken up again without a gap."""

from collections.abc import Iterator

import httpx

from g2l.client.errors import UnreachableError
from g2l.client.job_answers import FINISHED
from g2l.client.messages import Message, reason
from g2l.client.retries import Schedule
from g2l.client.sync.transport import Transport, lines
from g2l.client.waiting import sleep

SILENCE = 3600.0  # seconds for which a job may print nothing


def log_lines(transport: Transport, job: str) -> Iterator[str]:
    """The lines of the log of the job at a path, from the first on, until the job is over.

    Raises:
        ApiError: the service refused.
        UnreachableError: it went away and did not come back.
    """
    told = 0
    schedule = Schedule(transport.retry_for)
    while True:
        cut = "logs that are followed end before the job"
        message = Message("GET", f"{job}/logs", {"follow": True}, patience=SILENCE, streamed=True)
        try:
            with transport.answer(message) as answer:
                number = 0
                for line in lines(answer):
                    number += 1
                    if number > told:
                        told = number
                        schedule.succeed()
                        yield line
            if (transport.get(job))["state"] in FINISHED:
                return
        except httpx.TransportError as error:
            cut = reason(error)
        pause = schedule.pause()
        if pause is None:
            raise UnreachableError(transport.url, cut)
        sleep(pause)
