"""Pipelines: the whole main job in one request."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from core.specs.anchor_sets import (
    AnchorSetOptions,
    AnchorSetSpec,
    AnchorSpec,
    DiscoverOptions,
    DiscoverSpec,
)
from core.specs.base import Name, Spec
from core.specs.labelings import GeometryOptions
from core.specs.models import PseudoLabelOptions
from core.specs.transfers import TransferOptions

Rounds = Annotated[int, Field(ge=1, le=10)]
_WAYS = ("anchor_set_id", "anchors", "discover")


class PipelineAnchors(AnchorSetOptions):
    """An existing anchor set, given anchors, or (by default) anchors discovered in the pool."""

    anchor_set_id: str | None = None
    anchors: Annotated[list[AnchorSpec], Field(min_length=1, max_length=4096)] | None = None
    discover: DiscoverOptions | None = None

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

    def request(self, pool: str) -> AnchorSetSpec:
        """What an anchor-set job is asked, unless the anchor set is there already."""
        common = {name: getattr(self, name) for name in AnchorSetOptions.model_fields}
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
