"""A training's state on disk, whole or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from g2l.errors import G2LError


class CheckpointMismatchError(G2LError):
    """The checkpoint is of another training."""

    code: ClassVar[str] = "checkpoint-mismatch"
    title: ClassVar[str] = "The checkpoint belongs to another training"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands after whole epochs.

    The schedule and every random draw are functions of (seed, step), so neither is kept here.

    Attributes:
        training: digest of what is trained on what and how; a resumed one must have the same.
        epochs: done.
        threads: of torch's CPU kernels; with another count sums round otherwise.
        model: state of the network.
        optimizer: state of the optimizer.
        history: a record an epoch.
        best: state of the network after its best epoch so far; None where the last one counts.
    """

    training: str
    epochs: int
    threads: int
    model: dict[str, Any]
    optimizer: dict[str, Any]
    history: list[dict[str, Any]]
    best: dict[str, Any] | None = None


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write aside, flush to the disk, rename: a cut at any time leaves the old one or the new one."""
    # Its own: an attempt that was frozen while another took over may be writing the same checkpoint.
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as file:
            torch.save(vars(checkpoint), file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)  # where the job was told to stop while it wrote
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def load_checkpoint(path: Path, *, training: str) -> Checkpoint | None:
    """The checkpoint at a path, on the CPU; None if there is no file. What was cut off beside it goes.

    Args:
        path: of the file that `save_checkpoint` wrote.
        training: digest that the checkpoint must have.

    Raises:
        CheckpointMismatchError: it is of a training with other data or another recipe.
    """
    for cut_off in path.parent.glob(f"{path.name}.*.part"):
        cut_off.unlink(missing_ok=True)
    if not path.exists():
        return None
    checkpoint = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    if checkpoint.training != training:
        raise CheckpointMismatchError(
            f"{path.name} was written by a training with other images, targets or settings; "
            "delete it to start anew"
        )
    return checkpoint
