"""Work spread over all cores of this machine, results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def available_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(work: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """`work` of each task, in order; only a few tasks are drawn ahead, so that memory stays flat.

    Threads, since the decoders release the GIL. Whoever stops iterating stops the work.
    """
    n_threads = available_cores()
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="decode")
    try:
        for task in tasks:
            pending.append(pool.submit(work, task))
            if len(pending) > n_threads + 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
