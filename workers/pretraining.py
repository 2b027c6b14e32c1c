"""The training of a source with held-out images: what its jobs have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.db.resources import Dataset, Model
from core.specs.models import DEFAULT_ARCHITECTURE, ClassifierOptions, HeldOutOptions
from workers import pixels
from workers.active import ActiveJob

if TYPE_CHECKING:
    from g2l.nn.objectives import Objective
    from g2l.nn.pretrain import Pretrained


def pretrained(
    job: ActiveJob[Any],
    dataset: Dataset,
    start: Model | None,
    objective_on: Callable[[pixels.Indices], "Objective"],
) -> "Pretrained":
    """Train on a pool, going on from an earlier attempt.

    Args:
        job: its spec are `HeldOutOptions`.
        dataset: the pool.
        start: the model whose body is trained on; None for random weights.
        objective_on: what some items of the pool are trained towards.
    """
    from g2l.nn.pretrain import pretrain

    spec: HeldOutOptions = job.spec
    images, items = pixels.pretraining_images(job, dataset, spec.image_size)
    objective = objective_on(items)

    def train(checkpoint: Path) -> "Pretrained":
        return pretrain(
            images,
            objective,
            arch=spec.arch or DEFAULT_ARCHITECTURE,
            init=None if start is None else job.store.path(start.artifact),
            epochs=spec.epochs,
            image_size=spec.image_size,
            batch_size=spec.batch_size,
            learning_rate=spec.learning_rate,
            seed=spec.seed,
            balance=spec.balance if isinstance(spec, ClassifierOptions) else "none",
            augmentation=spec.augmentation,
            validation_share=spec.validation_share,
            groups=_groups(job, dataset, items),
            patience=spec.patience,
            on_progress=job.counting("training", "images"),
            on_epoch=job.on_epoch,
            checkpoint=checkpoint,
            processes=job.settings.training_processes,
        )

    return job.resuming("training.pt", train)


def images_per_second(made: "Pretrained") -> float:
    """Of the training itself, on average over its epochs."""
    return float(np.mean([record.images_per_second for record in made.history]))


def _groups(job: ActiveJob[Any], dataset: Dataset, items: pixels.Indices) -> NDArray[np.uint64] | None:
    groups = pixels.open_pack(job.store, dataset).groups
    return None if groups is None else groups[items]
