"""What can be known of an anchor set before it is made."""

from sqlalchemy.orm import Session

from app.checks.compatibility import located_parts, require_embeddable
from app.checks.inputs import Inputs, load
from app.checks.transfers import check_target
from core.db.resources import Dataset
from core.specs.anchor_sets import AnchorSetOptions, AnchorSetSpec, AnchorSpec
from core.specs.base import BUILT_IN_EMBEDDERS
from g2l.anchors import clean_names


def check_anchor_set(db: Session, spec: AnchorSetSpec) -> None:
    """Refuse what would fail.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    inputs = load(db, spec)
    if spec.discover is not None:
        pool = inputs.dataset(spec.discover.dataset_id)
        check_discovery(inputs, "discover", spec.discover.k, names=spec.discover.names, pool=pool)
        check_embedding(inputs, "", spec, datasets=[pool], discovered=True)
    elif spec.anchors is not None:
        datasets = check_given(inputs, "anchors", spec.anchors)
        check_embedding(inputs, "", spec, datasets=datasets, discovered=False)
    elif spec.labelled is not None:
        dataset = inputs.dataset(spec.labelled.dataset_id)
        check_labelled(inputs, "labelled/dataset_id", dataset)
        check_embedding(inputs, "", spec, datasets=[dataset], discovered=True)
    inputs.finish()


def check_discovery(inputs: Inputs, where: str, k: int, *, names: list[str] | None, pool: Dataset) -> None:
    """No more anchors than images, no name twice."""
    if k > pool.n_items:
        inputs.refuse(
            f"{where}/k",
            f"{pool.id} has {pool.n_items:,} items; k may not be larger; got {k:,}. Give a smaller k.",
        )
    if names is not None:
        _require_unique(inputs, [(f"{where}/names/{index}", name) for index, name in enumerate(names)])


def check_given(inputs: Inputs, where: str, anchors: list[AnchorSpec]) -> list[Dataset]:
    """Two anchors or more, each of its own images, under a name of its own; returns their datasets."""
    if len(anchors) < 2:
        inputs.refuse(where, "One anchor gives every image the same label; give at least 2.")
    _require_unique(inputs, [(f"{where}/{index}/name", anchor.name) for index, anchor in enumerate(anchors)])
    sources: dict[tuple[str, str | None], int] = {}
    for index, anchor in enumerate(anchors):
        classes = [entry["name"] for entry in inputs.dataset(anchor.dataset_id).classes]
        if anchor.class_ is not None and anchor.class_ not in classes:
            known = ", ".join(classes[:10]) + ("…" if len(classes) > 10 else "") or "none: it has no labels"
            inputs.refuse(
                f"{where}/{index}/class",
                f"{anchor.dataset_id} has no class {anchor.class_!a}; its classes are {known}.",
            )
        earlier = sources.setdefault((anchor.dataset_id, anchor.class_), index)
        if earlier != index:
            inputs.refuse(
                f"{where}/{index}", f"These are the images of anchor {earlier} again; leave one out."
            )
    return [inputs.dataset(id_) for id_ in dict.fromkeys(anchor.dataset_id for anchor in anchors)]


def check_labelled(inputs: Inputs, where: str, dataset: Dataset) -> None:
    """A dataset that a transfer takes, whose classes can name anchors."""
    check_target(inputs, where, dataset)
    _require_unique(inputs, [(where, entry["name"]) for entry in dataset.classes])


def check_embedding(
    inputs: Inputs, prefix: str, options: AnchorSetOptions, *, datasets: list[Dataset], discovered: bool
) -> None:
    """The embedder takes all datasets it is fitted on and meets, and `fit_on` is for what is fitted here."""
    parts = located_parts(f"{prefix}embedder", options.embedder)
    fitted_here = any(part in BUILT_IN_EMBEDDERS for _, part in parts) or len(parts) > 1
    if options.fit_on is not None:
        if not fitted_here or not options.fit_on:
            inputs.refuse(
                f"{prefix}fit_on",
                "Give one or more datasets, for a built-in embedder or several side by side; a fitted one "
                "stays as it is.",
            )
        datasets = [inputs.dataset(id_) for id_ in options.fit_on] + datasets
    for where in [where for where, part in parts if part == "anchor-network" and discovered]:
        inputs.refuse(
            where,
            "anchor-network is trained on anchors whose images are given; give `anchors`, or take another "
            "embedder.",
        )
    require_embeddable(inputs, f"{prefix}embedder", options.embedder, datasets=datasets)


def _require_unique(inputs: Inputs, names: list[tuple[str, str]]) -> None:
    taken: dict[str, str] = {}
    for where, name in names:
        (cleaned,) = clean_names([name])
        if not cleaned.strip("_"):
            inputs.refuse(where, f"{name!a} has no letter or digit of A-Z, a-z, 0-9; give it one.")
        elif cleaned in taken:
            earlier = ascii(taken[cleaned])
            inputs.refuse(where, f"{name!a} is written {cleaned}, as {earlier} is; give each its own name.")
        else:
            taken[cleaned] = name
