"""The transfer job: a source (or none) and a label budget in, a base model and its measured error out.

Of an embedder that cannot be trained on only the error comes out, under a linear probe.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.db.resources import Dataset, Model, Transfer
from core.ids import new_id
from core.specs.models import DEFAULT_ARCHITECTURE
from core.specs.transfers import TransferSpec
from g2l.data.pack import Pack
from g2l.data.splits import budget_indices
from workers import cards, pixels, provenance, twins
from workers.active import ActiveJob, load
from workers.evidence import Evidence, evidence
from workers.kept_models import keep_network
from workers.past_transfers import size_of_transfer
from workers.products import Made, Product
from workers.responses import Matrix
from workers.twins import Seen

if TYPE_CHECKING:
    from g2l.nn.transfer import Outcome, TransferResult


def run(job: ActiveJob[TransferSpec]) -> Product:
    """Measure the source, fine-tune it, test it, publish the base model and the figures."""
    spec, target = job.spec, load(Dataset, job.spec.dataset_id)
    source = None if spec.model_id is None else load(Model, spec.model_id)
    pack = pixels.open_pack(job.store, target)
    split = pack.target_split()
    train = budget_indices(pack.class_ids, split.train, spec.label_budget, seed=spec.seed)
    known, also, frozen = Evidence(None, None), [], None
    if source is not None:
        job.enter("measuring the source")
        known, responder = evidence(
            job,
            source,
            target,
            label_budget=spec.label_budget,
            image_size=spec.image_size,
            seed=spec.seed,
        )
        also = responder.also
        if source.role == "embedder":
            frozen = responder.of(target)
    base: Made | None = None
    if frozen is not None:
        outcome = _probe(job, frozen, pack=pack, train=train, test=split.test)
    else:
        outcome = result = _transfer(job, source, target, pack=pack, train=train, test=split.test)
        base = _base_model(job, result, source, target, pack=pack, train=train)
    right = outcome.predicted == pack.class_ids[split.test]
    shared = twins.report(job, source, train=Seen(target, train), test=split.test, right=right)
    row = _row(job, outcome, source, base=base, known=known, shared=shared)
    uses = [id_ for id_ in (target.id, row.base_model_id, row.model_id) if id_ is not None]
    return Product(Made(row, (), uses), before=[base] if base else [], also=also)


def _probe(
    job: ActiveJob[TransferSpec],
    responses: Matrix,
    *,
    pack: Pack,
    train: pixels.Indices,
    test: pixels.Indices,
) -> "Outcome":
    from g2l.nn.frozen import probe_responses

    job.enter("probing")
    return probe_responses(
        responses[train],
        pack.class_ids[train],
        responses[test],
        pack.class_ids[test],
        class_names=pack.classes,
        groups_train=None if pack.groups is None else pack.groups[train],
        balanced=job.spec.balance != "none",
        seed=job.spec.seed,
    )


def _transfer(
    job: ActiveJob[TransferSpec],
    source: Model | None,
    target: Dataset,
    *,
    pack: Pack,
    train: pixels.Indices,
    test: pixels.Indices,
) -> "TransferResult":
    from g2l.nn.transfer import transfer

    spec = job.spec
    size = size_of_transfer(job.stored_spec, source)
    images_train = pixels.images_at(job, target, size, train)
    images_test = pixels.images_at(job, target, size, test)

    def work(checkpoint: Path) -> "TransferResult":
        return transfer(
            images_train,
            pack.class_ids[train],
            images_test,
            pack.class_ids[test],
            class_names=pack.classes,
            groups_train=None if pack.groups is None else pack.groups[train],
            init=None if source is None else job.store.path(source.artifact),
            arch=spec.arch or DEFAULT_ARCHITECTURE,
            image_size=size if source is None else spec.image_size,
            method=spec.method,
            epochs=spec.epochs,
            batch_size=spec.batch_size,
            learning_rate=spec.learning_rate,
            seed=spec.seed,
            balance=spec.balance,
            augmentation=spec.augmentation,
            layer_decay=spec.layer_decay,
            batch_norms=spec.batch_norms,
            on_progress=job.counting("transferring", "images"),
            on_epoch=job.on_epoch,
            checkpoint=checkpoint,
        )

    return job.resuming("transfer.pt", work)


def _base_model(
    job: ActiveJob[TransferSpec],
    result: "TransferResult",
    source: Model | None,
    target: Dataset,
    *,
    pack: Pack,
    train: pixels.Indices,
) -> Made:
    from g2l.nn.heads import head

    origin = provenance.of_training(job, target, parent=source, used=_used(pack, train))
    arch = _arch(job, source)
    return keep_network(
        job,
        result.model,
        preprocessing=result.preprocessing,
        labels=pack.classes,
        card=cards.of_base(
            job, result, source, target=target, arch=arch, labels=pack.classes, provenance=origin
        ),
        provenance=origin,
        uses=[target.id, *([source.id] if source else [])],
        role="base",
        arch=arch,
        dim=head(result.model).in_features,
        dataset_id=target.id,
        parent_model_id=None if source is None else source.id,
        metrics={
            "accuracy": result.evaluation.accuracy.value,
            "history": [dataclasses.asdict(record) for record in result.learning_curve],
            "seconds": result.seconds,
            "images_per_second": result.images_per_second,
            "n_train": result.n_train,
            "n_test": result.n_test,
        },
        seconds=result.seconds,
        images_per_second=result.images_per_second,
    )


def _arch(job: ActiveJob[TransferSpec], source: Model | None) -> str:
    return source.arch if source is not None else job.spec.arch or DEFAULT_ARCHITECTURE


def _used(pack: Pack, train: pixels.Indices) -> dict[str, Any]:
    """Which labelled items went in, as one digest over theirs: a budget is a draw."""
    digests = b"".join(np.sort(pack.digests[train]).tolist())
    return {"n_labelled_items": len(train), "labelled_items_sha256": hashlib.sha256(digests).hexdigest()}


def _row(
    job: ActiveJob[TransferSpec],
    outcome: "Outcome",
    source: Model | None,
    *,
    base: Made | None,
    known: Evidence,
    shared: dict[str, Any],
) -> Transfer:
    spec, scores = job.spec, outcome.evaluation
    model = None if base is None else base.row
    if not isinstance(model, Model | None):
        raise TypeError("a base model is no model")
    return Transfer(
        id=new_id("trf"),
        name=spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        dataset_id=spec.dataset_id,
        model_id=None if source is None else source.id,
        base_model_id=None if model is None else model.id,
        arch=_arch(job, source),
        label_budget=spec.label_budget,
        epochs=spec.epochs,
        seed=spec.seed,
        accuracy=dataclasses.asdict(scores.accuracy),
        balanced_accuracy=scores.balanced_accuracy,
        macro_f1=scores.macro_f1,
        per_class=_dicts(scores.per_class),
        confusion=scores.confusion,
        n_train=outcome.n_train,
        learning_curve=_dicts(outcome.learning_curve),
        seconds=None if model is None else model.seconds,  # None: all of the job's
        images_per_second=None if model is None else model.images_per_second,
        learning_rate=outcome.learning_rate,
        divergence=known.divergence,
        knn_accuracy=known.knn_accuracy,
        scores=known.scores,
        divergences=known.divergences,
        twins=shared,
    )


def _dicts(records: Sequence[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(record) for record in records]
