"""A job's process never outlives its worker, however that one dies."""

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def hold() -> None:
    """Tie this process, and all of its group, to the worker that holds the other end of standard input.

    The kernel's signal reaches this process even while it is in a long call; the pipe, which closes with the
    worker, reaches the processes that this one has started.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    threading.Thread(target=_end_with_the_pipe, name="leash", daemon=True).start()
    if os.getppid() != parent:  # it died before we asked
        _end()


def _end_with_the_pipe() -> None:
    while os.read(0, 1):
        pass
    _end()


def _end() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)
