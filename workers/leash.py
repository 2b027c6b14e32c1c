"""A job's process, and all that it has started, never outlives its worker, however that one dies."""

import os
import signal
import threading


def hold() -> None:
    """Tie the group of this process to the worker that holds the other end of standard input.

    The pipe closes with the worker, even by SIGKILL. (Linux could signal a parent's death, but to this
    process alone, and so fast that nobody would be left to end the rest of the group.)
    """
    threading.Thread(target=_end_with_the_pipe, name="leash", daemon=True).start()


def _end_with_the_pipe() -> None:
    while os.read(0, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)
