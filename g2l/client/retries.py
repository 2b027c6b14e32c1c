"""When to ask again, and after how long."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_TRIES = 3  # to a service that has never answered: most likely it is not there
TRIES = 9  # to one that has: about half a minute, enough for a restart
FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0
LONGEST_RETRY_AFTER = 60.0
BUSY = frozenset({429, 502, 503, 504})


def delays(tries: int) -> Iterator[float]:
    """Seconds to pause between so many tries: doubling, bounded, and jittered so that clients spread out."""
    for attempt in range(tries - 1):
        yield min(FIRST_DELAY * 2**attempt, LONGEST_DELAY) * random.uniform(0.8, 1.2)  # noqa: S311


def retry_after(value: str | None) -> float | None:
    """The seconds that a ``Retry-After`` header asks for, bounded; None if it cannot be read."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
