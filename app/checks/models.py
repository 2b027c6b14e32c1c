"""What can be known of a training before it is run."""

from sqlalchemy.orm import Session

from app import downloads, labels, tables
from app.checks.compatibility import require_images
from app.checks.inputs import Inputs, load, locked
from core.db.resources import Dataset, Labeling
from core.specs.models import Architecture, HumanLabelModelSpec, PseudoLabelModelSpec

TrainSpec = PseudoLabelModelSpec | HumanLabelModelSpec
# The smallest image of each network: its whole stride (a test holds this equal to `g2l.nn.zoo`).
SMALLEST_IMAGE: dict[Architecture, int] = {
    "resnet-tiny": 8,
    "resnet-18": 16,
    "resnet-50": 16,
    "regnet-tiny": 8,
    "convnextv2-atto": 32,
    "vit-tiny": 8,
}


def understood(db: Session, spec: TrainSpec) -> TrainSpec:
    """The spec, with `targets` as the labeling has them unless they were asked for; refuses what would fail.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    inputs = load(db, spec)
    check_image_size(inputs, "image_size", spec.arch, image_size=spec.image_size)
    if isinstance(spec, HumanLabelModelSpec):
        dataset = inputs.dataset(spec.dataset_id)
        if require_images(inputs, "dataset_id", dataset):
            require_classes(inputs, "dataset_id", dataset, smallest=1)
    else:
        labeling = inputs.labeling(spec.labeling_id)
        source = locked(db, [labeling.dataset_id]).get(labeling.dataset_id)
        if isinstance(source, Dataset) and require_images(inputs, "labeling_id", source):
            spec = _with_targets(inputs, spec, labeling)
    inputs.finish()
    return spec


def check_image_size(inputs: Inputs, where: str, arch: Architecture, *, image_size: int) -> None:
    """Large enough for the network's stride."""
    if image_size < SMALLEST_IMAGE[arch]:
        inputs.refuse(
            where,
            f"{arch} needs images of at least {SMALLEST_IMAGE[arch]} pixels; got {image_size}. Raise it, "
            "or take another arch.",
        )


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
