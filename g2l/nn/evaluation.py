"""How good a classifier is on a test split, with the interval that its size allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds between which it lies at a level of confidence."""

    value: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class ClassScore:
    """One class: precision, recall and F1 (0 where nothing was predicted), and its test images."""

    name: str
    precision: float
    recall: float
    f1: float
    n_images: int


@dataclass(frozen=True)
class Evaluation:
    """A classifier on a test split.

    Attributes:
        accuracy: share of images right, with its Wilson interval.
        balanced_accuracy: mean recall over the classes that have test images.
        macro_f1: mean F1 over the same classes.
        per_class: a score a class.
        confusion: C rows of true classes, C columns of predicted ones, counts of images.
    """

    accuracy: Interval
    balanced_accuracy: float
    macro_f1: float
    per_class: list[ClassScore]
    confusion: list[list[int]]


def wilson(hits: int, n: int, level: float = LEVEL) -> Interval:
    """Share of successes with Wilson's score interval.

    Source: E. B. Wilson, JASA 22 (1927); unlike the normal interval it stays in [0, 1] and never has width 0.

    Args:
        hits: successes.
        n: trials, at least 1.
        level: of confidence, 0 to 1.

    Returns:
        the share and its bounds.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # at the ends one bound is the share itself; rounding must not put it beside it
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), level)


def evaluate(
    truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], names: Sequence[str]
) -> Evaluation:
    """Compare predicted classes with the true ones.

    Args:
        truth: (N,) class ids, N > 0.
        predicted: (N,) class ids.
        names: of the C classes.

    Returns:
        the scores; classes without test images are left out of the means.
    """
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    right, actual, guessed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    recall = right / np.maximum(actual, 1)
    precision = right / np.maximum(guessed, 1)
    f1 = 2 * right / np.maximum(actual + guessed, 1)
    seen = actual > 0
    return Evaluation(
        accuracy=wilson(int(right.sum()), len(truth)),
        balanced_accuracy=float(recall[seen].mean()),
        macro_f1=float(f1[seen].mean()),
        per_class=[
            ClassScore(name, float(precision[i]), float(recall[i]), float(f1[i]), int(actual[i]))
            for i, name in enumerate(names)
        ],
        confusion=counts.tolist(),
    )
