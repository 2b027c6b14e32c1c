"""Logit accuracy as the level of a target and the standing of a source among others on it.

Most of the variance of accuracies is between targets, and most of what scores and divergences tell is how
hard a target is. Which source is better on it is another question with other slopes, and a source's record on
other targets is the best single answer to it. So the two are regressed apart:

    logit(accuracy) = level(target, label budget) + standing(source, target) + rest

The level is a ridge regression over (target, label budget) cells, on the cell's mean figures; the standing is
one over transfers, on the deviations of figures from the cell's mean and on an effect of each recipe, shrunk
like a random effect: of a recipe that is new it is zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from g2l.figures import FIGURES, Figure, logit, regressor
from g2l.forecast.records import Candidate, PastTransfer, log_budget

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LEVEL_RIDGE, STANDING_RIDGE, RECIPE_RIDGE = 1.0, 10.0, 4.0
"""Penalties on standardized slopes, and on the effects of recipes, in observations."""
LEVEL_SETS: tuple[tuple[Figure, ...], ...] = (
    ("knn",),
    ("knn", "logme", "h_score"),
    ("jensen_shannon", "frechet", "energy_distance"),
)
STANDING_SETS: tuple[tuple[Figure, ...], ...] = (
    (),
    ("jensen_shannon", "frechet", "energy_distance", "knn", "logme", "leep", "nce", "h_score", "gbc"),
)
"""What a forecast chooses among; the first where they do equally well."""
CHOICE_PARTS = 5
"""Groups of targets, each left out once, by which the figures to regress from are chosen."""


@dataclass(frozen=True)
class Choice:
    """The figures that level and standing are regressed from."""

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
        of_cell: (R, 2) log number of classes and log label budget.
        size: (R, 1) log images the source was trained on.
        recipes: (R, G) the recipe's indicator; of recipes that no past transfer had, zeros.
        usable: figures that the candidates have: others do not count.
    """

    outcome: Floats
    target_of: Indices
    cell_of: Indices
    figures: Floats
    of_cell: Floats
    size: Floats
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
    n_classes: int | None,
    label_budget: int | None,
) -> Rows:
    """The rows; the candidates are of a target that no past transfer is on."""
    sources = [*(record.source for record in past), *asked]
    classes = [*(record.n_classes for record in past), *([n_classes] * len(asked))]
    budgets = [*(record.label_budget for record in past), *([label_budget] * len(asked))]
    cells = [(record.target_id, record.label_budget) for record in past]
    numbers = {cell: number for number, cell in enumerate(dict.fromkeys(cells))}
    targets = {name: number for number, name in enumerate(sorted({record.target_id for record in past}))}
    kin = {name: number for number, name in enumerate(sorted({record.source.kin for record in past}))}
    recipes = np.zeros((len(sources), len(kin)))
    for row, source in enumerate(sources):
        if source.kin in kin:
            recipes[row, kin[source.kin]] = 1.0
    known = [(n or np.nan, log_budget(budget)) for n, budget in zip(classes, budgets, strict=True)]
    of_cell = np.array(known, np.float64).reshape(-1, 2)
    # A target without labels has an unknown number of classes; then those of others explain nothing, either.
    of_cell[:, 0] = np.log(of_cell[:, 0]) if n_classes else np.nan
    return Rows(
        outcome=np.array([logit(record.accuracy) for record in past]),
        target_of=np.array([targets[record.target_id] for record in past], np.int64),
        cell_of=np.array([*(numbers[cell] for cell in cells), *([len(numbers)] * len(asked))], np.int64),
        figures=np.array([[regressor(figure, s.figures) for figure in FIGURES] for s in sources]).reshape(
            -1, len(FIGURES)
        ),
        of_cell=of_cell,
        size=np.log([[s.source_size or np.nan] for s in sources]).reshape(-1, 1),
        recipes=recipes,
        usable=frozenset(f for f in FIGURES if any(s.figures.get(f) is not None for s in asked)),
    )


def predicted(rows: Rows, choice: Choice, fit_on: Indices, at: Indices) -> Floats:
    """(len(at),) logits at some rows, from the outcomes of others; neither splits a cell."""
    standing, recipe = _standing(rows, choice, fit_on)
    adjusted = rows.outcome[fit_on] - recipe[fit_on]
    cells, first = np.unique(rows.cell_of[fit_on], return_index=True)
    level_y = _means(adjusted[:, None], np.searchsorted(cells, rows.cell_of[fit_on]))[first, 0]
    x = _level_regressors(rows, choice)
    level = _ridge(x[fit_on][first], level_y, x[at], LEVEL_RIDGE)
    return np.asarray(level + standing[at] + recipe[at])


def choose(rows: Rows, fit_on: Indices) -> Choice:
    """The figures of least error on targets left out: first of the standing alone, then of the whole."""
    levels, standings = (
        list(dict.fromkeys(tuple(f for f in each if f in rows.usable) for each in sets))
        for sets in (LEVEL_SETS, STANDING_SETS)
    )
    if len(np.unique(rows.target_of[fit_on])) < 2:
        return Choice(levels[0], standings[0])
    cells = rows.cell_of[fit_on]

    def off(choice: Choice, *, level: bool) -> float:
        rest = rows.outcome[fit_on] - _left_out(rows, choice, fit_on)
        wrong = np.abs(rest if level else rest - _means(rest[:, None], cells)[:, 0])
        return float(_by_target(wrong, rows.target_of[fit_on]).mean())

    standing = min(standings, key=lambda each: off(Choice(levels[0], each), level=False))
    level = min(levels, key=lambda each: off(Choice(each, standing), level=True)) if levels[1:] else levels[0]
    return Choice(level, standing)


def _left_out(rows: Rows, choice: Choice, fit_on: Indices) -> Floats:
    _, numbers = np.unique(rows.target_of[fit_on], return_inverse=True)
    found = np.empty(len(fit_on))
    for part in range(CHOICE_PARTS):
        test = numbers % CHOICE_PARTS == part
        if test.any():
            found[test] = predicted(rows, choice, fit_on[~test], fit_on[test])
    return found


def _by_target(values: Floats, target_of: Indices) -> Floats:
    """The mean of each target's values."""
    _, numbers = np.unique(target_of, return_inverse=True)
    return np.bincount(numbers, values) / np.bincount(numbers)


def _standing(rows: Rows, choice: Choice, fit_on: Indices) -> tuple[Floats, Floats]:
    """(R,) what the figures' deviations tell, and the effect of the recipe."""
    x = np.concatenate([rows.figures[:, _columns(choice.standing)], rows.size], axis=1)
    deviations = np.nan_to_num(x - _means(x, rows.cell_of))
    scale = deviations[fit_on].std(0)
    deviations /= np.where(scale > 0, scale, 1.0)
    apart = (rows.recipes - _means(rows.recipes, rows.cell_of))[fit_on]
    y = rows.outcome[fit_on]
    y = y - _means(y[:, None], rows.cell_of[fit_on])[:, 0]
    design = np.concatenate([deviations[fit_on], apart], axis=1)
    n = deviations.shape[1]
    penalty = np.repeat([STANDING_RIDGE, RECIPE_RIDGE], [n, apart.shape[1]])
    weights = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ y)
    return np.asarray(deviations @ weights[:n]), np.asarray(rows.recipes @ weights[n:])


def _level_regressors(rows: Rows, choice: Choice) -> Floats:
    return np.concatenate(
        [_means(rows.figures[:, _columns(choice.level)], rows.cell_of), rows.of_cell], axis=1
    )


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
