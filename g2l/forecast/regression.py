"""Logit accuracy as the level of a target and the standing of a source among others on it.

Most of the variance of accuracies is between targets, and most of what scores and divergences tell is how
hard a target is. Which source is better on it is another question with other slopes, and a source's record on
other targets is the best single answer to it. So the two are regressed apart:

    logit(accuracy) = level(target, label budget) + standing(source, target) + rest

The level of a (target, label budget) cell is what training from scratch reached there, or where that is not
known the cell's mean accuracy of a linear or a nearest-neighbour classifier on the sources' features, and the
median of how far past cells were above theirs; without labels it is a ridge regression on the cell's mean
divergences and the budget. The standing is a ridge regression over transfers: on the mean of several scores,
each in units of how far sources differ in it, and on an effect of each recipe, shrunk like a random effect:
of a recipe that is new it is zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f

from g2l.figures import DIVERGENCES, FIGURES, Figure, logit, regressor
from g2l.forecast.records import Candidate, PastTransfer, log_budget

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LEVEL_RIDGE, STANDING_RIDGE = 1.0, 10.0
"""Penalties on standardized slopes, in observations."""
RECIPE_RIDGES = (0.5, 1000.0)
"""Bounds of the penalty on the effects of recipes, which follows from the transfers."""
RECORD_LEVEL = 0.95
"""How sure it has to be that recipes keep what they do from target to target."""
LEVELS: tuple[tuple[Figure, ...], ...] = (
    ("scratch",),
    ("ridge",),
    ("knn",),
    ("jensen_shannon", "frechet", "energy_distance"),
)
"""What the level follows from: the first that is known. Ten targets are too few to choose by, or for a slope:
one that is unlike the others turns it. And the number of classes, of which these know, misleads where a
target has more than all others (docs/results/forecasts.md)."""
ACCURACIES: tuple[tuple[Figure, ...], ...] = LEVELS[:3]
"""Levels that are accuracies themselves."""
SELDOM_KNOWN: tuple[tuple[Figure, ...], ...] = LEVELS[:2]
"""Those that old records and some targets lack."""
STANDINGS: tuple[tuple[Figure, ...], ...] = (
    ("knn", "ridge", "logme"),
    ("jensen_shannon", "frechet", "energy_distance"),
)
"""What the standing follows from: the first of which any is known. They count alike: which of them tells most
changes with the sources, and their mean hardly does worse than the best (docs/results/forecasts.md)."""


@dataclass(frozen=True)
class Choice:
    """The figures that level and standing follow from."""

    level: tuple[Figure, ...]
    standing: tuple[Figure, ...]


@dataclass(frozen=True)
class Rows:
    """Past transfers, then candidates of one target whose outcome is not known. R rows, P of them past.

    Attributes:
        outcome: (P,) logits.
        target_of: (P,) numbers of the targets.
        cell_of: (R,) numbers of the cells, the candidates' last.
        figures: (R, F) on the scale that is regressed from; NaN unknown.
        log_budget: (R, 1) of the labels a class.
        recipes: (R, G) the recipe's indicator; of recipes that no past transfer had, zeros.
        usable: figures that the candidates have: others do not count.
    """

    outcome: Floats
    target_of: Indices
    cell_of: Indices
    figures: Floats
    log_budget: Floats
    recipes: Floats
    usable: frozenset[Figure]

    @property
    def n_past(self) -> int:
        """Rows whose outcome is known."""
        return len(self.outcome)


def rows_of(
    past: Sequence[PastTransfer],
    asked: Sequence[Candidate],
    *,
    label_budget: int | None,
) -> Rows:
    """The rows; the candidates are of a target that no past transfer is on."""
    sources = [*(record.source for record in past), *asked]
    budgets = [*(record.label_budget for record in past), *([label_budget] * len(asked))]
    cells = [(record.target_id, record.label_budget) for record in past]
    numbers = {cell: number for number, cell in enumerate(dict.fromkeys(cells))}
    targets = {name: number for number, name in enumerate(sorted({record.target_id for record in past}))}
    kin = {name: number for number, name in enumerate(sorted({record.source.kin for record in past}))}
    recipes = np.zeros((len(sources), len(kin)))
    for row, source in enumerate(sources):
        if source.kin in kin:
            recipes[row, kin[source.kin]] = 1.0
    return Rows(
        outcome=np.array([logit(record.accuracy) for record in past]),
        target_of=np.array([targets[record.target_id] for record in past], np.int64),
        cell_of=np.array([*(numbers[cell] for cell in cells), *([len(numbers)] * len(asked))], np.int64),
        figures=np.array([[regressor(figure, s.figures) for figure in FIGURES] for s in sources]).reshape(
            -1, len(FIGURES)
        ),
        log_budget=np.array([[log_budget(budget)] for budget in budgets], np.float64).reshape(-1, 1),
        recipes=recipes,
        usable=frozenset(f for f in FIGURES if any(s.figures.get(f) is not None for s in asked)),
    )


def choose(rows: Rows) -> Choice:
    """What is known of the candidates."""
    level = next((each for each in LEVELS if rows.usable.issuperset(each)), LEVELS[-1])
    standing = next((each for each in STANDINGS if rows.usable.intersection(each)), ())
    return Choice(*(tuple(figure for figure in each if figure in rows.usable) for each in (level, standing)))


def predicted(rows: Rows, choice: Choice, fit_on: Indices, at: Indices) -> Floats:
    """(len(at),) logits at some rows, from the outcomes of others; neither splits a cell."""
    standing, recipe = _standing(rows, choice, fit_on)
    adjusted = rows.outcome[fit_on] - recipe[fit_on]
    cells, first = np.unique(rows.cell_of[fit_on], return_index=True)
    level_y = _means(adjusted[:, None], np.searchsorted(cells, rows.cell_of[fit_on]))[first, 0]
    level = _level(rows, choice, fit_on[first], level_y, at)
    return np.asarray(level + standing[at] + recipe[at])


def _standing(rows: Rows, choice: Choice, fit_on: Indices) -> tuple[Floats, Floats]:
    """(R,) what the figures tell, and the effect of the recipe."""
    y = rows.outcome[fit_on]
    y = y - _means(y[:, None], rows.cell_of[fit_on])[:, 0]
    told = _told(rows, choice.standing, fit_on)
    x = told[fit_on]
    beyond = y - x * float(x @ y) / (float(x @ x) + STANDING_RIDGE)
    recipe_ridge = _recipe_ridge(beyond, rows.recipes[fit_on].argmax(1), rows.target_of[fit_on])
    apart = (rows.recipes - _means(rows.recipes, rows.cell_of))[fit_on]
    design = np.concatenate([x[:, None], apart], axis=1)
    penalty = np.repeat([STANDING_RIDGE, recipe_ridge], [1, apart.shape[1]])
    weights = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ y)
    return told * weights[0], np.asarray(rows.recipes @ weights[1:])


def _told(rows: Rows, figures: Sequence[Figure], fit_on: Indices) -> Floats:
    """(R,) the mean over known figures of how far each is above its cell's mean, standardized on `fit_on`."""
    signs = np.where([figure in DIVERGENCES for figure in figures], -1.0, 1.0)
    values = signs * rows.figures[:, _columns(figures)]
    apart = values - _means(values, rows.cell_of)
    counts = np.maximum(np.isfinite(apart[fit_on]).sum(0), 1)
    units = np.sqrt(np.nansum(apart[fit_on] ** 2, axis=0) / counts)
    known = np.isfinite(apart)
    sums = np.where(known, apart / np.where(units > 0, units, 1.0), 0.0).sum(1)
    mean = sums / np.maximum(known.sum(1), 1)
    scale = float(mean[fit_on].std())
    return np.asarray(mean / (scale if scale > 0 else 1.0))


def _recipe_ridge(y: Floats, recipe_of: Indices, target_of: Indices) -> float:
    """The penalty, in transfers, that shrinks effects of recipes as random effects are.

    It is the variance of what recipes do on one target alone over that of what they keep from target to
    target, of the latter the lower bound at `RECORD_LEVEL`: a record that may be chance misleads more than
    none. Both are from the one-way analysis of variance of the means on each target (Searle, Casella,
    McCulloch, Variance Components, 1992), the bound exact where all recipes were on as many targets. A
    recipe's runs on one target count as one: they are alike.
    """
    pairs, pair_of = np.unique(np.stack([recipe_of, target_of]), axis=1, return_inverse=True)
    runs = np.bincount(pair_of.ravel())
    means = np.bincount(pair_of.ravel(), y) / runs
    _, group_of, targets = np.unique(pairs[0], return_inverse=True, return_counts=True)
    own = np.bincount(group_of, means) / targets
    weakest, strongest = RECIPE_RIDGES
    groups, rest = len(targets) - 1, len(means) - len(targets)
    if groups < 1 or rest < 1:
        return strongest
    within = float(((means - own[group_of]) ** 2).sum()) / rest
    between = float((targets * (own - means.mean()) ** 2).sum()) / groups
    each_group = (len(means) - float((targets**2).sum()) / len(means)) / groups
    kept = (between / float(f.ppf(RECORD_LEVEL, groups, rest)) - within) / each_group
    each = float(runs.mean())
    return strongest if kept * strongest <= each * within else max(weakest, each * within / kept)


def _level(rows: Rows, choice: Choice, known: Indices, outcome: Floats, at: Indices) -> Floats:
    """(len(at),) the level at some rows, from the mean outcomes of past cells; `known` is a row of each."""
    x = _means(rows.figures[:, _columns(choice.level)], rows.cell_of)
    if choice.level not in ACCURACIES:
        x = np.concatenate([x, rows.log_budget], axis=1)
        return _ridge(x[known], outcome, x[at], LEVEL_RIDGE)
    start = x[:, 0]
    told = np.isfinite(start[known])
    start = np.where(np.isfinite(start), start, start[known][told].mean() if told.any() else 0.0)
    _, number, cells = np.unique(rows.target_of[known], return_inverse=True, return_counts=True)
    return start[at] + _weighted_median(outcome - start[known], 1.0 / cells[number])


def _weighted_median(values: Floats, weights: Floats) -> float:
    """The middle of the weight; of an even number of equal weights the mean of the two middle values."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    low, high = (np.searchsorted(reached, 0.5 + shift) for shift in (-1e-9, 1e-9))
    return float(values[order][[low, high]].mean())


def _columns(figures: Sequence[Figure]) -> list[int]:
    return [FIGURES.index(figure) for figure in figures]


def _means(x: Floats, cell_of: Indices) -> Floats:
    """(R, P) the mean over the known values of each row's cell; NaN where none is."""
    known = np.isfinite(x)
    sums, counts = np.zeros((2, int(cell_of.max(initial=-1)) + 1, x.shape[1]))
    np.add.at(sums, cell_of, np.where(known, x, 0.0))
    np.add.at(counts, cell_of, known)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[cell_of])


def _ridge(x: Floats, y: Floats, new: Floats, penalty: float) -> Floats:
    """Fit on (x, y), predict for `new`; what is not known counts as the mean of x's column."""
    known = np.isfinite(x)
    counts = np.maximum(known.sum(0), 1)
    mean = np.where(known, x, 0.0).sum(0) / counts
    scale = np.sqrt(np.where(known, (x - mean) ** 2, 0.0).sum(0) / counts)
    design, query = (
        np.where(np.isfinite(part), (part - mean) / np.where(scale > 0, scale, 1.0), 0.0) for part in (x, new)
    )
    centre = design.mean(0)  # not zero where values were filled in
    gram = (design - centre).T @ (design - centre) + penalty * np.eye(design.shape[1])
    weights = np.linalg.solve(gram, (design - centre).T @ (y - y.mean()))
    return np.asarray(y.mean() + (query - centre) @ weights)
