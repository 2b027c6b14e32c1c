"""The training of a source without labels."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core.db.resources import Dataset, Model
from core.ids import new_id
from core.specs.models import DEFAULT_ARCHITECTURE, SelfSupervisedModelSpec
from workers import cards, pixels, provenance
from workers.active import ActiveJob, load
from workers.products import Made, Product

if TYPE_CHECKING:
    from g2l.nn.self_supervised import SelfSupervised, SelfSupervisedRecord


def run(job: ActiveJob[SelfSupervisedModelSpec]) -> Product:
    """Train a body on a pool and keep it."""
    from g2l.nn.models import save_model

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
    job.enter("saving")
    with job.staging() as folder:
        save_model(
            folder / "model",
            made.model,
            labels=(),
            preprocessing=made.preprocessing,
            card=cards.of_self_supervised(job, made, dataset, arch=arch, provenance=origin),
            provenance=origin,
        )
        published = job.store.publish(folder / "model")
    row = Model(
        id=new_id("mdl"),
        name=spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        role="source",
        arch=arch,
        image_size=max(made.preprocessing.size),
        channels=made.preprocessing.channels,
        dim=made.dim,
        n_outputs=0,
        parameters=made.model.num_parameters(),
        dataset_id=dataset.id,
        parent_model_id=None if start is None else start.id,
        third_party_weights=origin["third_party_weights"],
        metrics={
            "source_accuracy": None,
            "history": [dataclasses.asdict(record) for record in made.history],
            "seconds": seconds,
            "images_per_second": speed,
            "n_train": made.n_train,
            "n_held_out": 0,
        },
        artifact=published.digest,
        seconds=seconds,
        images_per_second=speed,
    )
    return Product(Made(row, [published], [dataset.id, *([] if start is None else [start.id])]))


def _train(
    job: ActiveJob[SelfSupervisedModelSpec], images: pixels.Images, start: Model | None
) -> "SelfSupervised":
    from g2l.nn.self_supervised import pretrain_self_supervised

    spec = job.spec

    def on_epoch(record: "SelfSupervisedRecord") -> None:
        job.metric(**dataclasses.asdict(record))

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
            on_progress=job.counting("training", "images"),
            on_epoch=on_epoch,
            checkpoint=checkpoint,
        )

    return job.resuming("training.pt", train)
