"""The accuracy to expect of a source on a target, before any transfer, from the transfers recorded so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from g2l.figures import FIGURE_SETS, Figure, Figures, logit, regressor

Floats = NDArray[np.float64]

LEVEL = 0.9
MIN_TARGETS = 9
"""Fewest past targets for a 90 % interval: the target is what is exchangeable, and 9 / (9 + 1) = 0.9."""
RIDGE = 1.0
"""Penalty on standardized coefficients, in observations."""
CHOICE_PARTS = 5
"""Groups of targets, each left out once, by which the figures to regress from are chosen."""


@dataclass(frozen=True)
class Candidate:
    """A source and what is known of it on the target at hand.

    Attributes:
        source_id: the source.
        source_size: images the source was trained on; None if not known.
        figures: transferability scores and divergences by name, None or missing where not known: scores
            without target labels, divergences without a pool, all but two in old records.
    """

    source_id: str
    source_size: int | None
    figures: Figures


@dataclass(frozen=True)
class PastTransfer:
    """A transfer that was run.

    Attributes:
        target_id: its target.
        source: its source, as it was known before the transfer.
        n_classes: of the target.
        label_budget: images a class; None for all of them.
        accuracy: measured, 0 to 1.
    """

    target_id: str
    source: Candidate
    n_classes: int
    label_budget: int | None
    accuracy: float


_Row = tuple[Candidate, int | None, int | None]  # a source, the target's number of classes, the label budget


@dataclass(frozen=True)
class SourceForecast:
    """What to expect of one candidate.

    Attributes:
        source_id: the candidate.
        value: expected accuracy, 0 to 1; None if nothing is known.
        low: lower end of the interval.
        high: upper end.
        rank: 1 for the best, over all candidates.
    """

    source_id: str
    value: float | None
    low: float
    high: float
    rank: int


@dataclass(frozen=True)
class Forecast:
    """Forecasts of all candidates, in the order they were given.

    Attributes:
        sources: one a candidate.
        level: of the intervals.
        n_past_transfers: records used; none of the same target.
        n_past_targets: targets among them.
        calibrated: the intervals come from 9 past targets or more; else they are [0, 1].
    """

    sources: tuple[SourceForecast, ...]
    level: float
    n_past_transfers: int
    n_past_targets: int
    calibrated: bool


def forecast(
    candidates: Sequence[Candidate],
    past: Sequence[PastTransfer],
    *,
    target_id: str,
    n_classes: int | None,
    label_budget: int | None,
) -> Forecast:
    """Expected accuracy of each candidate on a target, with a 90 % interval, and their ranking.

    With 9 past targets or more: ridge regression of logit accuracy on figures of the source, log source size,
    log number of classes and log label budget; an unknown figure counts as the mean of the known ones, with a
    column that says so. Which of `FIGURE_SETS` is the one of least error on targets left out. The interval is
    the prediction plus or minus a quantile of the residuals of leaving one target out at a time, that choice
    included, all targets weighing alike and the new one counting as the worst (after hierarchical conformal
    prediction, arXiv 2306.06342). With fewer: the kNN accuracy, and [0, 1].

    Args:
        candidates: sources on the target at hand.
        past: transfers run so far; those on `target_id` are left out.
        target_id: the target at hand.
        n_classes: of the target; None if it has no labels.
        label_budget: images a class; None for all of them.

    Returns:
        The forecast.
    """
    others = [record for record in past if record.target_id != target_id]
    targets = sorted({record.target_id for record in others})
    calibrated = len(targets) >= MIN_TARGETS
    if calibrated:
        asked = [(candidate, n_classes, label_budget) for candidate in candidates]
        ranges = _predict(asked, others, targets)
    else:
        ranges = [(c.figures.get("knn"), 0.0, 1.0) for c in candidates]
    ranks = _ranks(candidates, [value for value, _, _ in ranges])
    sources = tuple(
        SourceForecast(c.source_id, *span, rank)
        for c, span, rank in zip(candidates, ranges, ranks, strict=True)
    )
    return Forecast(sources, LEVEL, len(others), len(targets), calibrated)


def _design(rows: Sequence[_Row], chosen: Sequence[Figure]) -> Floats:
    """(R, P) regressors, NaN where unknown."""
    return np.array(
        [
            [
                *(regressor(figure, source.figures) for figure in chosen),
                math.log(source.source_size) if source.source_size else math.nan,
                math.log(n_classes) if n_classes else math.nan,
                math.log(label_budget) if label_budget else math.nan,
            ]
            for source, n_classes, label_budget in rows
        ]
    ).reshape(len(rows), len(chosen) + 3)


def _predict(
    asked: Sequence[_Row], past: Sequence[PastTransfer], targets: Sequence[str]
) -> list[tuple[float | None, float, float]]:
    known = [(p.source, p.n_classes, p.label_budget) for p in past]
    designs = [_design(known, chosen) for chosen in FIGURE_SETS]
    outcome = np.array([logit(p.accuracy) for p in past])
    target_of = np.array([targets.index(p.target_id) for p in past])
    residuals = np.empty(len(past))
    for left_out in range(len(targets)):
        test = target_of == left_out
        rest = [design[~test] for design in designs]
        best = _choice(rest, outcome[~test], target_of[~test])
        predicted = _ridge(rest[best], outcome[~test], designs[best][test])
        residuals[test] = np.abs(outcome[test] - predicted)
    width = _target_quantile(residuals, target_of)
    best = _choice(designs, outcome, target_of)
    centre = _ridge(designs[best], outcome, _design(asked, FIGURE_SETS[best]))
    return [(_accuracy(c), _accuracy(c - width), _accuracy(c + width)) for c in centre.tolist()]


def _choice(designs: Sequence[Floats], outcome: Floats, target_of: NDArray[np.int64]) -> int:
    """The design of least mean error on targets left out, all targets weighing alike."""
    _, numbers, sizes = np.unique(target_of, return_inverse=True, return_counts=True)
    part_of = numbers % CHOICE_PARTS
    errors = []
    for design in designs:
        residuals = np.empty(len(outcome))
        for part in range(CHOICE_PARTS):
            test = part_of == part
            residuals[test] = np.abs(outcome[test] - _ridge(design[~test], outcome[~test], design[test]))
        errors.append(float((residuals / sizes[numbers]).sum()))
    return int(np.argmin(errors))


def _ridge(x: Floats, y: Floats, new: Floats) -> Floats:
    """Fit on (x, y), predict for `new`; NaN is filled with the mean of x's column, and flagged."""
    known = np.isfinite(x)
    counts = known.sum(0)
    mean = np.where(known, x, 0.0).sum(0) / np.maximum(counts, 1)
    scale = np.sqrt(np.where(known, (x - mean) ** 2, 0.0).sum(0) / np.maximum(counts, 1))
    design, query = (_standardized(part, mean, scale) for part in (x, new))
    centre, level = design.mean(0), y.mean()
    gram = (design - centre).T @ (design - centre) + RIDGE * np.eye(design.shape[1])
    weights = np.linalg.solve(gram, (design - centre).T @ (y - level))
    return np.asarray(level + (query - centre) @ weights)


def _standardized(x: Floats, mean: Floats, scale: Floats) -> Floats:
    known = np.isfinite(x)
    z = np.where(known, (x - mean) / np.where(scale > 0, scale, 1.0), 0.0)
    return np.concatenate([z, (~known).astype(np.float64)], axis=1)


def _target_quantile(residuals: Floats, target_of: NDArray[np.int64]) -> float:
    """The residual that holds `LEVEL` of the weight, targets weighing alike, one more at infinity."""
    sizes = np.bincount(target_of)
    weights = 1.0 / (sizes[target_of] * (len(sizes) + 1))
    order = np.argsort(residuals)
    reached = np.cumsum(weights[order]) >= LEVEL - 1e-9  # nine tenths are to count as 0.9
    return float(residuals[order][int(np.argmax(reached))])


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


def _accuracy(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
