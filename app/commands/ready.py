"""Waiting for a child to serve."""

import time
from collections.abc import Callable

from app.commands.accounts import StartError
from app.commands.children import Child

PATIENCE = 120.0  # seconds; PostgreSQL replays its log after a kill, Redis reads its file


def wait_until(child: Child, probe: Callable[[], object], *not_yet: type[Exception]) -> None:
    """Call the probe until it does not raise.

    Raises:
        StartError: the child ended, or stayed unready too long; the message has the end of its log.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            probe()
        except not_yet as error:
            if child.returncode is not None or time.monotonic() > deadline:
                child.stop()
                name, log = child.program.name, child.program.log
                raise StartError(f"{name} did not start; see {log}:\n{child.log_tail()}") from error
            time.sleep(0.03)
        else:
            return
