"""A study on the wire."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.resources import ResourceOut


class IntervalOut(BaseModel):
    """An estimate and its interval; of one run alone there is none."""

    value: float
    low: float | None
    high: float | None
    level: float


class StudySourceOut(BaseModel):
    """A source, and what was made for it."""

    name: str
    method: str
    models: list[dict[str, Any]] = Field(
        description="of each, model_id and pretraining_seed; target, null where one is trained for all; "
        "label_budget and seed of the labelled images that its anchors are made of, null where they are not"
    )
    labeling_ids: list[str]


class StudyMeanOut(BaseModel):
    """How accurate a source is: on a target, or on the mean over targets."""

    source: str
    target: str | None = Field(description="null: the mean over all targets")
    label_budget: int | None
    accuracy: IntervalOut
    n_runs: int
    n_targets: int


class StudyDifferenceOut(BaseModel):
    """How much more accurate a source is than the baseline, over pairs of runs with equal seeds."""

    source: str
    baseline: str
    target: str | None = Field(description="null: the mean over all targets")
    label_budget: int | None
    difference: IntervalOut
    n_pairs: int
    n_targets: int
    wins: int = Field(description="targets on which it is positive")
    losses: int = Field(description="targets on which it is negative")


class StudyForecastOut(BaseModel):
    """What was to be expected of a source on a target by all transfers on others, and what came out."""

    source: str
    target: str
    label_budget: int | None
    expected: IntervalOut | None
    accuracy: float
    calibrated: bool


class StudyMissingOut(BaseModel):
    """A transfer that was asked for and is not there."""

    source: str
    pretraining_seed: int | None
    target: str
    label_budget: int | None
    seed: int


class StudyOut(ResourceOut):
    """What a study has found."""

    model_config = ConfigDict(from_attributes=True)

    complete: bool = Field(description="whether all transfers are there that were asked for")
    n_transfers: int
    baseline: str
    sources: list[StudySourceOut]
    table: list[StudyMeanOut]
    differences: list[StudyDifferenceOut]
    forecasts: list[StudyForecastOut]
    missing: list[StudyMissingOut]
