"""Pipelines: the whole main job in one request."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from core.specs.anchor_sets import AnchorSetOptions, AnchorSpec, DiscoverOptions
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
