"""A forecast on the wire, and how forecasts fared."""

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.datasets import DatasetLabelOut
from app.schemas.resources import AccuracyOut, DivergencesOut, ResourceOut, ScoresOut


class NeededLabelBudgetOut(BaseModel):
    """Images a class at which the accuracy wanted is expected, within the label budgets of past transfers."""

    value: float | None = Field(description="null: more than `largest`")
    low: float | None = Field(description="null: more than `largest`")
    high: float | None = Field(description="null: more than `largest`")
    smallest: int = Field(description="fewest images a class seen; what is as small may be smaller yet")
    largest: int = Field(description="most images a class seen")
    level: float


class OutcomeOut(BaseModel):
    """What came out where a forecast's transfer was run: the same source, target and label budget."""

    accuracy: float = Field(description="the mean over the transfers")
    n_transfers: int
    inside: bool = Field(description="whether it is inside the forecast's interval")


class SourceForecastOut(BaseModel):
    """What is expected of one source."""

    model_config = ConfigDict(extra="allow")

    model_id: str
    divergence: float | None
    knn_accuracy: float | None = None
    scratch_accuracy: float | None = Field(
        None,
        description="measured from scratch on this target at this label budget; null: was not run",
    )
    scores: ScoresOut | None = None
    divergences: DivergencesOut | None = None
    target_label: DatasetLabelOut | None = None
    expected_accuracy: AccuracyOut
    rank: int
    reaches_target: bool | None = Field(
        None,
        description="whether the interval is above target_accuracy; null: around it, or none given",
    )
    needed_label_budget: NeededLabelBudgetOut | None = Field(
        None, description="for target_accuracy; null: none given, or past transfers do not tell"
    )
    outcome: OutcomeOut | None = Field(None, description="null until such a transfer is recorded")


class CalibrationOut(BaseModel):
    """What a forecast was fitted on."""

    version: str = Field(description="names the past transfers and the method: equal fits, equal versions")
    figures: list[str] = Field(
        description="what the expected accuracies follow from: scores, divergences, the accuracy from scratch"
    )
    n_past_transfers: int
    n_past_targets: int


class ForecastOut(ResourceOut):
    """Expected target accuracy of candidate sources."""

    dataset_id: str
    sources: list[SourceForecastOut]
    n_past_transfers: int
    n_past_targets: int
    calibrated: bool
    calibration: CalibrationOut | None = Field(description="null: an older forecast, not noted")


class ForecastScoreOut(BaseModel):
    """How the forecasts of one calibration fared, where their transfers were run."""

    version: str | None = Field(description="of the calibration; null: all")
    calibrated: bool = Field(description="whether the intervals are of 90 %; else they are 0 to 1")
    n_outcomes: int
    n_targets: int
    mean_absolute_error: float
    coverage: float = Field(description="share of outcomes inside the interval")


class ForecastsScoreOut(BaseModel):
    """How forecasts fared: all calibrated ones, all others, and by calibration."""

    items: list[ForecastScoreOut]
