"""What the epochs of a training showed, and what follows: which is the best, and whether to go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from g2l.nn.schedule import WARMUP


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch showed. Of several heads, losses and shares are the mean over the heads.

    Attributes:
        epoch: from 1 on.
        loss: mean over the epoch's augmented images, in nats.
        train_accuracy: share of its augmented images (and positions) that were right while training.
        accuracy: the same on the held-out images; None if there are none.
        held_out_loss: in nats, on the same; None if there are none.
        head_accuracies: accuracy of each head, None where no held-out image has a target; empty if there are
            no held-out images.
        images_per_second: training alone, evaluation left out.
    """

    epoch: int
    loss: float
    train_accuracy: float
    accuracy: float | None
    held_out_loss: float | None
    head_accuracies: tuple[float | None, ...]
    images_per_second: float


def kept_epoch(records: Sequence[EpochRecord], patience: int | None) -> int:
    """The epoch, from 1 on, whose weights a training keeps: with patience the best, else the last.

    The best has the lowest held-out loss, the earliest of equals: the loss is what is trained on, it counts
    soft targets as they are, and it moves where accuracy on few images stands still.
    """
    if patience is None or not records or records[-1].held_out_loss is None:
        return len(records)
    losses = [float("inf") if r.held_out_loss is None else r.held_out_loss for r in records]
    return losses.index(min(losses)) + 1


def out_of_patience(records: Sequence[EpochRecord], patience: int | None, epochs: int) -> bool:
    """Whether the last `patience` epochs were all worse than the best before them.

    Epochs in which the learning rate still rises do not count: held-out losses are wild then.

    Args:
        records: of the epochs so far.
        patience: None never runs out.
        epochs: of the whole schedule.
    """
    if patience is None:
        return False
    return len(records) - max(kept_epoch(records, patience), ceil(WARMUP * epochs)) >= patience


def mean_accuracy(accuracies: Sequence[float | None]) -> float | None:
    """The mean over the heads that have one; None if none has."""
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return sum(known) / len(known) if known else None
