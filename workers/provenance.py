"""Where weights come from: digests of what they were made of, and whether others' weights are in them."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from core.db.resources import AnchorSet, Artifact, Dataset, Embedder, Labeling, Model
from workers.active import ActiveJob, load

WEIGHTS = "model.safetensors"
FORMAT = 1


def of_training(
    job: ActiveJob[Any],
    dataset: Dataset,
    *,
    labelings: Sequence[Labeling] = (),
    parent: Model | None = None,
    embedder_id: str | None = None,
    third_party: bool = False,
    used: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The provenance of a model that a job has trained.

    Args:
        job: the training's; its spec has every setting and the seed.
        dataset: the images.
        labelings: of the pseudo-labels that were targets, in the order of their heads.
        parent: the model whose weights were the start; None for random ones.
        embedder_id: whose responses were the targets.
        third_party: whether others' weights are in that embedder, which may not be written down yet.
        used: more about what was trained on, such as the items of a label budget.
    """
    origins = [_of_labeling(labeling) for labeling in labelings]
    first = origins[0] if origins else {"labeling": None, "anchor_set": None, "embedder_id": embedder_id}
    third_party = third_party or (parent is not None and parent.third_party_weights)
    third_party = third_party or any(is_third_party(labeling.embedder_id) for labeling in labelings)
    return {
        "format": FORMAT,
        "code": f"g2l {version('g2l')}",
        "spec": job.stored_spec,
        "seed": job.spec.seed,
        "data": {"dataset_id": dataset.id, "sha256": dataset.sha256, "artifact": dataset.artifact}
        | (used or {}),
        **first,
        "further_labelings": origins[1:],
        "parents": [] if parent is None else [{"model_id": parent.id, "weights_sha256": weights_of(parent)}],
        "third_party_weights": third_party,
    }


def _of_labeling(labeling: Labeling) -> dict[str, Any]:
    anchor_set = None if labeling.anchor_set_id is None else load(AnchorSet, labeling.anchor_set_id)
    return {
        "labeling": {"labeling_id": labeling.id, "artifact": labeling.artifact},
        "anchor_set": None if anchor_set is None else _of_anchors(anchor_set),
        "embedder_id": labeling.embedder_id,
    }


def _of_anchors(row: AnchorSet) -> dict[str, Any]:
    """With the labelled images that they are the classes of: human labels, if they are."""
    labelled = row.spec.get("labelled")
    told = {"anchor_set_id": row.id, "artifact": row.artifact}
    return told if labelled is None else told | {"labelled": labelled}


def of_import(job: ActiveJob[Any]) -> dict[str, Any]:
    """The provenance of a model that a user has brought: all that is known is the archive."""
    upload = job.spec.upload
    return {
        "format": FORMAT,
        "code": f"g2l {version('g2l')}",
        "imported": {"filename": upload.filename, "sha256": upload.sha256, "bytes": upload.bytes},
        "parents": [],
        "third_party_weights": True,
    }


def is_third_party(embedder_id: str | None) -> bool:
    """Whether an embedder's weights, or those of an ancestor of it, were imported."""
    if embedder_id is None:
        return False
    if embedder_id.startswith("mdl_"):
        return load(Model, embedder_id).third_party_weights
    row = load(Embedder, embedder_id)
    # Built-in embedders start from nothing; what stands side by side has its parts by their ids.
    return row.kind == "side-by-side" and any(map(is_third_party, row.spec["embedder"]))


def weights_of(model: Model) -> str:
    """The digest of a model's weights."""
    return str(load(Artifact, model.artifact).files[WEIGHTS]["sha256"])
