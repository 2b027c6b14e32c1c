"""Forecasts: how well each source will do on a target, before any transfer."""

from typing import Annotated

from pydantic import Field

from core.specs.base import ImageSize, LabelBudget, Name, Spec


class ForecastSpec(Spec):
    """A forecast job over candidate sources."""

    name: Name | None = None
    dataset_id: str
    model_ids: Annotated[list[str], Field(min_length=1, max_length=200)]
    label_budget: LabelBudget | None = None
    image_size: ImageSize | None = Field(
        None,
        description="pixels that the transfers will run at, where sources are measured; null: each one's own",
    )
    target_accuracy: Annotated[float, Field(gt=0, lt=1)] | None = None
