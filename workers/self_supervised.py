"""The training of a source without labels."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core.db.resources import Dataset, Model
from core.specs.models import DEFAULT_ARCHITECTURE, SelfSupervisedModelSpec
from workers import cards, pixels, provenance
from workers.active import ActiveJob, load
from workers.kept_models import keep_network
from workers.products import Product

if TYPE_CHECKING:
    from g2l.nn.self_supervised import SelfSupervised


def run(job: ActiveJob[SelfSupervisedModelSpec]) -> Product:
    """Train a body on a pool and keep it."""
    spec, dataset = job.spec, load(Dataset, job.spec.dataset_id)
    start = None if spec.init_model_id is None else load(Model, spec.init_model_id)
    arch = spec.arch or (DEFAULT_ARCHITECTURE if start is None else start.arch)
    images, _ = pixels.pretraining_images(job, dataset, spec.image_size)
    started = time.perf_counter()
    made = _train(job, images, start)
    seconds = time.perf_counter() - started
    speeds = [record.images_per_second for record in made.history]
    speed = sum(speeds) / len(speeds)
    origin = provenance.of_training(job, dataset, parent=start)
    kept = keep_network(
        job,
        made.model,
        preprocessing=made.preprocessing,
        labels=(),
        card=cards.of_self_supervised(job, made, dataset, arch=arch, provenance=origin),
        provenance=origin,
        uses=[dataset.id, *([] if start is None else [start.id])],
        role="source",
        arch=arch,
        dim=made.dim,
        dataset_id=dataset.id,
        parent_model_id=None if start is None else start.id,
        metrics={
            "source_accuracy": None,
            "history": [dataclasses.asdict(record) for record in made.history],
            "seconds": seconds,
            "images_per_second": speed,
            "n_train": made.n_train,
            "n_held_out": 0,
        },
        seconds=seconds,
        images_per_second=speed,
    )
    return Product(kept)


def _train(
    job: ActiveJob[SelfSupervisedModelSpec], images: pixels.Images, start: Model | None
) -> "SelfSupervised":
    from g2l.nn.self_supervised import pretrain_self_supervised

    spec = job.spec

    def train(checkpoint: Path) -> "SelfSupervised":
        return pretrain_self_supervised(
            images,
            method=spec.method,
            arch=spec.arch or DEFAULT_ARCHITECTURE,
            init=None if start is None else job.store.path(start.artifact),
            epochs=spec.epochs,
            image_size=spec.image_size,
            batch_size=spec.batch_size,
            learning_rate=spec.learning_rate,
            seed=spec.seed,
            augmentation=spec.augmentation,
            processes=job.settings.training_processes,
            on_progress=job.counting("training", "images"),
            on_epoch=job.on_epoch,
            checkpoint=checkpoint,
        )

    return job.resuming("training.pt", train)
