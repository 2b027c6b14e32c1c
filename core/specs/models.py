"""Models: a source trained here on pseudo-labels or human labels, or an import."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from core.specs.base import Augmentation, BatchSize, Epochs, ImageSize, LearningRate, Name, Seed, Spec, Upload

Architecture = Literal["resnet-tiny", "resnet-18", "resnet-50", "regnet-tiny", "convnextv2-atto", "vit-tiny"]
DEFAULT_ARCHITECTURE: Architecture = "resnet-tiny"


class TrainingOptions(Spec):
    """A pretraining recipe."""

    name: Name | None = None
    arch: Architecture | None = Field(
        DEFAULT_ARCHITECTURE, description="null: that of an imported model which is trained on"
    )
    init_model_id: str | None = Field(
        None, description="a model whose body is trained on, under a new head; null: random weights"
    )
    epochs: Epochs = 6
    image_size: ImageSize = 32
    batch_size: BatchSize = 128
    learning_rate: LearningRate = 0.004
    balanced: bool = Field(False, description="draw every class equally often")
    augmentation: Augmentation = Field("crop", description="how training images are moved by chance")
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _an_arch_for_random_weights(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("arch") is None and value.get("init_model_id") is None:
            return {name: given for name, given in value.items() if name != "arch"}
        return value


class PseudoLabelOptions(TrainingOptions):
    """The same, and what of a labeling is trained on."""

    heads: Literal["flat", "positions"] = "flat"
    targets: Literal["hard", "soft"] = "soft"


class PseudoLabelModelSpec(PseudoLabelOptions):
    """A source model trained on a labeling."""

    objective: Literal["pseudo-labels"] = "pseudo-labels"
    labeling_id: str


class HumanLabelModelSpec(TrainingOptions):
    """The baseline: a source model trained on the pool's own labels."""

    objective: Literal["human-labels"]
    dataset_id: str


class ImportModelSpec(Spec):
    """A model folder that the user has."""

    objective: Literal["import"] = "import"
    name: Name
    upload: Upload


def _objective(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("objective", "pseudo-labels"))
    return str(getattr(value, "objective", "pseudo-labels"))


# What a JSON body may ask for; an import is asked for by its multipart body.
TrainModelSpec = Annotated[
    Annotated[PseudoLabelModelSpec, Tag("pseudo-labels")]
    | Annotated[HumanLabelModelSpec, Tag("human-labels")],
    Discriminator(_objective),
]
ModelSpec = Annotated[
    Annotated[PseudoLabelModelSpec, Tag("pseudo-labels")]
    | Annotated[HumanLabelModelSpec, Tag("human-labels")]
    | Annotated[ImportModelSpec, Tag("import")],
    Discriminator(_objective),
]
MODEL_SPEC: TypeAdapter[PseudoLabelModelSpec | HumanLabelModelSpec | ImportModelSpec] = TypeAdapter(ModelSpec)
