"""What can be known of a training before it is run."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app import downloads, labels, tables
from app.checks.compatibility import require_images
from app.checks.embedders import check_embedder
from app.checks.inputs import Inputs, load, locked
from app.checks.starts import check_start, with_start
from core.db.resources import Dataset, Labeling
from core.specs.models import (
    DistillationModelSpec,
    HeadOptions,
    HeldOutOptions,
    HumanLabelModelSpec,
    PseudoLabelModelSpec,
    SelfSupervisedModelSpec,
    TargetKind,
)

OnDataset = HumanLabelModelSpec | SelfSupervisedModelSpec | DistillationModelSpec
TrainSpec = PseudoLabelModelSpec | OnDataset


def understood(db: Session, spec: TrainSpec) -> TrainSpec:
    """The spec, with what follows from a labeling and from the model to train on, unless it was asked for.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    spec = with_start(db, spec)
    inputs = load(db, spec)
    if isinstance(spec, HeldOutOptions):
        check_validation(inputs, "", spec)
    if isinstance(spec, OnDataset):
        _check_on_dataset(inputs, spec)
    else:
        spec = _on_labelings(db, inputs, spec)
    inputs.finish()
    return spec


def check_validation(inputs: Inputs, prefix: str, options: HeldOutOptions) -> None:
    """Patience needs something to look at; `prefix` says where the options stand, such as ``model/``."""
    if options.patience is not None and options.validation_share == 0:
        inputs.refuse(
            f"{prefix}patience",
            "With a validation_share of 0 nothing is held out that could be looked at; raise it, or leave "
            "patience out.",
        )


def check_smoothing(inputs: Inputs, prefix: str, options: HeadOptions, kinds: Sequence[TargetKind]) -> None:
    """Smoothing needs something hard to smooth."""
    if options.label_smoothing and "hard" not in kinds and not options.human_labels:
        inputs.refuse(
            f"{prefix}label_smoothing",
            "Soft targets stay as they are; leave it out, or train on hard ones or human labels.",
        )


def check_human_head(inputs: Inputs, prefix: str, options: HeadOptions, *, dataset: Dataset) -> None:
    """A head on human labels needs some."""
    if options.human_labels:
        require_classes(inputs, f"{prefix}human_labels", dataset, smallest=1)


def require_classes(inputs: Inputs, where: str, dataset: Dataset, *, smallest: int) -> None:
    """Labels of two classes or more, each with enough images."""
    if not dataset.classes:
        inputs.refuse(where, f"{dataset.id} has no labels; give a dataset with a folder per class.")
    elif len(dataset.classes) < 2:
        inputs.refuse(where, f"{dataset.id} has one class; at least 2 are needed.")
    else:
        small = [entry["name"] for entry in dataset.classes if entry["count"] < smallest]
        if small:
            inputs.refuse(
                where,
                f"Of {dataset.id}, {', '.join(map(ascii, small[:5]))} has one image, which cannot both train "
                "and test; add images, or leave the class out.",
            )


def _check_on_dataset(inputs: Inputs, spec: OnDataset) -> None:
    dataset = inputs.dataset(spec.dataset_id)
    check_start(inputs, "", spec, dataset=dataset)
    if not require_images(inputs, "dataset_id", dataset):
        return
    if isinstance(spec, HumanLabelModelSpec):
        require_classes(inputs, "dataset_id", dataset, smallest=1)
    elif isinstance(spec, DistillationModelSpec):
        check_embedder(inputs, spec.embedder, dataset)


def _on_labelings(db: Session, inputs: Inputs, spec: PseudoLabelModelSpec) -> PseudoLabelModelSpec:
    rows = [inputs.labeling(id_) for id_ in spec.labelings]
    places = [f"labeling_ids/{i}" for i in range(len(rows))] if spec.labeling_ids else ["labeling_id"]
    dataset = locked(db, [rows[0].dataset_id]).get(rows[0].dataset_id)
    for place, row in zip(places[1:], rows[1:], strict=True):
        if row.id in spec.labelings[: places.index(place)]:
            inputs.refuse(place, f"{row.id} is there already; name each labeling once.")
        elif row.dataset_id != rows[0].dataset_id:
            inputs.refuse(
                place,
                f"{row.id} is of {row.dataset_id}; give labelings of one dataset, {rows[0].dataset_id}.",
            )
    if isinstance(dataset, Dataset):
        check_start(inputs, "", spec, dataset=dataset)
        if require_images(inputs, places[0], dataset):
            check_human_head(inputs, "", spec, dataset=dataset)
            spec = _with_targets(inputs, spec, rows, places)
    return spec


def _with_targets(
    inputs: Inputs, spec: PseudoLabelModelSpec, rows: Sequence[Labeling], places: Sequence[str]
) -> PseudoLabelModelSpec:
    soft = ["soft" in tables.columns(downloads.folder(row.artifact) / labels.FILE) for row in rows]
    if "targets" not in spec.model_fields_set:
        kinds: list[TargetKind] = ["soft" if each else "hard" for each in soft]
        spec = spec.model_copy(update={"targets": kinds if len(set(kinds)) > 1 else kinds[0]})
    for index, (row, kind, place) in enumerate(zip(rows, spec.target_kinds, places, strict=True)):
        if kind == "soft" and not soft[index]:
            where = f"targets/{index}" if isinstance(spec.targets, list) else "targets"
            inputs.refuse(where, f"{row.id} keeps no soft targets; take targets = hard.")
        if kind == "hard" and row.n_classes < 2:
            inputs.refuse(place, f"All labels of {row.id} are the same; there is nothing to learn.")
    check_smoothing(inputs, "", spec, spec.target_kinds)
    return spec
