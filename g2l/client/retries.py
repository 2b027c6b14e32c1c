"""When to ask again, and after how long."""

import random
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from g2l.client.values import Problem

FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0
FIRST_TRIES = 3  # to a service that has never answered: most likely it is not there
BUSY = frozenset({429, 502, 503, 504})
IN_FLIGHT = "idempotency-in-flight"  # an earlier try of the same request is still being answered


class Schedule:
    """The pauses between the tries of one request: doubling, jittered, ended by a bound on their whole time.

    Args:
        seconds: from the first failure to the last try.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tries = 0
        self._end: float | None = None

    def pause(self, at_least: float = 0.0) -> float | None:
        """Seconds to wait before the next try; None if that would be too late, so to give up.

        Args:
            at_least: what the service asks for; a service that asks for more than is left gets no more tries.
        """
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds
        # Jittered, so that clients that were cut off together do not come back together.
        doubled = FIRST_DELAY * 2 ** min(self._tries, 16)
        pause = max(min(doubled, LONGEST_DELAY) * random.uniform(0.8, 1.2), at_least)  # noqa: S311
        self._tries += 1
        return pause if now + pause <= self._end else None

    def succeed(self) -> None:
        """Patience begins anew: things come forward."""
        self._tries, self._end = 0, None


def passes(problem: Problem) -> bool:
    """Whether a refusal is of the moment, so that the same request may be taken later."""
    return problem.status in BUSY or problem.code == IN_FLIGHT


def retry_after(answer: httpx.Response) -> float:
    """The seconds that an answer's ``Retry-After`` asks for, as a number or as a date; 0 if it has none."""
    value = answer.headers.get("Retry-After", "")
    if re.fullmatch(r"\d+(\.\d*)?", value):
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
