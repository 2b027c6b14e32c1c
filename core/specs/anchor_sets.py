"""Anchor sets: named source domains in one embedding with one metric."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from core.specs.base import AnchorCount, EmbedderChoice, LabelBudget, Metric, Name, Seed, Spec


class AnchorSpec(Spec):
    """A given anchor: the mean response of a dataset, or of one of its classes."""

    name: Name
    dataset_id: str
    class_: str | None = Field(None, alias="class")


class DiscoverOptions(Spec):
    """How many anchors to find among a pool's responses, and what to call them."""

    k: AnchorCount = 64
    names: list[Name] | None = Field(None, description="what to call them; null: words from a fixed list")

    @model_validator(mode="after")
    def _a_name_each(self) -> Self:
        if self.names is not None and len(self.names) != self.k:
            raise ValueError(f"names has {len(self.names)} entries; give k = {self.k} of them, or none")
        return self


class DiscoverSpec(DiscoverOptions):
    """The same, with the dataset to look in."""

    dataset_id: str


class LabelledSpec(Spec):
    """The classes of a labelled dataset, by the images that a transfer of this budget and seed is given."""

    dataset_id: str
    label_budget: LabelBudget | None = Field(None, description="labelled training images a class; null: all")
    seed: Seed = 0


FitOn = Annotated[
    list[str] | None, BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
]


class AnchorSetOptions(Spec):
    """What a pipeline may say of its anchors beside the anchors themselves."""

    name: Name | None = None
    embedder: EmbedderChoice = Field(
        "patch-kmeans", description="a built-in's name, or the id of a model or fitted embedder; or several"
    )
    metric: Metric = Field(
        "euclidean",
        description="in which anchors and images lie apart; of `labelled` mahalanobis, if none is given",
    )
    fit_on: FitOn = Field(None, description="the datasets that a built-in embedder is fitted on")
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _evened_by_labels(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("labelled") is not None:
            return {"metric": "mahalanobis", **value}
        return value


class AnchorSetSpec(AnchorSetOptions):
    """An anchor-set job: anchors that are given, discovered, or the classes of labelled images."""

    anchors: Annotated[list[AnchorSpec], Field(min_length=1, max_length=4096)] | None = None
    discover: DiscoverSpec | None = None
    labelled: LabelledSpec | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if [self.anchors, self.discover, self.labelled].count(None) != 2:
            raise ValueError("give one of `anchors`, `discover` and `labelled`")
        return self
