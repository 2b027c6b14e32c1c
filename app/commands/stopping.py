"""Signals that ask `serve` to stop, wherever it stands."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

IGNORED_HANG_UP = (signal.SIGHUP, signal.SIG_IGN)


class Stopped(BaseException):
    """A signal asked us to stop."""


@contextmanager
def signals_raise() -> Iterator[Callable[[], None]]:
    """The first signal ends the block, quietly; what stopping does then is bounded, and is let finish.

    Python drops what a handler raises while a finalizer or a weak reference's callback runs (imports use
    such callbacks), so long work also calls what this yields, which raises if a signal came.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    def heed() -> None:
        if came:
            raise Stopped

    # Whoever ignores hang-ups (nohup) means to go on after the terminal is closed.
    heeded = [number for number in numbers if (number, signal.getsignal(number)) != IGNORED_HANG_UP]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield heed
    except Stopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
