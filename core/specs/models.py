"""Models: a source trained here on pseudo-labels or human labels, or an import."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from core.specs.base import (
    Augmentation,
    Balance,
    BatchSize,
    EmbedderChoice,
    Epochs,
    ImageSize,
    LearningRate,
    Name,
    Seed,
    Spec,
    Upload,
)
from core.specs.imports import OnnxPreprocessing

Architecture = Literal["resnet-tiny", "resnet-18", "resnet-50", "regnet-tiny", "convnextv2-atto", "vit-tiny"]
DEFAULT_ARCHITECTURE: Architecture = "resnet-tiny"
# What takes images of another size than it was trained at: of ours, and of transformers' model types.
ANY_SIZE = frozenset(
    {"resnet-tiny", "resnet-18", "resnet-50", "regnet-tiny", "convnextv2-atto"}
    | {"resnet", "regnet", "convnext", "convnextv2"}
)
TargetKind = Literal["hard", "soft"]
MOST_LABELINGS = 16


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
    augmentation: Augmentation = Field("crop", description="how training images are moved by chance")
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _an_arch_for_random_weights(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("arch") is None and value.get("init_model_id") is None:
            return {name: given for name, given in value.items() if name != "arch"}
        return value


class HeldOutOptions(TrainingOptions):
    """The same where some images are held out."""

    validation_share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.1, description="of the images, held out: at most 5,000, none of fewer than 20; groups stay together"
    )
    patience: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None,
        description="epochs without a better held-out loss until training stops and goes back to the best",
    )


class ClassifierOptions(HeldOutOptions):
    """The same for training towards classes."""

    balance: Balance = Field(
        "none",
        description="sampling draws every class equally often; loss weighs each inversely to its size",
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="share of every hard target that is spread evenly over all classes"
    )


class HeadOptions(ClassifierOptions):
    """The same, and the heads that are trained."""

    heads: Literal["flat", "positions"] = "flat"
    human_labels: bool = Field(False, description="one more head, on the dataset's own labels")


class PseudoLabelOptions(HeadOptions):
    """The same, and what of a labeling is trained on."""

    targets: TargetKind = "soft"


class PseudoLabelModelSpec(HeadOptions):
    """A source model trained on a labeling, or on several of one dataset, a head each."""

    objective: Literal["pseudo-labels"] = "pseudo-labels"
    labeling_id: str | None = None
    labeling_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_LABELINGS)] | None = None
    targets: TargetKind | Annotated[list[TargetKind], Field(max_length=MOST_LABELINGS)] = Field(
        "soft", description="of all labelings, or of each in order"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.labeling_id is None) == (self.labeling_ids is None):
            raise ValueError("give either `labeling_id` or `labeling_ids`")
        if isinstance(self.targets, list) and len(self.targets) != len(self.labelings):
            raise ValueError(
                f"targets has {len(self.targets)} entries; give one a labeling, or one word for all"
            )
        return self

    @property
    def labelings(self) -> list[str]:
        """The labelings' ids, in the order of their heads."""
        return self.labeling_ids or [self.labeling_id or ""]

    @property
    def target_kinds(self) -> list[TargetKind]:
        """What of each labeling is trained on."""
        return self.targets if isinstance(self.targets, list) else [self.targets] * len(self.labelings)


class HumanLabelModelSpec(ClassifierOptions):
    """The baseline: a source model trained on the pool's own labels."""

    objective: Literal["human-labels"]
    dataset_id: str


class SelfSupervisedModelSpec(TrainingOptions):
    """A source model trained on the pool without any labels: a body without classifier."""

    objective: Literal["self-supervised"]
    dataset_id: str
    method: Literal["simclr", "vicreg", "swav"] = Field(
        "simclr", description="what two views of an image are trained towards"
    )
    epochs: Epochs = 20
    learning_rate: LearningRate = 0.002
    augmentation: Augmentation = Field("crop", description="how views are moved beside cropping")


class DistillationModelSpec(HeldOutOptions):
    """A source model trained on an embedder's responses to the pool: a body without classifier."""

    objective: Literal["distillation"]
    dataset_id: str
    embedder: EmbedderChoice = Field(
        description="a built-in's name, or the id of a model or fitted embedder; or several"
    )


class ImportModelSpec(Spec):
    """A model folder or an ONNX network that the user has."""

    objective: Literal["import"] = "import"
    name: Name
    upload: Upload
    preprocessing: OnnxPreprocessing | None = Field(None, description="of an ONNX network")


def objective_of(value: object) -> str:
    """Which of the specs a body or a row is."""
    if isinstance(value, dict):
        return str(value.get("objective", "pseudo-labels"))
    return str(getattr(value, "objective", "pseudo-labels"))


ModelSpec = Annotated[
    Annotated[PseudoLabelModelSpec, Tag("pseudo-labels")]
    | Annotated[HumanLabelModelSpec, Tag("human-labels")]
    | Annotated[SelfSupervisedModelSpec, Tag("self-supervised")]
    | Annotated[DistillationModelSpec, Tag("distillation")]
    | Annotated[ImportModelSpec, Tag("import")],
    Discriminator(objective_of),
]
MODEL_SPEC: TypeAdapter[
    PseudoLabelModelSpec
    | HumanLabelModelSpec
    | SelfSupervisedModelSpec
    | DistillationModelSpec
    | ImportModelSpec
] = TypeAdapter(ModelSpec)
