"""The figures that a forecast may regress from, by name: scores, divergences, accuracy from scratch."""

import math
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Figure = Literal[
    "knn",
    "ridge",
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
    "scratch",
]
FIGURES: tuple[Figure, ...] = get_args(Figure)
DIVERGENCES: frozenset[Figure] = frozenset(
    {"jensen_shannon", "kl", "gaussian_kl", "frechet", "energy_distance"}
)
"""Smaller is nearer; the other figures need labels of the target, and larger is better."""
OF_THE_TARGET: frozenset[Figure] = frozenset({"scratch"})
"""Accuracy of the same network fine-tuned from scratch on the target, alike for all sources: no ranking."""
Figures = Mapping[Figure, float | None]

CLIP = 0.005
"""Accuracies are kept this far from 0 and 1, so that their logits stay finite."""

_SKEWED = frozenset({"kl", "gaussian_kl", "frechet"})


def regressor(figure: Figure, figures: Figures) -> float:
    """A figure on the scale that is regressed from: accuracies as logits, long tails as logs; NaN unknown."""
    value = figures.get(figure)
    if value is None:
        return math.nan
    if figure in ("knn", "ridge", "scratch"):
        return logit(value)
    return math.log1p(value) if figure in _SKEWED else value


def logit(accuracy: float) -> float:
    """log(a / (1 - a)) of an accuracy kept `CLIP` away from 0 and 1."""
    kept = min(max(accuracy, CLIP), 1 - CLIP)
    return math.log(kept / (1 - kept))


def accuracy(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The accuracies of logits."""
    return np.asarray(1 / (1 + np.exp(-logits)))
