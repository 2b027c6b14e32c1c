"""How good forecasts are: each target left out in turn, and told from the transfers on the others."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import weightedtau

from g2l.forecast.baselines import Kind, Method, Said, Transfers, methods
from g2l.forecast.expected import LEVEL, MIN_TARGETS, forecast
from g2l.forecast.records import PastTransfer
from g2l.forecast.regression import Floats
from g2l.studies.intervals import Interval, clustered_mean

SCORED_TARGETS = MIN_TARGETS + 1
"""Fewest targets of a table for calibrated forecasts: one is left out."""


@dataclass(frozen=True)
class Score:
    """How good a method is; targets weigh alike, intervals are over targets.

    Attributes:
        method: its name.
        kind: what it knows.
        error: mean absolute error of the expected accuracy, 0 to 1; None if it expects none.
        coverage: share of transfers inside the 90 % intervals; None without a calibration.
        tau: weighted Kendall tau of its ranking of a target's sources and that by accuracy (1: the same,
            0: chance); None if it does not rank.
        regret: accuracy of the best source less that of the one it puts first; None likewise.
    """

    method: str
    kind: Kind
    error: Interval | None
    coverage: Interval | None
    tau: Interval | None
    regret: Interval | None


@dataclass(frozen=True)
class BudgetScore:
    """How good label budgets are that forecasts say an accuracy needs.

    Attributes:
        error: mean absolute error in doublings, answers beyond the budgets seen counting as the largest.
        coverage: share of the measured budgets inside their 90 % intervals.
    """

    error: Interval
    coverage: Interval


def score_forecasts(transfers: Transfers) -> list[Score]:
    """Every method on the same transfers.

    Raises:
        ValueError: they are of fewer than two targets.
    """
    if len({record.target_id for record in transfers}) < 2:
        raise ValueError("a target is told from others: transfers on two targets or more are needed")
    repeats = score_repeats(transfers)
    found = [score(method, transfers) for method in methods(transfers)]
    return found if repeats.error is None else [*found, repeats]


def score(method: Method, transfers: Transfers) -> Score:
    """One method. Errors and ranks are of the mean over a recipe's seeds; coverage is of single transfers."""

    def told() -> Iterator[tuple[Transfers, Said]]:
        for asked in _cells(transfers):
            past = [record for record in transfers if record.target_id != asked[0].target_id]
            yield asked, method.say(past, asked)

    return _scored(method.name, method.kind, told())


def score_repeats(transfers: Transfers) -> Score:
    """What it would tell to train each recipe once instead: one run of each, of the mean of its others."""
    told = (each for asked in _cells(transfers) for each in _repeats(asked))
    return _scored("one run of each source", "oracle", told)


def score_budgets(transfers: Transfers) -> BudgetScore | None:
    """Forecasts at one label budget of the budget that gives the accuracy measured at another.

    Returns:
        None where too few targets have several budgets, or accuracy does not grow with them.
    """
    errors: dict[str, list[float]] = {}
    held: dict[str, list[float]] = {}
    for asked in _cells(transfers):
        past = [record for record in transfers if record.target_id != asked[0].target_id]
        for budget, doublings, inside in _budgets(asked, past, transfers):
            if budget != asked[0].label_budget:
                errors.setdefault(asked[0].target_id, []).append(doublings)
                held.setdefault(asked[0].target_id, []).append(inside)
    error, coverage = _over_targets(list(errors.values())), _over_targets(list(held.values()))
    return None if error is None or coverage is None else BudgetScore(error, coverage)


def _scored(name: str, kind: Kind, told: Iterable[tuple[Transfers, Said]]) -> Score:
    """Of transfers of one target and budget at a time, and what was said of them."""
    found: dict[str, dict[str, list[float]]] = {}
    for asked, said in told:
        of_target = found.setdefault(asked[0].target_id, {})
        for figure, values in _of_cell(asked, said).items():
            of_target.setdefault(figure, []).extend(values)
    figures = ("error", "coverage", "tau", "regret")
    means = {each: _over_targets([of[each] for of in found.values() if of.get(each)]) for each in figures}
    return Score(name, kind, **means)


def _cells(transfers: Transfers) -> list[list[PastTransfer]]:
    """The transfers of each target and label budget."""
    cells: dict[tuple[str, int | None], list[PastTransfer]] = {}
    for record in transfers:
        cells.setdefault((record.target_id, record.label_budget), []).append(record)
    return list(cells.values())


def _of_cell(asked: Transfers, said: Said) -> dict[str, list[float]]:
    """Errors, hits, tau and regret of what was said of one target and budget."""
    measured = np.array([record.accuracy for record in asked])
    outcome, values, scores = (_by_kin(asked, each) for each in (measured, said.values, said.scores))
    known = np.isfinite(said.low)
    inside = (said.low <= measured) & (measured <= said.high)
    found = {
        "error": np.abs(outcome - values)[np.isfinite(values)].tolist(),
        "coverage": inside[known].astype(float).tolist(),
    }
    if len(outcome) > 1 and np.isfinite(scores).any():
        scores = np.where(np.isfinite(scores), scores, np.nanmin(scores) - 1)
        tau = float(weightedtau(outcome, scores).statistic)
        found["tau"] = [0.0 if math.isnan(tau) else tau]  # all alike: no ranking
        found["regret"] = [float(outcome.max() - outcome[scores == scores.max()].mean())]
    return found


def _repeats(asked: Transfers) -> Iterator[tuple[Transfers, Said]]:
    """The first run of each recipe that has several, said of the others' mean; then the second, and so on."""
    runs_of: dict[str, list[PastTransfer]] = {}
    for record in asked:
        runs_of.setdefault(record.source.kin, []).append(record)
    several = [runs for runs in runs_of.values() if len(runs) > 1]
    for number in range(min(map(len, several), default=0)):
        known = np.array([runs[number].accuracy for runs in several])
        nothing = np.full(len(several), np.nan)
        others = [runs[:number] + runs[number + 1 :] for runs in several]
        means = [float(np.mean([record.accuracy for record in runs])) for runs in others]
        rest = [replace(runs[0], accuracy=mean) for runs, mean in zip(others, means, strict=True)]
        yield rest, Said(known, nothing, nothing, known)


def _by_kin(asked: Transfers, values: Floats) -> Floats:
    """The mean over the seeds of each recipe."""
    names = [record.source.kin for record in asked]
    return np.array(
        [values[[i for i, name in enumerate(names) if name == kin]].mean() for kin in dict.fromkeys(names)]
    )


def _budgets(asked: Transfers, past: Transfers, transfers: Transfers) -> Iterable[tuple[int, float, float]]:
    """Of each other budget with measurements: it, the error in doublings, whether it was inside."""
    target, at = asked[0].target_id, asked[0].label_budget
    measured: dict[int, dict[str, list[float]]] = {}
    for record in transfers:
        if record.target_id == target and record.label_budget not in (None, at):
            here = measured.setdefault(record.label_budget or 0, {})
            here.setdefault(record.source.source_id, []).append(record.accuracy)
    for budget, accuracies in measured.items():
        known = [record.source for record in asked if record.source.source_id in accuracies]
        wanted = [float(np.mean(accuracies[source.source_id])) for source in known]
        made = forecast(known, past, target_id=target, label_budget=at, wanted=wanted)
        for each in made.sources:
            if (needed := each.needed) is not None:
                low, high = (needed.largest * 2.0 if e is None else e for e in (needed.low, needed.high))
                doublings = math.log2((needed.value or needed.largest) / budget)
                yield budget, abs(doublings), float(low <= budget + 1e-6 and budget - 1e-6 <= high)


def _over_targets(values: Sequence[Sequence[float]]) -> Interval | None:
    return clustered_mean(values, level=LEVEL) if values else None
