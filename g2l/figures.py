"""The figures that a forecast may regress from: scores and divergences, by name."""

import math
from collections.abc import Mapping
from typing import Literal, get_args

Figure = Literal[
    "knn",
    "logme",
    "leep",
    "nce",
    "h_score",
    "gbc",
    "jensen_shannon",
    "kl",
    "gaussian_kl",
    "frechet",
    "energy_distance",
]
FIGURES: tuple[Figure, ...] = get_args(Figure)
Figures = Mapping[Figure, float | None]

FIGURE_SETS: tuple[tuple[Figure, ...], ...] = (
    ("jensen_shannon", "knn"),
    ("knn", "logme", "h_score"),
    ("jensen_shannon", "frechet", "energy_distance", "knn", "logme", "leep", "nce", "h_score", "gbc"),
)
"""What a forecast chooses among; the first where they do equally well."""
CLIP = 0.005
"""Accuracies are kept this far from 0 and 1, so that their logits stay finite."""

_SKEWED = frozenset({"kl", "gaussian_kl", "frechet"})


def regressor(figure: Figure, figures: Figures) -> float:
    """A figure on the scale that is regressed from: accuracies as logits, long tails as logs; NaN unknown."""
    value = figures.get(figure)
    if value is None:
        return math.nan
    if figure == "knn":
        return logit(value)
    return math.log1p(value) if figure in _SKEWED else value


def logit(accuracy: float) -> float:
    """log(a / (1 - a)) of an accuracy kept `CLIP` away from 0 and 1."""
    kept = min(max(accuracy, CLIP), 1 - CLIP)
    return math.log(kept / (1 - kept))
