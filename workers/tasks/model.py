"""The model job: images and labels in, a source model out; or a user's model, checked and kept."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.db.resources import Dataset, Labeling, Model
from core.errors import InvalidRequestError
from core.ids import new_id
from core.specs.models import (
    DEFAULT_ARCHITECTURE,
    HumanLabelModelSpec,
    ImportModelSpec,
    PseudoLabelModelSpec,
)
from workers import cards, imports, labels, pixels, provenance
from workers.active import ActiveJob, load
from workers.products import Made, Product

if TYPE_CHECKING:
    from g2l.nn.pretrain import Pretrained

TrainSpec = PseudoLabelModelSpec | HumanLabelModelSpec


@dataclass(frozen=True)
class Targets:
    """What a network is trained towards: a row an item of the dataset, a name an output."""

    values: NDArray[Any]
    outputs: Sequence[str]
    n_classes: int | None  # of hard targets


def run(job: ActiveJob[Any]) -> Product:
    """Train on pseudo-labels or human labels, or take in an import."""
    if isinstance(job.spec, ImportModelSpec):
        return imports.run(job)
    return _train(job)


def _train(job: ActiveJob[TrainSpec]) -> Product:
    spec, labeling = job.spec, None
    start = None if spec.init_model_id is None else load(Model, spec.init_model_id)
    if isinstance(spec, PseudoLabelModelSpec):
        labeling = load(Labeling, spec.labeling_id)
        dataset = load(Dataset, labeling.dataset_id)
        targets, heads = _pseudo_targets(job, spec, labeling), spec.heads
    else:
        dataset = load(Dataset, spec.dataset_id)
        targets, heads = _human_targets(job, dataset), "flat"
    images, items = pixels.pretraining_images(job, dataset, spec.image_size)
    started = time.perf_counter()
    chosen = Targets(targets.values[items], targets.outputs, targets.n_classes)
    made = _pretrain(job, images, chosen, heads, start=start)
    for record in made.history:
        job.metric(**dataclasses.asdict(record))
    return _publish(
        job,
        made,
        targets,
        dataset=dataset,
        labeling=labeling,
        start=start,
        seconds=time.perf_counter() - started,
    )


def _pretrain(
    job: ActiveJob[TrainSpec], images: Any, targets: Targets, heads: Any, *, start: Model | None
) -> "Pretrained":
    from g2l.nn.pretrain import pretrain

    spec = job.spec
    init = None if start is None else job.store.path(start.artifact)

    def train(checkpoint: Path) -> "Pretrained":
        return pretrain(
            images,
            targets.values,
            arch=spec.arch or DEFAULT_ARCHITECTURE,
            init=init,
            heads=heads,
            n_classes=targets.n_classes,
            epochs=spec.epochs,
            image_size=spec.image_size,
            batch_size=spec.batch_size,
            learning_rate=spec.learning_rate,
            seed=spec.seed,
            balanced=spec.balanced,
            augmentation=spec.augmentation,
            on_progress=job.counting("training", "images"),
            checkpoint=checkpoint,
        )

    return job.resuming("training.pt", train)


def _pseudo_targets(job: ActiveJob[Any], spec: PseudoLabelModelSpec, labeling: Labeling) -> Targets:
    from g2l.nn.cards import position_labels

    made = labels.read_labels(job.store.path(labeling.artifact) / labels.FILE)
    by_position = position_labels(made.names, made.full.shape[1])
    outputs = by_position if spec.heads == "positions" else made.names
    if spec.targets == "soft":
        if made.soft is None:
            raise InvalidRequestError.at(
                "targets",
                f"{labeling.id} keeps no soft targets; train on `hard` ones, or make a new labeling.",
            )
        return Targets(made.soft, outputs, None)
    if spec.heads == "positions":
        return Targets(made.anchors, outputs, len(made.names))
    return Targets(made.class_ids, made.classes, len(made.classes))


def _human_targets(job: ActiveJob[Any], dataset: Dataset) -> Targets:
    pixels.require_images(dataset)
    pack = pixels.open_pack(job.store, dataset)
    if not pack.classes:
        raise InvalidRequestError.at(
            "dataset_id", f"{dataset.id} has no labels; send an archive with a folder per class."
        )
    return Targets(pack.class_ids, pack.classes, len(pack.classes))


def _publish(
    job: ActiveJob[TrainSpec],
    made: "Pretrained",
    targets: Targets,
    *,
    dataset: Dataset,
    labeling: Labeling | None,
    start: Model | None,
    seconds: float,
) -> Product:
    from g2l.nn.heads import head
    from g2l.nn.models import save_model

    origin = provenance.of_training(job, dataset, labeling=labeling, parent=start)
    arch = job.spec.arch or (DEFAULT_ARCHITECTURE if start is None else start.arch)
    speeds = [record.images_per_second for record in made.history]
    metrics = {
        "source_accuracy": made.accuracy,
        "history": [dataclasses.asdict(record) for record in made.history],
        "seconds": seconds,
        "images_per_second": float(np.mean(speeds)),
        "n_train": made.n_train,
        "n_held_out": made.n_held_out,
    }
    job.enter("saving")
    with job.staging() as folder:
        save_model(
            folder / "model",
            made.model,
            labels=targets.outputs,
            preprocessing=made.preprocessing,
            card=cards.of_source(
                job,
                made,
                dataset,
                arch=arch,
                labeling=labeling,
                start=start,
                labels=targets.outputs,
                provenance=origin,
            ),
            provenance=origin,
        )
        published = job.store.publish(folder / "model")
    row = Model(
        id=new_id("mdl"),
        name=job.spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        role="source",
        arch=arch,
        image_size=max(made.preprocessing.size),
        channels=made.preprocessing.channels,
        n_outputs=len(targets.outputs),
        parameters=made.model.num_parameters(),
        dataset_id=dataset.id,
        labeling_id=None if labeling is None else labeling.id,
        parent_model_id=None if start is None else start.id,
        third_party_weights=origin["third_party_weights"],
        metrics=metrics,
        artifact=published.digest,
        dim=head(made.model).in_features,
    )
    uses = [used.id for used in (dataset, labeling, start) if used is not None]
    return Product(Made(row, [published], uses))
