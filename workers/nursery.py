"""Where jobs' processes come from: forks of a process that has imported what jobs need, and run nothing."""

# A fresh interpreter takes 2 to 3 s to import torch and its like; a fork has them at once. Forking is safe
# here and nowhere else: no thread of torch's or of ours has started in the process that is forked.

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import IO

from setproctitle import setproctitle

# What jobs commonly need; a job imports by itself what is missing here.
IMPORTED = (
    "workers.run",
    *(
        f"workers.tasks.{kind}"
        for kind in ("dataset", "anchor_set", "responses", "labeling", "model", "transfer", "forecast")
    ),
    *(
        f"g2l.nn.{part}"
        for part in ("cards", "outputs", "patch_kmeans", "pretrain", "self_supervised", "transfer")
    ),
    "transformers.models.resnet.modeling_resnet",
    "pandas",  # of pyarrow's
    "psycopg",
)

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(IMPORTED))


@dataclass(frozen=True)
class Born:
    """A job's process, the pipe that it ends with, and what it prints."""

    process: ForkServerProcess
    leash: Connection
    output: IO[bytes]

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self.process.exitcode

    def wait(self, seconds: float | None = None) -> None:
        """Return when it has ended, or after so long."""
        self.process.join(seconds)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal it and all that it has started; those that are over are none."""
        if self.process.pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)
        if self.status is None:  # it has no group of its own in its first moment
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


def warm() -> None:
    """Start importing, so that the first job need not wait for it."""
    forkserver.ensure_running()


@cache
def wait_until_warm() -> None:
    """Return once all is imported; before a job is claimed, whose lease would run meanwhile."""
    first = _forks.Process(target=int)  # any that ends at once
    first.start()
    first.join()


def bear(job_id: str, attempt: int, traceparent: str | None) -> Born:
    """Start an attempt's process; its spans go below the one that `traceparent` names."""
    leash_end, leash = _forks.Pipe(duplex=False)
    output, output_end = _forks.Pipe(duplex=False)
    process = _forks.Process(target=_begin, args=(job_id, attempt, traceparent, leash_end, output_end))
    with leash_end, output_end, output:
        process.start()
        return Born(process, leash, os.fdopen(os.dup(output.fileno()), "rb"))


def _begin(
    job_id: str, attempt: int, traceparent: str | None, leash_end: Connection, output_end: Connection
) -> None:
    """In the new process: become what ``python -m workers.run`` would be."""
    os.setsid()
    os.dup2(leash_end.fileno(), 0)
    for descriptor in (1, 2):
        os.dup2(output_end.fileno(), descriptor)
    leash_end.close()
    output_end.close()
    sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    setproctitle(f"{sys.executable} -m workers.run {job_id} {attempt}")  # for people who look at `ps`
    from workers.run import main  # not above: a worker itself imports nothing of this

    sys.exit(main(job_id, attempt, traceparent))
