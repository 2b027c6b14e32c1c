"""What a network is trained towards: a head for each labeling, and one for human labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from core.db.resources import Dataset, Labeling
from core.errors import InvalidRequestError
from core.specs.models import HumanLabelModelSpec, PseudoLabelModelSpec, TargetKind
from workers import labels, pixels
from workers.active import ActiveJob

if TYPE_CHECKING:
    from g2l.nn.objectives import Heads, Objective

HUMAN = "human"


@dataclass(frozen=True)
class Target:
    """Targets of one head.

    Attributes:
        labeling: whose pseudo-labels they are; None for the dataset's own labels.
        kind: hard or soft.
        values: a row an item of the dataset, as `g2l.nn.objectives.objective` takes them.
        names: of the head's outputs.
        n_classes: outcomes of hard targets; None for soft ones, which tell.
    """

    labeling: Labeling | None
    kind: TargetKind
    values: NDArray[Any]
    names: Sequence[str]
    n_classes: int | None


def of_spec(
    job: ActiveJob[Any],
    spec: PseudoLabelModelSpec | HumanLabelModelSpec,
    dataset: Dataset,
    labelings: Sequence[Labeling],
) -> list[Target]:
    """A target for each head, human labels last."""
    if isinstance(spec, HumanLabelModelSpec):
        return [_human(job, dataset, "dataset_id")]
    made = [
        _pseudo(job, labeling, kind, heads=spec.heads)
        for labeling, kind in zip(labelings, spec.target_kinds, strict=True)
    ]
    return [*made, _human(job, dataset, "human_labels")] if spec.human_labels else made


def output_names(targets: Sequence[Target]) -> list[str]:
    """Names of the classifier's outputs: of several heads, each behind its labeling's id or `human`."""
    if len(targets) == 1:
        return list(targets[0].names)
    return [
        f"{HUMAN if target.labeling is None else target.labeling.id}:{name}"
        for target in targets
        for name in target.names
    ]


def objective_of(
    targets: Sequence[Target], items: pixels.Indices, heads: "Heads", *, smoothing: float
) -> "Objective":
    """The objective on some items of the dataset."""
    from g2l.nn.objectives import joint, objective

    return joint(
        [
            objective(
                target.values[items],
                heads="flat" if target.labeling is None else heads,
                n_classes=target.n_classes,
                smoothing=smoothing,
            )
            for target in targets
        ]
    )


def _pseudo(job: ActiveJob[Any], labeling: Labeling, kind: TargetKind, *, heads: "Heads") -> Target:
    from g2l.nn.cards import position_labels

    made = labels.read_labels(job.store.path(labeling.artifact) / labels.FILE)
    by_anchor = position_labels(made.names, made.full.shape[1]) if heads == "positions" else made.names
    if kind == "soft":
        if made.soft is None:
            raise InvalidRequestError.at(
                "targets",
                f"{labeling.id} keeps no soft targets; train on `hard` ones, or make a new labeling.",
            )
        return Target(labeling, kind, made.soft, by_anchor, None)
    if heads == "positions":
        return Target(labeling, kind, made.anchors, by_anchor, len(made.names))
    return Target(labeling, kind, made.class_ids, made.classes, len(made.classes))


def _human(job: ActiveJob[Any], dataset: Dataset, field: str) -> Target:
    pixels.require_images(dataset)
    pack = pixels.open_pack(job.store, dataset)
    if not pack.classes:
        raise InvalidRequestError.at(
            field, f"{dataset.id} has no labels; send an archive with a folder per class."
        )
    return Target(None, "hard", pack.class_ids, pack.classes, len(pack.classes))
