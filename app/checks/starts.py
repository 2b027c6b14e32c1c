"""Where a training starts: random weights of an architecture, or the body of a model that is there."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from sqlalchemy.orm import Session

from app.checks.compatibility import channel_mismatch
from app.checks.inputs import Inputs, is_id
from core.db.resources import Dataset, Model
from core.specs.base import LARGEST_SIDE, SMALLEST_SIDE
from core.specs.models import ANY_SIZE, DEFAULT_ARCHITECTURE, Architecture, TrainingOptions

Options = TypeVar("Options", bound=TrainingOptions)
# The smallest image of each network: its whole stride (a test holds this equal to `g2l.nn.zoo`).
SMALLEST_IMAGE: dict[str, int] = {
    "resnet-tiny": 8,
    "resnet-18": 16,
    "resnet-50": 16,
    "regnet-tiny": 8,
    "convnextv2-atto": 32,
    "vit-tiny": 8,
}


def with_start(db: Session, options: Options) -> Options:
    """The options with the architecture and image size of the model to train on, unless others were asked."""
    brought = of_start(db, options.init_model_id)
    return options.model_copy(
        update={name: value for name, value in brought.items() if name not in options.model_fields_set}
    )


def of_start(db: Session, init_model_id: str | None) -> dict[str, Any]:
    """What a model to train on brings along; nothing if there is none."""
    start = db.get(Model, init_model_id) if init_model_id is not None and is_id(init_model_id) else None
    if start is None:
        return {}
    known = start.arch if start.arch in get_args(Architecture) else None
    return {"arch": known, "image_size": start.image_size}


def check_start(inputs: Inputs, prefix: str, options: TrainingOptions, *, dataset: Dataset) -> None:
    """A network that suits the images; `prefix` says where the options stand, such as ``model/``."""
    if options.init_model_id is None:
        arch = options.arch or DEFAULT_ARCHITECTURE
        check_image_size(inputs, f"{prefix}image_size", arch, image_size=options.image_size)
        return
    start = inputs.model(options.init_model_id)
    if start.role == "embedder":
        inputs.refuse(
            f"{prefix}init_model_id", f"{start.id} only embeds; give a source, base or imported model."
        )
        return
    if not SMALLEST_SIDE <= options.image_size <= LARGEST_SIDE:  # the model's own, taken over unchecked
        inputs.refuse(
            f"{prefix}init_model_id",
            f"{start.id} takes images of {start.image_size} pixels; what is trained here takes "
            f"{SMALLEST_SIDE} to {LARGEST_SIDE}.",
        )
    if options.arch is not None and options.arch != start.arch:
        inputs.refuse(
            f"{prefix}arch",
            f"{start.id} is a {start.arch}; leave arch out, or name that; got {options.arch}.",
        )
    check_other_size(
        inputs, f"{prefix}image_size", start.arch, trained_at=start.image_size, image_size=options.image_size
    )
    if dataset.kind == "images" and (reason := channel_mismatch(start.id, start.channels, dataset)):
        inputs.refuse(f"{prefix}init_model_id", reason)


def network_of(inputs: Inputs, options: Mapping[str, Any]) -> tuple[str, int]:
    """Architecture and image size of what is trained: those of the model that it starts from, if any."""
    start = inputs.rows.get(str(options.get("init_model_id")))
    if isinstance(start, Model):
        return start.arch, options.get("image_size") or start.image_size
    return options.get("arch") or DEFAULT_ARCHITECTURE, options["image_size"]


def check_other_size(
    inputs: Inputs, where: str, arch: str, *, trained_at: int, image_size: int | None
) -> None:
    """A model given images of another size than it was trained at: convolutions alone take them."""
    if image_size is None or image_size == trained_at:
        return
    if arch not in ANY_SIZE:
        inputs.refuse(
            where,
            f"A {arch} only takes images of the {trained_at} pixels that it was trained at; leave this out.",
        )
    elif arch in SMALLEST_IMAGE:
        check_image_size(inputs, where, arch, image_size=image_size)


def check_image_size(inputs: Inputs, where: str, arch: str, *, image_size: int) -> None:
    """Large enough for the network's stride."""
    if image_size < SMALLEST_IMAGE[arch]:
        inputs.refuse(
            where,
            f"{arch} needs images of at least {SMALLEST_IMAGE[arch]} pixels; got {image_size}. Raise it, "
            "or take another arch.",
        )
