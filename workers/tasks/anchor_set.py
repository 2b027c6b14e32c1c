"""The anchor-set job: datasets and an embedder in, anchors and their distances out."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from core.db.resources import AnchorSet, Dataset
from core.ids import new_id
from core.specs.anchor_sets import AnchorSetSpec, AnchorSpec, LabelledSpec
from core.specs.references import references
from g2l import anchors as method
from g2l.data.splits import budget_indices
from g2l.label_accuracy import right_labels
from workers import pixels
from workers.active import ActiveJob, load
from workers.embedders import anchor_items
from workers.products import Made, Product
from workers.responses import Matrix, Responder, prepare
from workers.side_by_side import responder_for

FILE = "anchors.npz"
MOST_DISTANCES = 256  # anchors whose K x K distances the row carries
METRIC_ROWS = 20_000  # responses of one dataset that a metric is fitted on
CHECKS = 10  # parts of the labelled images, each left out once to see how right labels are


def run(job: ActiveJob[AnchorSetSpec]) -> Product:
    """Find or take the anchors, measure them, publish them with the embedder that was fitted for them."""
    spec = job.spec
    fit_on = [load(Dataset, id_) for id_ in _fit_on(spec)]
    responder = responder_for(job, spec.embedder, fit_on, seed=spec.seed, anchors=spec.anchors or ())
    if spec.discover is not None:
        responses = responder.of(load(Dataset, spec.discover.dataset_id))
        job.enter("discovering anchors")
        made = method.discover_anchors(
            responses, spec.discover.k, spec.metric, names=spec.discover.names, seed=spec.seed
        )
    else:
        of_metric = fit_on if spec.fit_on is not None else []
        given = [load(Dataset, anchor.dataset_id) for anchor in spec.anchors or ()]
        prepare(job, [responder], [*of_metric, *given])
        wider = _metric_rows(responder, of_metric) if of_metric else None
        if spec.labelled is not None:
            return _of_labelled(job, responder, spec.labelled, wider)
        groups = _given(job, responder, spec.anchors or ())
        made = method.fit_anchors(groups, spec.metric, fit_on=wider, seed=spec.seed)
    return _publish(job, made, responder)


def _fit_on(spec: AnchorSetSpec) -> list[str]:
    if spec.fit_on is not None:
        return spec.fit_on
    if spec.discover is not None:
        return [spec.discover.dataset_id]
    if spec.labelled is not None:
        return [spec.labelled.dataset_id]
    return list(dict.fromkeys(anchor.dataset_id for anchor in spec.anchors or ()))


def _of_labelled(
    job: ActiveJob[AnchorSetSpec], responder: Responder, labelled: LabelledSpec, wider: Matrix | None
) -> Product:
    """Each class's images, of those that a transfer of that budget and seed is given."""
    from g2l.nn.evaluation import wilson
    from g2l.nn.folds import stratified_folds

    dataset, seed = load(Dataset, labelled.dataset_id), job.spec.seed
    pack = pixels.open_pack(job.store, dataset)
    train = pack.target_split().train
    items = budget_indices(pack.class_ids, train, labelled.label_budget, seed=labelled.seed)
    responses, class_ids = responder.some(dataset, items), pack.class_ids[items]
    if absent := [name for number, name in enumerate(pack.classes) if number not in class_ids]:
        raise method.AnchorError(
            f"of {dataset.id}, {absent[0]!a} has no labelled image to train on, so that it cannot be an "
            "anchor; add some, or leave the class out",
            field="labelled",
        )
    groups = {name: responses[class_ids == number] for number, name in enumerate(pack.classes)}
    made = method.fit_anchors(groups, job.spec.metric, fit_on=wider, seed=seed)
    belonging = None if pack.groups is None else pack.groups[items]
    folds = stratified_folds(class_ids, CHECKS, seed=seed, groups=belonging)
    right, asked = right_labels(responses, class_ids, made.metric, folds, seed=seed)
    return _publish(job, made, responder, label_accuracy=asdict(wilson(right, asked)) if asked else None)


def _given(
    job: ActiveJob[AnchorSetSpec], responder: Responder, anchors: Sequence[AnchorSpec]
) -> dict[str, Matrix]:
    groups = {}
    for anchor in anchors:
        dataset = load(Dataset, anchor.dataset_id)
        responses = responder.of(dataset)
        items = anchor_items(job, anchor, dataset)
        groups[anchor.name] = responses if len(items) == len(responses) else responses[items]
    return groups


def _metric_rows(responder: Responder, datasets: Sequence[Dataset]) -> Matrix:
    parts = []
    for dataset in datasets:
        responses = responder.of(dataset)
        parts.append(responses[pixels.evenly(len(responses), METRIC_ROWS)])
    return np.concatenate(parts)


def _publish(
    job: ActiveJob[AnchorSetSpec],
    made: method.AnchorSet,
    responder: Responder,
    *,
    label_accuracy: dict[str, float] | None = None,
) -> Product:
    with job.staging() as folder:
        (folder / "anchors").mkdir()
        made.save(folder / "anchors" / FILE)
        published = job.store.publish(folder / "anchors")
    k, embedding = len(made.names), responder.embedding
    row = AnchorSet(
        id=new_id("anc"),
        name=job.spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        embedder_id=embedding.id,
        metric=job.spec.metric,
        k=k,
        names=list(made.names),
        squared_distances=made.squared_distances.tolist() if k <= MOST_DISTANCES else None,
        label_accuracy=label_accuracy,
        artifact=published.digest,
    )
    uses = [*references(job.spec), embedding.id]
    return Product(Made(row, [published], uses), before=embedding.new, also=responder.also)
