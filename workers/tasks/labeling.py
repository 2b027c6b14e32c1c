"""The labeling job: responses and anchors in, pseudo-labels out; or a control."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from core.db.resources import AnchorSet, Dataset, Labeling
from core.ids import new_id
from core.specs.labelings import AUTO, GeometryLabelingSpec, KMeansLabelingSpec, ShuffledLabelingSpec
from g2l import anchors as anchor_sets
from g2l import labeling as method
from g2l.controls import KMEANS_FILE, fit_k_means, load_k_means, shuffled_labels
from g2l.label_length import informative_length
from g2l.neighbours import over_neighbours
from workers import labels, pixels
from workers.active import ActiveJob, load
from workers.averaging import over_views
from workers.products import Made, Product
from workers.responses import Matrix, Responder
from workers.side_by_side import responder_for, responder_of
from workers.tasks.anchor_set import FILE as ANCHORS_FILE

MIRRORED_IMAGES = 1000
SOFT_ENTRIES = 1 << 28  # float32 targets of 1 GiB; a labeling that needs more keeps hard labels only


def run(job: ActiveJob[Any]) -> Product:
    """Label every item of a dataset."""
    started = time.perf_counter() - job.seconds_before
    if isinstance(job.spec, GeometryLabelingSpec):
        return _geometry(job, started)
    if isinstance(job.spec, KMeansLabelingSpec):
        return _k_means(job, started)
    return _shuffled(job, started)


def _geometry(job: ActiveJob[GeometryLabelingSpec], started: float) -> Product:
    spec = job.spec
    anchor_row, dataset = load(AnchorSet, spec.anchor_set_id), load(Dataset, spec.dataset_id)
    anchors = anchor_sets.load_anchor_set(job.store.path(anchor_row.artifact) / ANCHORS_FILE)
    responder = over_views(job, responder_of(job, anchor_row.embedder_id), spec.views)
    responses = responder.of(dataset)
    if spec.neighbours:
        on_progress = job.counting("averaging over neighbours", "images")
        responses = over_neighbours(responses, anchors.metric, spec.neighbours, on_progress=on_progress)
    older = _first_of(spec.classes_of)
    growth: Any = {
        "length": _length(job, responses, anchors, older),
        "prefer": spec.prefer,
        "project": spec.project,
    }
    made = method.label(
        responses,
        anchors,
        **growth,
        ordered=spec.ordered,
        min_class_size=spec.min_class_size,
        max_classes=spec.max_classes,
        known=None if older is None else labels.read_classes(job.store.path(older.artifact) / labels.FILE),
        on_progress=job.counting("labeling", "images"),
    )
    soft, temperature = None, spec.temperature or (older and older.report.get("temperature"))
    if made.full.size * anchor_row.k <= SOFT_ENTRIES:
        job.enter("soft targets")
        temperature = temperature or method.step_temperatures(responses, anchors, **growth)
        soft = method.soft_targets(responses, anchors, temperature=temperature, **growth)
    kept = labels.Labels(
        paths=pixels.open_pack(job.store, dataset).paths.to_pylist(),
        classes=made.classes,
        class_ids=made.class_ids,
        names=made.names,
        anchors=made.anchors,
        full=made.full,
        log_content=made.log_content[:, -1],
        margin=made.margin,
        soft=soft,
    )
    job.enter("checking mirror images")
    figures = {
        "bits_per_position": list(made.bits_per_position),
        "mirror_agreement": _mirror_agreement(spec.ordered, responder, dataset, anchors, growth),
        "negative_share": made.negative_share,
        "temperature": temperature,
        "unmatched_share": None if older is None else made.unmatched_share,
        "warnings": list(made.warnings),
    }
    row = Labeling(
        method="geometry",
        anchor_set_id=anchor_row.id,
        degenerate_share=made.degenerate_share,
        margin_quantiles=made.margin_quantiles,
    )
    return _publish(job, row, kept, dataset=dataset, responder=responder, figures=figures, started=started)


def _first_of(labeling_id: str | None) -> Labeling | None:
    """The labeling that classes come from: the one named, or the one that it took its own from."""
    labeling = None
    while labeling_id is not None:
        labeling = load(Labeling, labeling_id)
        labeling_id = labeling.spec.get("classes_of")
    return labeling


def _length(
    job: ActiveJob[GeometryLabelingSpec],
    responses: Matrix,
    anchors: anchor_sets.AnchorSet,
    older: Labeling | None,
) -> int:
    """Names a label; where classes are an older labeling's, as many as it has."""
    spec = job.spec
    if spec.length != AUTO:
        return int(spec.length)
    if older is not None:
        return labels.read_outline(job.store.path(older.artifact) / labels.FILE).length
    return informative_length(responses, anchors, prefer=spec.prefer, project=spec.project)


def _mirror_agreement(
    ordered: bool,
    responder: Responder,
    dataset: Dataset,
    anchors: anchor_sets.AnchorSet,
    growth: dict[str, Any],
) -> float | None:
    """Share of images whose full label is also that of their mirror image; None for embeddings."""
    if dataset.kind != "images":
        return None
    items = pixels.evenly(dataset.n_items, MIRRORED_IMAGES)

    def labelled(responses: Matrix) -> method.Labeling:
        return method.label(responses, anchors, ordered=ordered, **growth)

    return method.agreement(
        labelled(responder.of(dataset)[items]), labelled(responder.at(dataset, items, mirrored=True))
    )


def _k_means(job: ActiveJob[KMeansLabelingSpec], started: float) -> Product:
    spec, dataset, older = job.spec, load(Dataset, job.spec.dataset_id), _first_of(job.spec.classes_of)
    if older is None:
        responder = responder_for(job, spec.embedder, [dataset], seed=spec.seed)
    else:
        responder = responder_of(job, older.embedder_id)
    responder = over_views(job, responder, spec.views)
    responses = responder.of(dataset)
    job.enter("clustering")
    if older is None:
        clusters, peers = fit_k_means(responses, spec.n_classes or 0, spec.seed), None
    else:
        folder = job.store.path(older.artifact)
        clusters, peers = load_k_means(folder / KMEANS_FILE), _kept_peers(folder)
    ids = clusters.ids(responses)
    names = [f"cluster_{number}" for number in range(len(clusters.centres))]
    soft, temperature, beside = None, None, {KMEANS_FILE: clusters.save}
    if len(responses) * len(names) <= SOFT_ENTRIES and (older is None or peers is not None):
        if peers is None:
            groups = {name: responses[ids == number] for number, name in enumerate(names)}
            peers = anchor_sets.fit_anchors(groups, seed=spec.seed)
        growth: Any = {"length": 1, "prefer": "near"}  # over the clusters' means: what soft labels must beat
        temperature = older.report.get("temperature") if older is not None else None
        temperature = temperature or method.step_temperatures(responses, peers, **growth)
        soft = method.soft_targets(responses, peers, temperature=temperature, **growth)
        beside[ANCHORS_FILE] = peers.save
    chosen = ids[:, None]
    kept = labels.Labels(
        paths=pixels.open_pack(job.store, dataset).paths.to_pylist(),
        classes=names,
        class_ids=ids,
        names=names,
        anchors=chosen,
        full=chosen,
        log_content=None,
        margin=None,
        soft=soft,
    )
    row = Labeling(method="k-means", anchor_set_id=None, degenerate_share=0.0, margin_quantiles=None)
    return _publish(
        job,
        row,
        kept,
        dataset=dataset,
        responder=responder,
        figures={"temperature": temperature},
        started=started,
        beside=beside,
    )


def _kept_peers(folder: Path) -> anchor_sets.AnchorSet | None:
    """The clusters' means that a k-means labeling has kept, where it has soft targets."""
    path = folder / ANCHORS_FILE
    return anchor_sets.load_anchor_set(path) if path.exists() else None


def _shuffled(job: ActiveJob[ShuffledLabelingSpec], started: float) -> Product:
    source = load(Labeling, job.spec.labeling_id)
    dataset = load(Dataset, source.dataset_id)
    given = labels.read_labels(job.store.path(source.artifact) / labels.FILE)
    order = shuffled_labels(np.arange(len(given.class_ids)), job.spec.seed)
    kept = labels.Labels(
        paths=given.paths,
        classes=given.classes,
        class_ids=given.class_ids[order],
        names=given.names,
        anchors=given.anchors[order],
        full=given.full[order],
        log_content=None if given.log_content is None else given.log_content[order],
        margin=None if given.margin is None else given.margin[order],
        soft=None if given.soft is None else given.soft[order],
    )
    row = Labeling(
        method="shuffled",
        anchor_set_id=source.anchor_set_id,
        embedder_id=source.embedder_id,
        degenerate_share=source.degenerate_share,
        margin_quantiles=source.margin_quantiles,
    )
    return _publish(job, row, kept, dataset=dataset, responder=None, figures={}, started=started)


def _publish(
    job: ActiveJob[Any],
    row: Labeling,
    kept: labels.Labels,
    *,
    dataset: Dataset,
    responder: Responder | None,
    figures: dict[str, Any],
    started: float,
    beside: Mapping[str, Callable[[Path], None]] = MappingProxyType({}),
) -> Product:
    """Write the labels, and with `beside` further files of the artifact; sum them up in the row."""
    job.enter("saving")
    with job.staging() as folder:
        (folder / "labels").mkdir()
        labels.write_labels(folder / "labels" / labels.FILE, kept)
        for name, write in beside.items():
            write(folder / "labels" / name)
        published = job.store.publish(folder / "labels")
    counts = np.bincount(kept.class_ids, minlength=len(kept.classes))
    shares = counts[counts > 0] / counts.sum()
    seconds = time.perf_counter() - started
    row.seconds, row.images_per_second = seconds, len(kept.class_ids) / seconds
    row.id, row.name, row.job_id, row.spec = new_id("lab"), job.spec.name, job.held.job_id, job.stored_spec
    row.dataset_id, row.artifact, row.n_items = dataset.id, published.digest, len(kept.class_ids)
    row.n_classes = len(kept.classes)
    row.classes = [{"name": n, "count": int(c)} for n, c in zip(kept.classes, counts, strict=True)]
    row.entropy = float(-(shares * np.log2(shares)).sum()) + 0.0
    row.report = {
        "bits_per_position": [row.entropy],
        "mirror_agreement": None,
        "largest_share": float(shares.max()),
        "warnings": _warnings(kept),
        "seconds": seconds,
        "images_per_second": row.images_per_second,
    } | figures
    uses = [dataset.id, *([row.anchor_set_id] if row.anchor_set_id else [])]
    if responder is None:
        return Product(Made(row, [published], [*uses, job.spec.labeling_id]))
    row.embedder_id = responder.embedding.id
    uses += [job.spec.classes_of] if job.spec.classes_of is not None else []
    before = responder.embedding.new
    return Product(Made(row, [published], [*uses, row.embedder_id]), before=before, also=responder.also)


def _warnings(kept: labels.Labels) -> list[str]:
    return [] if kept.soft is not None else ["Soft targets would be too large to keep; train on hard ones."]
