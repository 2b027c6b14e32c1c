"""Transfers: source weights fine-tuned on a target, and the measured error."""

from typing import Annotated, Literal

from pydantic import Field

from core.specs.anchor_sets import LabelledSpec
from core.specs.base import (
    Augmentation,
    Balance,
    BatchSize,
    Epochs,
    ImageSize,
    LabelBudget,
    LearningRate,
    Name,
    Seed,
    Spec,
)
from core.specs.models import Architecture

TransferMethod = Literal["fine-tune", "linear-probe"]
BatchNorms = Literal["kept", "re-estimated"]


class TransferRecipe(Spec):
    """How a source is put to use; the same for every source that is compared."""

    epochs: Epochs = 30
    method: TransferMethod = "fine-tune"
    image_size: ImageSize | None = Field(
        None,
        description="null: the model's own, or 32 from scratch; a convolutional source may be given larger "
        "images than it was trained on",
    )
    batch_size: BatchSize = 32
    learning_rate: LearningRate | None = Field(
        None, description="null: chosen by cross-validation inside the labelled budget"
    )
    balance: Balance = Field(
        "none",
        description="sampling draws every class equally often; loss weighs each inversely to its size",
    )
    augmentation: Augmentation = Field("crop", description="how training images are moved by chance")
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="the learning rate of each layer of a source, of that of the next; the head has all"
    )
    batch_norms: BatchNorms = Field(
        "kept", description="as training left them, or measured anew on the labelled images"
    )


class TransferOptions(TransferRecipe):
    """The same on a target, under a label budget."""

    name: Name | None = None
    dataset_id: str
    label_budget: LabelBudget | None = Field(None, description="labelled images a class; null: all")
    seed: Seed = 0

    @property
    def labelled(self) -> LabelledSpec:
        """The labelled images that it learns from."""
        return LabelledSpec(dataset_id=self.dataset_id, label_budget=self.label_budget, seed=self.seed)


class TransferSpec(TransferOptions):
    """A transfer job; `model_id` null trains `arch` from scratch."""

    model_id: str | None = None
    arch: Architecture | None = Field(None, description="null: the model's own, or the default from scratch")
