"""The accuracy to expect of a source on a target, before any transfer, from the transfers recorded so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from g2l.figures import Figure, accuracy
from g2l.forecast.label_budgets import Growth, NeededBudget, growth_of, needed, residuals
from g2l.forecast.records import Candidate, PastTransfer, calibration_version
from g2l.forecast.regression import (
    SELDOM_KNOWN,
    Choice,
    Floats,
    Indices,
    Rows,
    choose,
    predicted,
    rows_of,
)

LEVEL = 0.9
MIN_TARGETS = 9
"""Fewest past targets for a 90 % interval: the target is what is exchangeable, and 9 / (9 + 1) = 0.9."""


@dataclass(frozen=True)
class SourceForecast:
    """What to expect of one candidate.

    Attributes:
        source_id: the candidate.
        value: expected accuracy, 0 to 1; None if nothing is known.
        low: lower end of the interval.
        high: upper end.
        rank: 1 for the best, over all candidates.
        needed: the label budget for the accuracy wanted; None if none is, or nothing is known of it.
    """

    source_id: str
    value: float | None
    low: float
    high: float
    rank: int
    needed: NeededBudget | None = None


@dataclass(frozen=True)
class Forecast:
    """Forecasts of all candidates, in the order they were given.

    Attributes:
        sources: one a candidate.
        level: of the intervals.
        n_past_transfers: records used; none of the same target.
        n_past_targets: targets among them.
        calibrated: the intervals come from 9 past targets or more; else they are [0, 1].
        figures: what the values follow from.
        version: of the calibration: a name of the past transfers and of the method.
    """

    sources: tuple[SourceForecast, ...]
    level: float
    n_past_transfers: int
    n_past_targets: int
    calibrated: bool
    figures: tuple[Figure, ...]
    version: str


@dataclass(frozen=True)
class _Expected:
    value: float | None
    low: float = 0.0
    high: float = 1.0
    needed: NeededBudget | None = None


def forecast(
    candidates: Sequence[Candidate],
    past: Sequence[PastTransfer],
    *,
    target_id: str,
    label_budget: int | None,
    wanted: Sequence[float] | None = None,
) -> Forecast:
    """Expected accuracy of each candidate on a target, with a 90 % interval, and their ranking.

    With 9 past targets or more: the regression of `g2l.forecast.regression`, on those figures that the
    candidates have. If the target was trained on from scratch, and 9 past targets were, the others do not
    count; if not, those without a linear classifier's accuracy do not. The interval is the prediction plus or
    minus a quantile of the residuals of leaving one target out at a time, all targets weighing alike and
    the new one counting as the worst (after hierarchical conformal prediction, arXiv 2306.06342). With fewer:
    the kNN accuracy, and [0, 1].

    Args:
        candidates: sources on the target at hand.
        past: transfers run so far; those on `target_id` are left out.
        target_id: the target at hand.
        label_budget: images a class; None for all of them.
        wanted: (candidates,) accuracies whose label budgets are asked for.

    Returns:
        The forecast.
    """
    candidates, others = _comparable(candidates, [each for each in past if each.target_id != target_id])
    n_targets = len({record.target_id for record in others})
    calibrated = n_targets >= MIN_TARGETS
    figures: tuple[Figure, ...] = ("knn",)
    expected = [_Expected(c.figures.get("knn")) for c in candidates]
    if calibrated:
        rows = rows_of(others, candidates, label_budget=label_budget)
        figures, expected = _regressed(rows, others, label_budget=label_budget, wanted=wanted)
    ranks = _ranks(candidates, [each.value for each in expected])
    sources = tuple(
        SourceForecast(c.source_id, each.value, each.low, each.high, rank, each.needed)
        for c, each, rank in zip(candidates, expected, ranks, strict=True)
    )
    version = calibration_version(others)
    return Forecast(sources, LEVEL, len(others), n_targets, calibrated, figures, version)


def _comparable(
    candidates: Sequence[Candidate], others: list[PastTransfer]
) -> tuple[Sequence[Candidate], list[PastTransfer]]:
    """The past transfers that know what the level is to follow from; candidates without what few know."""
    for (figure,) in SELDOM_KNOWN:
        alike = [record for record in others if record.source.figures.get(figure) is not None]
        enough = len({record.target_id for record in alike}) >= MIN_TARGETS
        if enough and all(each.figures.get(figure) is not None for each in candidates):
            return candidates, alike
        candidates = [replace(each, figures={**each.figures, figure: None}) for each in candidates]
    return candidates, others


def _regressed(
    rows: Rows, past: Sequence[PastTransfer], *, label_budget: int | None, wanted: Sequence[float] | None
) -> tuple[tuple[Figure, ...], list[_Expected]]:
    """The figures chosen, and what to expect of the candidates."""
    every = np.arange(rows.n_past)
    choice = choose(rows)
    left_out = _left_out(rows, choice)
    width = target_quantile(np.abs(rows.outcome - left_out), rows.target_of)
    centres = predicted(rows, choice, every, np.arange(rows.n_past, len(rows.cell_of)))
    budgets: list[NeededBudget | None] = [None] * len(centres)
    if wanted is not None and label_budget is not None:
        growth = growth_of(past, rows.target_of)
        budgets = _needed(rows, growth, left_out, centres, label_budget=label_budget, wanted=wanted)
    figures = tuple(dict.fromkeys([*choice.level, *choice.standing]))
    spans = (accuracy(centres + shift).tolist() for shift in (0.0, -width, width))
    return figures, [_Expected(*each) for each in zip(*spans, budgets, strict=True)]


def _left_out(rows: Rows, choice: Choice) -> Floats:
    """(P,) forecasts of the past transfers, each without its target."""
    found = np.empty(rows.n_past)
    for number in range(int(rows.target_of.max()) + 1):
        at, rest = (np.flatnonzero(each) for each in (rows.target_of == number, rows.target_of != number))
        found[at] = predicted(rows, choice, rest, at)
    return found


def _needed(
    rows: Rows,
    growth: Growth,
    left_out: Floats,
    centres: Floats,
    *,
    label_budget: int,
    wanted: Sequence[float],
) -> list[NeededBudget | None]:
    missed, target_of = residuals(growth, rows.outcome, left_out, rows.target_of)
    width = target_quantile(missed, target_of) if len(np.unique(target_of)) >= MIN_TARGETS else math.inf
    return [
        needed(growth, wanted=goal, centre=c, width=width, label_budget=label_budget, level=LEVEL)
        for goal, c in zip(wanted, centres.tolist(), strict=True)
    ]


def target_quantile(missed: Floats, target_of: Indices) -> float:
    """The residual that holds `LEVEL` of the weight, targets weighing alike, one more at infinity."""
    _, numbers, sizes = np.unique(target_of, return_inverse=True, return_counts=True)
    weights = 1.0 / (sizes[numbers] * (len(sizes) + 1))
    order = np.argsort(missed)
    reached = np.cumsum(weights[order]) >= LEVEL - 1e-9  # nine tenths are to count as 0.9
    return float(missed[order][int(np.argmax(reached))])


def _ranks(candidates: Sequence[Candidate], values: Sequence[float | None]) -> list[int]:
    """1 for the highest value; then the smaller divergence, the larger source, the earlier candidate."""

    def key(i: int) -> tuple[float, float, float]:
        value, c = values[i], candidates[i]
        divergence = c.figures.get("jensen_shannon")
        return (
            math.inf if value is None else -value,
            math.inf if divergence is None else divergence,
            -(c.source_size or 0),
        )

    ranks = [0] * len(candidates)
    for rank, i in enumerate(sorted(range(len(candidates)), key=key), 1):
        ranks[i] = rank
    return ranks
