"""Going through the epochs of a training, from a checkpoint where there is one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import torch

from g2l.nn.checkpoints import Checkpoint, save_checkpoint

Record = TypeVar("Record")


class Run(Protocol[Record]):
    """A training under way."""

    records: list[Record]
    device: torch.device

    @property
    def is_over(self) -> bool:
        """Whether no epoch is left."""

    def epoch(self) -> None:
        """Go through one, and add its record."""

    def restore(self, state: Checkpoint) -> None:
        """Go on from a checkpoint's epoch."""

    def state(self, digest: str) -> Checkpoint:
        """What a later attempt goes on from."""


def to_the_end(
    run: Run[Record],
    state: Checkpoint | None,
    *,
    threads: int,
    on_epoch: Callable[[Record], None] | None = None,
    checkpoint: Path | None = None,
    digest: str = "",
) -> None:
    """Go through the epochs that are left.

    Args:
        run: the training.
        state: what it goes on from.
        threads: of torch; on return it is as before, and so are torch's generators.
        on_epoch: called with each epoch's record, first with those that the state has already.
        checkpoint: file that is rewritten after every epoch.
        digest: of the training, see `Checkpoint`.
    """
    tell = on_epoch or (lambda _: None)
    with _isolated(threads, run.device):
        if state:
            run.restore(state)
        for record in run.records:
            tell(record)
        while not run.is_over:
            run.epoch()
            if checkpoint:
                save_checkpoint(checkpoint, run.state(digest))
            tell(run.records[-1])


@contextmanager
def _isolated(threads: int, device: torch.device) -> Iterator[None]:
    """Torch's thread count as asked for, and its global generators untouched afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(before)
