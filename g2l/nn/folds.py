"""Splits of a labelled set for choosing hyperparameters inside it."""

import numpy as np
import numpy.typing as npt

from g2l.nn.randomness import numpy_generator

Indices = npt.NDArray[np.int64]
Groups = npt.NDArray[np.uint64]


def stratified_folds(
    labels: Indices, n_folds: int, *, seed: int, groups: Groups | None = None
) -> list[tuple[Indices, Indices]]:
    """Pairs of (fit, check) rows; every row is checked once and every class is spread over the folds.

    Args:
        labels: (N,) class ids.
        n_folds: wanted; fewer if the smallest class has fewer images, none if it has one.
        seed: decides the split.
        groups: (N,) a number for each row's group, 0 without one; a group stays in one fold, and classes
            count by groups instead of images. None: no groups.

    Returns:
        `n_folds` pairs of sorted indices, or an empty list; fewer where groups leave a class out of a fit.
    """
    if groups is not None:
        return _folds_of_groups(labels, n_folds, seed=seed, groups=groups)
    n_folds = min(n_folds, int(np.unique(labels, return_counts=True)[1].min()))
    if n_folds < 2:
        return []
    rng = numpy_generator(seed, 6)
    fold = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        fold[rows] = (np.arange(len(rows)) + rng.integers(n_folds)) % n_folds
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]


def _folds_of_groups(
    labels: Indices, n_folds: int, *, seed: int, groups: Groups
) -> list[tuple[Indices, Indices]]:
    alone = np.flatnonzero(groups == 0)
    units = np.unique(groups, return_inverse=True)[1]
    units[alone] = len(labels) + np.arange(len(alone))
    units = np.unique(units, return_inverse=True)[1]
    classes = np.unique(labels, return_inverse=True)[1]
    held = np.zeros((units.max() + 1, classes.max() + 1))  # images of each class in each group
    np.add.at(held, (units, classes), 1)
    n_folds = min(n_folds, int((held > 0).sum(0).min()))
    if n_folds < 2:
        return []
    order = numpy_generator(seed, 6).permutation(len(held))
    order = order[np.argsort(-held[order].sum(1), kind="stable")]  # the largest first: they fit worst
    fold, filled, totals = (
        np.empty(len(held), dtype=np.int64),
        np.zeros((n_folds, held.shape[1])),
        held.sum(0),
    )
    for unit in order:
        fold[unit] = (((filled + held[unit]) ** 2 - filled**2) / totals).sum(1).argmin()
        filled[fold[unit]] += held[unit]
    of_row = fold[units]
    return [
        (np.flatnonzero(of_row != k), np.flatnonzero(of_row == k))
        for k in range(n_folds)
        if (totals - filled[k] > 0).all() and filled[k].any()
    ]


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
