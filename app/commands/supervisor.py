"""Watching services: what dies is started again, after a pause that grows while it keeps dying."""

import time
from collections.abc import Callable, Sequence

from app.commands.accounts import StartError
from app.commands.children import Service, shorten

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY_AFTER = 60.0  # seconds alive, after which a death is a first one again


class Watched:
    """One service under watch."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._pause = FIRST_PAUSE
        self._due: float | None = None  # when to start it again
        self._started = time.monotonic()

    def tend(self, note: Callable[[str], None]) -> None:
        """Notice a death, or start it again when its pause is over."""
        now = time.monotonic()
        child = self.service.child
        if self._due is not None:
            if now >= self._due:
                self._start(note)
        elif child is not None and child.returncode is not None:
            if now - self._started > STEADY_AFTER:
                self._pause = FIRST_PAUSE
            how = _how(child.returncode)
            note(f"{self.service.name} ended ({how}); starting it again in {self._pause:g} s")
            self._put_off()

    def _start(self, note: Callable[[str], None]) -> None:
        self._due = None
        try:
            self.service.start()
            self._started = time.monotonic()
        except StartError as error:
            note(f"{error}\ntrying again in {self._pause:g} s")
            self._put_off()

    def _put_off(self) -> None:
        self._due = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


def watch(services: Sequence[Service], note: Callable[[str], None], heed: Callable[[], None]) -> None:
    """Keep services alive for ever: until a signal's handler raises, or ``heed``."""
    watched = [Watched(service) for service in services]
    while True:
        heed()
        for each in watched:
            each.tend(note)
            if each.service.child is not None:
                shorten(each.service.child.program.log)
        time.sleep(0.25)


def _how(returncode: int) -> str:
    return f"signal {-returncode}" if returncode < 0 else f"status {returncode}"
