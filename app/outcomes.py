"""Forecast against outcome: what the transfers came to that forecasts were of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, and_, func, select, true
from sqlalchemy.orm import aliased

from app.database import ReadDb
from app.schemas.forecasts import ForecastOut, ForecastScoreOut, ForecastsScoreOut, OutcomeOut
from core.db.resources import Dataset, Forecast, Transfer

Outcomes = Mapping[tuple[str, str], tuple[float, int]]  # (forecast, source): mean accuracy, transfers


@dataclass(frozen=True)
class _Met:
    """A source of a forecast, what was expected, and what came out."""

    target: str
    error: float
    inside: bool


def of(db: ReadDb, forecast_ids: Sequence[str]) -> Outcomes:
    """Of each forecast and source: the mean accuracy and the number of its transfers, where there are any."""
    return _measured(db, Forecast.id.in_(forecast_ids)) if forecast_ids else {}


def shown(row: Forecast, found: Outcomes) -> ForecastOut:
    """A forecast with its outcomes."""
    out = ForecastOut.model_validate(row)
    for source in out.sources:
        if measured := found.get((row.id, source.model_id)):
            source.outcome = _outcome(source.expected_accuracy.model_dump(), measured)
    return out


def score(db: ReadDb) -> ForecastsScoreOut:
    """Of all forecasts with outcomes: the calibrated ones, the others, and each calibration by itself."""
    found = _measured(db, true())
    met: dict[tuple[str | None, bool], list[_Met]] = defaultdict(list)
    ids = sorted({forecast_id for forecast_id, _ in found})
    for row in db.scalars(select(Forecast).where(Forecast.id.in_(ids)).order_by(Forecast.id)):
        version = (row.calibration or {}).get("version")
        for each in _met(row, found):
            met[None, row.calibrated].append(each)
            if version is not None:
                met[version, row.calibrated].append(each)
    return ForecastsScoreOut(
        items=[_score(version, calibrated, values) for (version, calibrated), values in met.items()]
    )


def _measured(db: ReadDb, which: ColumnElement[bool]) -> Outcomes:
    """A target is known by its content, so an upload again is the same target."""
    asked = func.jsonb_array_elements_text(Forecast.spec["model_ids"]).table_valued("value").alias("asked")
    target, same = aliased(Dataset), aliased(Dataset)
    accuracy = Transfer.accuracy["value"].astext.cast(Float)
    budget = Forecast.spec["label_budget"].astext.cast(Integer)
    statement = (
        select(Forecast.id, asked.c.value, func.avg(accuracy), func.count())
        .select_from(Forecast)
        .join(asked, true())
        .join(target, target.id == Forecast.dataset_id)
        .join(same, same.artifact == target.artifact)
        .join(
            Transfer,
            and_(
                Transfer.dataset_id == same.id,
                Transfer.model_id == asked.c.value,
                Transfer.label_budget.is_not_distinct_from(budget),
                Transfer.spec["method"].astext == "fine-tune",
            ),
        )
        .where(which)
        .group_by(Forecast.id, asked.c.value)
    )
    return {(id_, model): (mean, count) for id_, model, mean, count in db.execute(statement)}


def _outcome(expected: Mapping[str, Any], measured: tuple[float, int]) -> OutcomeOut:
    accuracy, n = measured
    return OutcomeOut(
        accuracy=accuracy, n_transfers=n, inside=expected["low"] <= accuracy <= expected["high"]
    )


def _met(row: Forecast, found: Outcomes) -> Iterable[_Met]:
    for source in row.sources:
        expected = source["expected_accuracy"]
        if (row.id, source["model_id"]) in found and expected["value"] is not None:
            outcome = _outcome(expected, found[row.id, source["model_id"]])
            yield _Met(row.dataset_id, abs(outcome.accuracy - expected["value"]), outcome.inside)


def _score(version: str | None, calibrated: bool, met: Sequence[_Met]) -> ForecastScoreOut:
    return ForecastScoreOut(
        version=version,
        calibrated=calibrated,
        n_outcomes=len(met),
        n_targets=len({each.target for each in met}),
        mean_absolute_error=fmean(each.error for each in met),
        coverage=fmean(each.inside for each in met),
    )
