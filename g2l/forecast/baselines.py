"""Ways to expect an accuracy and to rank sources: the forecast, and what it has to beat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from g2l.figures import DIVERGENCES, FIGURES, OF_THE_TARGET, Figure, Figures, accuracy, logit, regressor
from g2l.forecast.expected import MIN_TARGETS, forecast, target_quantile
from g2l.forecast.records import PastTransfer, known_from_scratch
from g2l.forecast.regression import Floats, choose, predicted, rows_of

Kind = Literal["forecast", "without labels", "scratch known", "baseline", "oracle"]
Transfers = Sequence[PastTransfer]
Point = Callable[[Transfers, Transfers], Floats]  # past and asked transfers to the logits of the asked ones


@dataclass(frozen=True)
class Said:
    """What a method says of R transfers of one target and label budget.

    Attributes:
        values: (R,) expected accuracies; NaN where it says none.
        low: (R,) lower ends of 90 % intervals; NaN without a calibration.
        high: (R,) upper ends; NaN likewise.
        scores: (R,) to rank by, larger is better; NaN where it says nothing.
    """

    values: Floats
    low: Floats
    high: Floats
    scores: Floats


@dataclass(frozen=True)
class Method:
    """A way to forecast.

    Attributes:
        name: for people.
        kind: `oracle`: it looks at the outcome; `without labels`: it needs no labels of the target; `scratch
            known`: it knows what training from scratch reached on it.
        say: (past transfers on other targets, transfers to be told of one target and budget) to what it says.
    """

    name: str
    kind: Kind
    say: Callable[[Transfers, Transfers], Said]


def methods(transfers: Transfers) -> list[Method]:
    """All that some figure of the transfers speaks for, the forecast first.

    Where the targets are too few for forecasts, also what these would be regressed to without an interval.
    """
    few = len({record.target_id for record in transfers}) <= MIN_TARGETS
    known = [f for f in FIGURES if any(record.source.figures.get(f) is not None for record in transfers)]
    return [
        Method("forecast", "forecast", _forecast),
        *([Method("regression, not calibrated", "forecast", _regression)] if few else []),
        *([Method("forecast", "scratch known", _said)] if any(map(known_from_scratch, transfers)) else []),
        Method("forecast, no target labels", "without labels", _label_free),
        *(_alone(figure) for figure in known),
        Method("static ranking", "baseline", _interval(static, static)),
        Method(
            "largest source", "baseline", _interval(_line(_log_size), lambda _, new: _each(_log_size, new))
        ),
        Method("mean of other targets", "baseline", _interval(_mean, None)),
        Method("mean of the target", "oracle", _own_mean),
    ]


def static(past: Transfers, asked: Transfers) -> Floats:
    """The mean of the past, and each source's mean distance from the others on the same target and budget.

    It is blind to the target. Where every source was on every target, it ranks them by their mean accuracy.
    """
    cells: dict[tuple[str, int | None], list[float]] = {}
    for record in past:
        cells.setdefault((record.target_id, record.label_budget), []).append(logit(record.accuracy))
    apart: dict[str, list[float]] = {}
    for record in past:
        mean = float(np.mean(cells[record.target_id, record.label_budget]))
        apart.setdefault(record.source.kin, []).append(logit(record.accuracy) - mean)
    standing = {kin: float(np.mean(values)) for kin, values in apart.items()}
    return _mean(past, asked) + _each(lambda record: standing.get(record.source.kin, 0.0), asked)


def before_any_training(asked: Transfers) -> Transfers:
    """The same, with nothing known of what scratch reached."""
    return _keeping(asked, frozenset(FIGURES) - OF_THE_TARGET)


def _forecast(past: Transfers, asked: Transfers) -> Said:
    return _said(past, before_any_training(asked))


def _regression(past: Transfers, asked: Transfers) -> Said:
    asked = before_any_training(asked)
    first, nothing = asked[0], np.full(len(asked), np.nan)
    sources = [record.source for record in asked]
    rows = rows_of(past, sources, label_budget=first.label_budget)
    every = np.arange(rows.n_past)
    values = accuracy(predicted(rows, choose(rows), every, rows.n_past + np.arange(len(asked))))
    return Said(values, nothing, nothing, values)


def _label_free(past: Transfers, asked: Transfers) -> Said:
    """The same, knowing of the target its images alone."""
    return _said(past, _keeping(asked, DIVERGENCES))


def _keeping(asked: Transfers, kept: frozenset[Figure]) -> Transfers:
    """The same, with nothing known but some figures."""

    def figures(record: PastTransfer) -> Figures:
        return {name: value for name, value in record.source.figures.items() if name in kept}

    return [replace(each, source=replace(each.source, figures=figures(each))) for each in asked]


def _said(past: Transfers, asked: Transfers) -> Said:
    first = asked[0]
    made = forecast(
        [record.source for record in asked],
        past,
        target_id=first.target_id,
        label_budget=first.label_budget,
    )
    values = np.array([np.nan if each.value is None else each.value for each in made.sources])
    low, high = (
        np.array([getattr(each, end) if made.calibrated else np.nan for each in made.sources])
        for end in ("low", "high")
    )
    ranks = np.array([float(-each.rank) for each in made.sources])
    return Said(values, low, high, ranks if np.isnan(values).any() else values)


def _alone(figure: Figure) -> Method:
    sign = -1.0 if figure in DIVERGENCES else 1.0

    def value(record: PastTransfer) -> float:
        return sign * regressor(figure, record.source.figures)

    def rank(_: Transfers, asked: Transfers) -> Floats:
        return _each(value, asked)

    if figure in OF_THE_TARGET:
        return Method(f"{figure} alone", "scratch known", _interval(_line(value), None))
    kind: Kind = "without labels" if figure in DIVERGENCES else "baseline"
    return Method(f"{figure} alone", kind, _interval(_line(value), rank))


def _log_size(record: PastTransfer) -> float:
    return float(np.log(record.source.source_size or np.nan))


def _each(value: Callable[[PastTransfer], float], records: Transfers) -> Floats:
    return np.array([value(record) for record in records])


def _line(value: Callable[[PastTransfer], float]) -> Point:
    """The regression on one variable; what has none gets the mean."""

    def point(past: Transfers, asked: Transfers) -> Floats:
        x, y, new = _each(value, past), _logits(past), _each(value, asked)
        known = np.isfinite(x)
        if known.sum() < 2 or x[known].std() < 1e-12:
            return np.full(len(new), y.mean())
        slope, level = np.polyfit(x[known], y[known], 1)
        return np.asarray(np.where(np.isfinite(new), level + slope * new, y.mean()))

    return point


def _mean(past: Transfers, asked: Transfers) -> Floats:
    return np.full(len(asked), _logits(past).mean())


def _logits(records: Transfers) -> Floats:
    return np.array([logit(record.accuracy) for record in records])


def _interval(point: Point, scores: Point | None) -> Callable[[Transfers, Transfers], Said]:
    """A point with the interval that the forecast has: by the residuals on targets left out."""

    def say(past: Transfers, asked: Transfers) -> Said:
        centre = point(past, asked)
        low = high = np.full(len(asked), np.nan)
        targets = sorted({record.target_id for record in past})
        if len(targets) >= MIN_TARGETS:
            width = target_quantile(*_missed(point, past, targets))
            low, high = accuracy(centre - width), accuracy(centre + width)
        ranked = np.full(len(asked), np.nan) if scores is None else scores(past, asked)
        return Said(accuracy(centre), low, high, ranked)

    return say


def _missed(point: Point, past: Transfers, targets: Sequence[str]) -> tuple[Floats, np.ndarray]:
    missed, target_of = [], []
    for number, target in enumerate(targets):
        out = [record for record in past if record.target_id == target]
        rest = [record for record in past if record.target_id != target]
        missed.append(np.abs(_logits(out) - point(rest, out)))
        target_of.append(np.full(len(out), number))
    return np.concatenate(missed), np.concatenate(target_of)


def _own_mean(_: Transfers, asked: Transfers) -> Said:
    nothing = np.full(len(asked), np.nan)
    mean = float(np.mean([record.accuracy for record in asked]))
    return Said(np.full(len(asked), mean), nothing, nothing, nothing)
