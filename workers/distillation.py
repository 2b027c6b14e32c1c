"""The training of a source on an embedder's responses."""

import dataclasses
import time

from core.db.resources import Dataset, Model
from core.specs.base import BUILT_IN_EMBEDDERS, parts_of
from core.specs.models import DEFAULT_ARCHITECTURE, DistillationModelSpec
from workers import cards, provenance
from workers.active import ActiveJob, load
from workers.kept_models import keep_network
from workers.pretraining import images_per_second, pretrained
from workers.products import Product
from workers.side_by_side import responder_for


def run(job: ActiveJob[DistillationModelSpec]) -> Product:
    """Embed the pool, train a body on the responses through a head, and keep the body."""
    from g2l.nn.distillation import response_head
    from g2l.nn.heads import body, head
    from g2l.nn.objectives import Objective

    spec, dataset = job.spec, load(Dataset, job.spec.dataset_id)
    start = None if spec.init_model_id is None else load(Model, spec.init_model_id)
    responder = responder_for(job, spec.embedder, [dataset], seed=spec.seed)
    responses = responder.of(dataset)
    started = time.perf_counter()
    made = pretrained(job, dataset, start, lambda items: Objective((response_head(responses, items),)))
    seconds = time.perf_counter() - started
    known = [part for part in parts_of(spec.embedder) if part not in BUILT_IN_EMBEDDERS]
    origin = provenance.of_training(
        job,
        dataset,
        parent=start,
        embedder_id=responder.embedding.id,
        third_party=any(map(provenance.is_third_party, known)),
    )
    arch = spec.arch or (DEFAULT_ARCHITECTURE if start is None else start.arch)
    kept = keep_network(
        job,
        body(made.model),
        preprocessing=made.preprocessing,
        labels=(),
        card=cards.of_distilled(
            job, made, dataset, arch=arch, embedder_id=responder.embedding.id, provenance=origin
        ),
        provenance=origin,
        uses=[dataset.id, responder.embedding.id, *([] if start is None else [start.id])],
        role="source",
        arch=arch,
        dim=head(made.model).in_features,
        dataset_id=dataset.id,
        parent_model_id=None if start is None else start.id,
        metrics={
            "source_accuracy": made.accuracy,
            "best_epoch": made.best_epoch,
            "history": [dataclasses.asdict(record) for record in made.history],
            "seconds": seconds,
            "images_per_second": images_per_second(made),
            "n_train": made.n_train,
            "n_held_out": made.n_held_out,
        },
        seconds=seconds,
        images_per_second=images_per_second(made),
    )
    return Product(kept, before=responder.embedding.new, also=responder.also)
