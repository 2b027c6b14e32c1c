"""What waits: beside each coroutine function of the async client, the plain one of the other."""

import asyncio
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
# What ends a wait from outside, and not the service.
Interrupts = (KeyboardInterrupt,)
AsyncInterrupts = (KeyboardInterrupt, asyncio.CancelledError)


async def async_sleep(seconds: float) -> None:
    """Let other tasks run for so long."""
    await asyncio.sleep(seconds)


def sleep(seconds: float) -> None:
    """Stand still for so long."""
    time.sleep(seconds)


async def async_call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what blocks (a disk, a digest) in a thread, so that other tasks run meanwhile."""
    return await asyncio.to_thread(function, *args, **kwargs)


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call it here."""
    return function(*args, **kwargs)
