"""What can be known of a training before it is run."""

from sqlalchemy.orm import Session

from app import downloads, labels, tables
from app.checks.compatibility import require_images
from app.checks.inputs import Inputs, load, locked
from app.checks.starts import check_start, with_start
from core.db.resources import Dataset, Labeling
from core.specs.models import HumanLabelModelSpec, PseudoLabelModelSpec

TrainSpec = PseudoLabelModelSpec | HumanLabelModelSpec


def understood(db: Session, spec: TrainSpec) -> TrainSpec:
    """The spec, with what follows from a labeling and from the model to train on, unless it was asked for.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    spec = with_start(db, spec)
    inputs = load(db, spec)
    if isinstance(spec, HumanLabelModelSpec):
        dataset = inputs.dataset(spec.dataset_id)
        check_start(inputs, "", spec, dataset=dataset)
        if require_images(inputs, "dataset_id", dataset):
            require_classes(inputs, "dataset_id", dataset, smallest=1)
    else:
        labeling = inputs.labeling(spec.labeling_id)
        source = locked(db, [labeling.dataset_id]).get(labeling.dataset_id)
        if isinstance(source, Dataset):
            check_start(inputs, "", spec, dataset=source)
            if require_images(inputs, "labeling_id", source):
                spec = _with_targets(inputs, spec, labeling)
    inputs.finish()
    return spec


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


def _with_targets(inputs: Inputs, spec: PseudoLabelModelSpec, labeling: Labeling) -> PseudoLabelModelSpec:
    if "soft" not in tables.columns(downloads.folder(labeling.artifact) / labels.FILE):
        if "targets" not in spec.model_fields_set:
            spec = spec.model_copy(update={"targets": "hard"})
        elif spec.targets == "soft":
            inputs.refuse("targets", f"{labeling.id} keeps no soft targets; take targets = hard.")
    if labeling.n_classes < 2 and spec.targets == "hard":
        inputs.refuse("labeling_id", f"All labels of {labeling.id} are the same; there is nothing to learn.")
    return spec
