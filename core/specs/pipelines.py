"""Pipelines: the whole main job in one request."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from core.specs.anchor_sets import (
    AnchorSetOptions,
    AnchorSetSpec,
    AnchorSpec,
    DiscoverOptions,
    DiscoverSpec,
    LabelledSpec,
)
from core.specs.base import LabelBudget, Name, Seed, Spec
from core.specs.labelings import GeometryOptions
from core.specs.models import PseudoLabelOptions
from core.specs.transfers import TransferOptions

Rounds = Annotated[int, Field(ge=1, le=10)]
_WAYS = ("anchor_set_id", "anchors", "discover", "labelled")


class LabelledOptions(Spec):
    """Whose classes the anchors are, by labelled images: the target's, or a dataset's that is named."""

    dataset_id: str | None = Field(None, description="null: the target, under its label budget and seed")
    label_budget: LabelBudget | None = Field(None, description="of a dataset that is named; null: all")
    seed: Seed | None = Field(None, description="of a dataset that is named; null: 0")

    @model_validator(mode="after")
    def _of_a_named_one(self) -> Self:
        if self.dataset_id is None and (self.label_budget, self.seed) != (None, None):
            raise ValueError(
                "the target's labelled images are those of its transfer; leave label_budget and seed out"
            )
        return self

    def of(self, target: LabelledSpec | None) -> LabelledSpec:
        """The draw that is meant; a target is at hand where one is."""
        if self.dataset_id is not None:
            return LabelledSpec(
                dataset_id=self.dataset_id, label_budget=self.label_budget, seed=self.seed or 0
            )
        if target is None:
            raise TypeError("anchors of a target's classes, and no target")
        return target


class PipelineAnchors(AnchorSetOptions):
    """Anchors that are there, given, or the target's classes; by default discovered in the pool."""

    anchor_set_id: str | None = None
    anchors: Annotated[list[AnchorSpec], Field(min_length=1, max_length=4096)] | None = None
    discover: DiscoverOptions | None = None
    labelled: LabelledOptions | None = None

    @property
    def of_target(self) -> bool:
        """Whether the anchors are the classes of the target, whichever that is."""
        return self.labelled is not None and self.labelled.dataset_id is None

    @model_validator(mode="before")
    @classmethod
    def _discover_unless_given(cls, value: object) -> object:
        if isinstance(value, dict) and not any(value.get(way) is not None for way in _WAYS):
            return {**value, "discover": {}}
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [way for way in _WAYS if getattr(self, way) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(_WAYS)}; got {' and '.join(given)}")
        return self

    def request(self, pool: str, target: LabelledSpec | None) -> AnchorSetSpec:
        """What an anchor-set job is asked, unless the anchor set is there already."""
        common = {name: getattr(self, name) for name in AnchorSetOptions.model_fields}
        if self.labelled is not None:
            fit_on = common.pop("fit_on") or [pool]
            return AnchorSetSpec(labelled=self.labelled.of(target), fit_on=fit_on, **common)
        if self.discover is not None:
            discover = DiscoverSpec(dataset_id=pool, **self.discover.model_dump())
            return AnchorSetSpec(discover=discover, **common)
        given = self.anchors or []
        if common["fit_on"] is None:
            common["fit_on"] = list(dict.fromkeys([pool, *(a.dataset_id for a in given)]))
        return AnchorSetSpec(anchors=given, **common)


class PipelineSpec(Spec):
    """A parent job with a child for each stage; every part has a default."""

    name: Name | None = None
    dataset_id: str
    rounds: Rounds = Field(
        1, description="each later round embeds the pool with the source trained in the one before"
    )
    anchors: PipelineAnchors = PipelineAnchors.model_validate({})
    labeling: GeometryOptions = GeometryOptions()
    model: PseudoLabelOptions = PseudoLabelOptions()
    transfer: TransferOptions | None = None

    @model_validator(mode="after")
    def _a_target_for_its_classes(self) -> Self:
        if self.anchors.of_target and self.transfer is None:
            raise ValueError(
                "the anchors are to be the target's classes, and there is no target; give `transfer`, or "
                "anchors/labelled/dataset_id"
            )
        return self

    @property
    def target_labels(self) -> LabelledSpec | None:
        """The labelled images of the target; None without one."""
        return None if self.transfer is None else self.transfer.labelled
