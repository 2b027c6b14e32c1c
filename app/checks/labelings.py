"""What can be known of a labeling before it is made."""

from sqlalchemy.orm import Session

from app.checks.class_rules import with_rule_of
from app.checks.compatibility import embedder_mismatch
from app.checks.embedders import check_embedder
from app.checks.inputs import Inputs, load, locked
from core.db.resources import Dataset, Embedder, Model
from core.specs.labelings import GeometryLabelingSpec, KMeansLabelingSpec, ShuffledLabelingSpec
from g2l.neighbours import NeighboursError, require_neighbours

AnySpec = GeometryLabelingSpec | KMeansLabelingSpec | ShuffledLabelingSpec


def understood(db: Session, spec: AnySpec) -> AnySpec:
    """The spec, with the rule of the labeling whose classes it takes, if any; refuses what would fail.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    inputs = load(db, spec)
    if not isinstance(spec, ShuffledLabelingSpec) and spec.classes_of is not None:
        spec = with_rule_of(inputs, spec, inputs.labeling(spec.classes_of))
        inputs.finish()  # what contradicts the rule need not fit the rest
    if not isinstance(spec, ShuffledLabelingSpec):
        check_views(inputs, "views", spec.views, inputs.dataset(spec.dataset_id))
    if isinstance(spec, GeometryLabelingSpec):
        anchors = inputs.anchor_set(spec.anchor_set_id)
        check_neighbours(inputs, "neighbours", spec.neighbours, inputs.dataset(spec.dataset_id))
        check_length(inputs, "length", spec.length, k=anchors.k)
        check_anchor_space(
            db,
            inputs,
            "anchor_set_id",
            embedder_id=anchors.embedder_id,
            dataset=inputs.dataset(spec.dataset_id),
        )
    elif isinstance(spec, KMeansLabelingSpec) and spec.classes_of is None:
        _check_k_means(inputs, spec)
    elif isinstance(spec, KMeansLabelingSpec):
        check_anchor_space(
            db,
            inputs,
            "classes_of",
            embedder_id=inputs.labeling(spec.classes_of or "").embedder_id,
            dataset=inputs.dataset(spec.dataset_id),
        )
    inputs.finish()
    return spec


def check_length(inputs: Inputs, where: str, length: int | str, *, k: int) -> None:
    """A label names each anchor at most once."""
    if isinstance(length, int) and length > k:
        inputs.refuse(
            where,
            f"There are {k} anchors, and a label names each at most once; got {length}.",
        )


def check_views(inputs: Inputs, where: str, views: int, dataset: Dataset) -> None:
    """Embeddings have one view."""
    if views > 1 and dataset.kind != "images":
        inputs.refuse(where, f"{dataset.id} holds embeddings, of which there are no crops; leave views out.")


def check_neighbours(inputs: Inputs, where: str, neighbours: int, dataset: Dataset) -> None:
    """There are as many other images, and not too many to compare them all."""
    if neighbours:
        try:
            require_neighbours(neighbours, dataset.n_items)
        except NeighboursError as error:
            inputs.refuse(where, f"{dataset.id}: {error}.")


def check_anchor_space(
    db: Session, inputs: Inputs, where: str, *, embedder_id: str, dataset: Dataset
) -> None:
    """The anchors' own embedder takes the dataset."""
    embedder = locked(db, [embedder_id]).get(embedder_id)
    reason = embedder_mismatch(embedder, dataset) if isinstance(embedder, Embedder | Model) else None
    if reason is not None:
        inputs.refuse(where, reason)


def _check_k_means(inputs: Inputs, spec: KMeansLabelingSpec) -> None:
    dataset = inputs.dataset(spec.dataset_id)
    if spec.n_classes is not None and spec.n_classes > dataset.n_items:
        inputs.refuse(
            "n_classes",
            f"{dataset.id} has {dataset.n_items:,} items, and n_classes may not be larger.",
        )
    check_embedder(inputs, spec.embedder, dataset)
