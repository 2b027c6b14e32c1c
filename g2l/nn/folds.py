"""Splits of a labelled set for choosing hyperparameters inside it."""

import numpy as np
import numpy.typing as npt

from g2l.nn.randomness import numpy_generator

Indices = npt.NDArray[np.int64]


def stratified_folds(labels: Indices, n_folds: int, *, seed: int) -> list[tuple[Indices, Indices]]:
    """Pairs of (fit, check) rows; every row is checked once and every class is spread over the folds.

    Args:
        labels: (N,) class ids.
        n_folds: wanted; fewer if the smallest class has fewer images, none if it has one.
        seed: decides the split.

    Returns:
        `n_folds` pairs of sorted indices, or an empty list.
    """
    n_folds = min(n_folds, int(np.unique(labels, return_counts=True)[1].min()))
    if n_folds < 2:
        return []
    rng = numpy_generator(seed, 6)
    fold = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        fold[rows] = (np.arange(len(rows)) + rng.integers(n_folds)) % n_folds
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]


def stratified_subset(labels: Indices, n: int, *, seed: int) -> Indices:
    """About n sorted rows with every class in its share, and two images of each where it has them."""
    if len(labels) <= n:
        return np.arange(len(labels))
    rng = numpy_generator(seed, 7)
    kept = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        kept.append(rows[: max(2, round(len(rows) * n / len(labels)))])
    return np.sort(np.concatenate(kept))
