"""How many labels a class: the label budget at which a source is expected to reach an accuracy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from g2l.figures import logit
from g2l.forecast.records import PastTransfer, log_budget

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class NeededBudget:
    """Images a class at which an accuracy is expected, within the budgets that past transfers had.

    Attributes:
        value: at which it is expected; None: more than `largest`.
        low: at which it may be reached at best; None likewise.
        high: at which it is reached at worst; None likewise.
        smallest: fewest images a class of a past transfer; an end that is as small may be smaller yet.
        largest: most images a class of a past transfer.
        level: how often such an interval holds the truth.
    """

    value: float | None
    low: float | None
    high: float | None
    smallest: int
    largest: int
    level: float


@dataclass(frozen=True)
class Growth:
    """How logit accuracy grows with the log of the label budget, with source and target kept.

    Attributes:
        slopes: (T,) of each target; NaN where all its transfers had one budget.
        budgets: (P,) logs of images a class; NaN for all.
        pairs: (2, Q) rows of equal target and source, budgets known, each with each.
    """

    slopes: Floats
    budgets: Floats
    pairs: Indices

    def slope(self, but: int | None = None) -> float:
        """The mean over targets, one of them left out; NaN where no other has several budgets."""
        kept = self.slopes if but is None else np.delete(self.slopes, but)
        return float(np.nanmean(kept)) if np.isfinite(kept).any() else math.nan


def growth_of(past: Sequence[PastTransfer], target_of: Indices) -> Growth:
    """What past transfers with several budgets show."""
    budgets = np.array([log_budget(record.label_budget) for record in past])
    rows: dict[tuple[int, str], list[int]] = {}
    for row in np.flatnonzero(np.isfinite(budgets)).tolist():
        rows.setdefault((int(target_of[row]), past[row].source.source_id), []).append(row)
    outcome = np.array([logit(record.accuracy) for record in past])
    n_targets = int(target_of.max(initial=-1)) + 1
    products, squares = np.zeros((2, n_targets))
    for (target, _), group in rows.items():
        apart = budgets[group] - budgets[group].mean()
        products[target] += apart @ outcome[group]
        squares[target] += apart @ apart
    slopes = np.full(n_targets, np.nan)
    np.divide(products, squares, out=slopes, where=squares > 1e-9)
    pairs = [(i, j) for group in rows.values() if len(group) > 1 for i in group for j in group]
    return Growth(slopes, budgets, np.array(pairs, np.int64).reshape(-1, 2).T)


def residuals(
    growth: Growth, outcome: Floats, left_out: Floats, target_of: Indices
) -> tuple[Floats, Indices]:
    """What forecasts at one budget miss of outcomes at another, and on which target.

    Args:
        growth: of the past transfers.
        outcome: (P,) logits.
        left_out: (P,) forecasts of them without their target.
        target_of: (P,) numbers of the targets.
    """
    at, other = growth.pairs
    slopes = np.array([growth.slope(but=number) for number in range(len(growth.slopes))])[target_of[at]]
    missed = np.abs(outcome[other] - left_out[at] - slopes * (growth.budgets[other] - growth.budgets[at]))
    known = np.isfinite(missed)
    return missed[known], target_of[at][known]


def needed(
    growth: Growth, *, wanted: float, centre: float, width: float, label_budget: int, level: float
) -> NeededBudget | None:
    """The budget at which logit `centre`, expected at `label_budget`, becomes that of the accuracy wanted.

    Returns:
        it; None where accuracy was not seen to grow with the budget.
    """
    slope = growth.slope()
    if not slope > 0:
        return None
    smallest, largest = (round(math.exp(end(growth.budgets))) for end in (np.nanmin, np.nanmax))

    def at(expected: float) -> float | None:
        log = math.log(label_budget) + (logit(wanted) - expected) / slope
        return None if log > math.log(largest) + 1e-9 else max(math.exp(log), float(smallest))

    return NeededBudget(at(centre), at(centre + width), at(centre - width), smallest, largest, level)
