"""The model job: images and labels in, a source model out; or a user's model, checked and kept."""

import dataclasses
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.db.resources import Dataset, Labeling, Model
from core.specs.models import (
    DEFAULT_ARCHITECTURE,
    DistillationModelSpec,
    HumanLabelModelSpec,
    ImportModelSpec,
    PseudoLabelModelSpec,
    SelfSupervisedModelSpec,
)
from workers import cards, distillation, imports, provenance, self_supervised, targets
from workers.active import ActiveJob, load
from workers.kept_models import keep_network
from workers.pretraining import images_per_second, pretrained
from workers.products import Product
from workers.targets import Target

if TYPE_CHECKING:
    from g2l.nn.pretrain import Pretrained

TrainSpec = PseudoLabelModelSpec | HumanLabelModelSpec


def run(job: ActiveJob[Any]) -> Product:
    """Train on pseudo-labels, human labels, responses or none, or take in an import."""
    if isinstance(job.spec, ImportModelSpec):
        return imports.run(job)
    if isinstance(job.spec, SelfSupervisedModelSpec):
        return self_supervised.run(job)
    if isinstance(job.spec, DistillationModelSpec):
        return distillation.run(job)
    return _train(job)


def _train(job: ActiveJob[TrainSpec]) -> Product:
    spec, labelings = job.spec, list[Labeling]()
    start = None if spec.init_model_id is None else load(Model, spec.init_model_id)
    if isinstance(spec, PseudoLabelModelSpec):
        labelings = [load(Labeling, id_) for id_ in spec.labelings]
        dataset = load(Dataset, labelings[0].dataset_id)
    else:
        dataset = load(Dataset, spec.dataset_id)
    aims = targets.of_spec(job, spec, dataset, labelings)
    heads = spec.heads if isinstance(spec, PseudoLabelModelSpec) else "flat"
    began = time.perf_counter()
    made = pretrained(
        job,
        dataset,
        start,
        lambda items: targets.objective_of(aims, items, heads, smoothing=spec.label_smoothing),
    )
    return _publish(job, made, aims, dataset=dataset, start=start, seconds=time.perf_counter() - began)


def _publish(
    job: ActiveJob[TrainSpec],
    made: "Pretrained",
    aims: Sequence[Target],
    *,
    dataset: Dataset,
    start: Model | None,
    seconds: float,
) -> Product:
    from g2l.nn.heads import head

    labelings = [aim.labeling for aim in aims if aim.labeling is not None]
    origin = provenance.of_training(job, dataset, labelings=labelings, parent=start)
    arch = job.spec.arch or (DEFAULT_ARCHITECTURE if start is None else start.arch)
    names = targets.output_names(aims)
    metrics = _metrics(made, aims) | {"seconds": seconds}
    kept = keep_network(
        job,
        made.model,
        preprocessing=made.preprocessing,
        labels=names,
        card=cards.of_source(
            job, made, dataset, arch=arch, aims=aims, start=start, labels=names, provenance=origin
        ),
        provenance=origin,
        uses=[used.id for used in (dataset, *labelings, start) if used is not None],
        role="source",
        arch=arch,
        dim=head(made.model).in_features,
        dataset_id=dataset.id,
        labeling_id=labelings[0].id if labelings else None,
        labeling_ids=[labeling.id for labeling in labelings],
        parent_model_id=None if start is None else start.id,
        metrics=metrics,
        seconds=seconds,
        images_per_second=metrics["images_per_second"],
    )
    return Product(kept)


def _metrics(made: "Pretrained", aims: Sequence[Target]) -> dict[str, Any]:
    return {
        "source_accuracy": made.accuracy,
        "best_epoch": made.best_epoch,
        "heads": [
            {"labeling_id": None if aim.labeling is None else aim.labeling.id, "targets": aim.kind}
            | dataclasses.asdict(head)
            for aim, head in zip(aims, made.heads, strict=True)
        ],
        "history": [dataclasses.asdict(record) for record in made.history],
        "images_per_second": images_per_second(made),
        "n_train": made.n_train,
        "n_held_out": made.n_held_out,
    }
