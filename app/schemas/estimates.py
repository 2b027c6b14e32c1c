"""What something would take, on the wire."""

from typing import Literal

from pydantic import BaseModel

from core.specs.kinds import Kind


class SecondsOut(BaseModel):
    """An expected time with its range."""

    value: float
    low: float
    high: float


class StageEstimateOut(BaseModel):
    """One stage: what it is about, and what it would take; null where nobody knows."""

    role: str
    kind: Kind
    round: int
    images: int
    epochs: int | None
    images_per_second: float | None
    expected_seconds: SecondsOut | None
    basis: Literal["measured here", "reference", "unknown"]


class PipelineEstimateOut(BaseModel):
    """A pipeline that was found right, and was not begun."""

    stages: list[StageEstimateOut]
    expected_seconds: SecondsOut | None
