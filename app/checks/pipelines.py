"""What can be known of a pipeline before its first stage."""

from sqlalchemy.orm import Session

from app.checks.anchor_sets import check_discovery, check_embedding, check_given, check_labelled
from app.checks.compatibility import channel_mismatch, require_images
from app.checks.inputs import Inputs, is_id, load
from app.checks.labelings import check_anchor_space, check_length, check_neighbours
from app.checks.models import check_human_head, check_smoothing, check_validation
from app.checks.starts import check_other_size, check_start, network_of, with_start
from app.checks.transfers import check_target
from core.db.resources import Dataset
from core.specs.pipelines import PipelineSpec

IMAGES_AN_ANCHOR = 8  # of a pool too small for the default number of anchors
_OF_NEW_ANCHORS = ("embedder", "metric", "fit_on", "seed", "name")


def with_anchors_for(db: Session, spec: PipelineSpec) -> PipelineSpec:
    """The spec with as many anchors to discover as suit the pool, where nobody said how many."""
    pool = db.get(Dataset, spec.dataset_id) if is_id(spec.dataset_id) else None
    discover = spec.anchors.discover
    if discover is None or pool is None or {"k", "names"} & discover.model_fields_set:
        return spec
    named = spec.labeling.length if isinstance(spec.labeling.length, int) else 2
    k = min(discover.k, max(named, 2, pool.n_items // IMAGES_AN_ANCHOR))
    anchors = spec.anchors.model_copy(update={"discover": discover.model_copy(update={"k": k})})
    return spec.model_copy(update={"anchors": anchors})


def with_start_for(db: Session, spec: PipelineSpec) -> PipelineSpec:
    """The spec with architecture and image size of the model that its own is trained on, if there is one."""
    return spec.model_copy(update={"model": with_start(db, spec.model)})


def check_pipeline(db: Session, spec: PipelineSpec) -> None:
    """Refuse what one of the stages would refuse.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    inputs = load(db, spec)
    pool = inputs.dataset(spec.dataset_id)
    if require_images(inputs, "dataset_id", pool):
        k = _check_anchors(db, inputs, spec, pool)
        check_length(inputs, "labeling/length", spec.labeling.length, k=k)
        check_neighbours(inputs, "labeling/neighbours", spec.labeling.neighbours, pool)
        check_start(inputs, "model/", spec.model, dataset=pool)
        check_validation(inputs, "model/", spec.model)
        check_human_head(inputs, "model/", spec.model, dataset=pool)
        check_smoothing(inputs, "model/", spec.model, [spec.model.targets])
        if spec.transfer is not None:
            target = inputs.dataset(spec.transfer.dataset_id)
            check_target(inputs, "transfer/dataset_id", target)
            reason = channel_mismatch("The source model", pool.channels, target)
            if target.kind == "images" and reason is not None:
                inputs.refuse("transfer/dataset_id", reason)
            arch, size = network_of(inputs, dict(spec.model))
            check_other_size(
                inputs, "transfer/image_size", arch, trained_at=size, image_size=spec.transfer.image_size
            )
    inputs.finish()


def _check_anchors(db: Session, inputs: Inputs, spec: PipelineSpec, pool: Dataset) -> int:
    """Check the anchors, and say how many there will be."""
    anchors = spec.anchors
    if anchors.anchor_set_id is not None:
        row = inputs.anchor_set(anchors.anchor_set_id)
        for name in _OF_NEW_ANCHORS:
            if name in anchors.model_fields_set:
                inputs.refuse(f"anchors/{name}", f"{row.id} has its own; leave it out, or make new anchors.")
        check_anchor_space(db, inputs, "anchors/anchor_set_id", embedder_id=row.embedder_id, dataset=pool)
        return row.k
    if anchors.anchors is not None:
        datasets = check_given(inputs, "anchors/anchors", anchors.anchors)
        check_embedding(inputs, "anchors/", anchors, datasets=[pool, *datasets], discovered=False)
        return len(anchors.anchors)
    if anchors.labelled is not None:
        dataset = inputs.dataset(anchors.labelled.of(spec.target_labels).dataset_id)
        check_labelled(inputs, "anchors/labelled", dataset)
        check_embedding(inputs, "anchors/", anchors, datasets=[pool, dataset], discovered=True)
        return len(dataset.classes)
    discover = anchors.discover
    if discover is None:  # the spec's own validator fills it in
        raise TypeError("a pipeline's anchors name no way to make them")
    check_discovery(inputs, "anchors/discover", discover.k, names=discover.names, pool=pool)
    check_embedding(inputs, "anchors/", anchors, datasets=[pool], discovered=True)
    return discover.k
