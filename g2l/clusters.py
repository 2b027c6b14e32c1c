"""k-means with a seeding that scales: k-means++ on a sample, then scipy's Lloyd iterations."""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from g2l.geometry import row_slices

Floats = NDArray[np.float64]
ITERATIONS = 20


def k_means(points: Floats, k: int, rng: np.random.Generator) -> Floats:
    """Centres of k clusters, none of them empty.

    Args:
        points: (N, D) with at least k distinct rows.
        k: number of centres.
        rng: draws the seeding; nothing else is random.

    Returns:
        (k, D) centres; every one is the nearest centre of at least one point.
    """
    centres = _spread_seeds(points, k, rng)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One of the clusters is empty")
        centres, _ = kmeans2(points, centres, iter=ITERATIONS, minit="matrix", check_finite=False)
    return _without_empty(points, np.asarray(centres, dtype=np.float64))


def nearest_centres(points: Floats, centres: Floats) -> tuple[NDArray[np.int64], Floats]:
    """(N,) index of the nearest centre, the lower one of equals, and the squared distance to it."""
    ids, gaps = np.empty(len(points), dtype=np.int64), np.empty(len(points))
    sizes = (centres * centres).sum(1)
    for rows in row_slices(len(points), len(centres)):
        part = points[rows]
        squares = (part * part).sum(1)[:, None] + sizes - 2 * (part @ centres.T)
        ids[rows] = squares.argmin(1)
        gaps[rows] = np.maximum(squares.min(1), 0.0)
    return ids, gaps


def _spread_seeds(points: Floats, k: int, rng: np.random.Generator) -> Floats:
    """k-means++ (Arthur and Vassilvitskii 2007): each seed drawn by its squared distance to those before."""
    squares = (points * points).sum(1)
    chosen = [int(rng.integers(len(points)))]
    gaps = np.full(len(points), np.inf)
    while len(chosen) < k:
        last = points[chosen[-1]]
        gaps = np.minimum(gaps, np.maximum(squares + squares[chosen[-1]] - 2 * (points @ last), 0.0))
        gaps[chosen[-1]] = 0.0
        totals = np.cumsum(gaps)
        chosen.append(int(np.searchsorted(totals, rng.random() * totals[-1], side="right")))
    return points[chosen]


def _without_empty(points: Floats, centres: Floats) -> Floats:
    """Move each centre that has no point onto the point farthest from its own centre."""
    for _ in range(len(centres)):
        ids, gaps = nearest_centres(points, centres)
        empty = np.flatnonzero(np.bincount(ids, minlength=len(centres)) == 0)
        if not len(empty):
            break
        centres[empty[0]] = points[int(np.argmax(gaps))]
    return centres
