"""Means of what was measured in clusters, with bootstrap intervals that know of the clusters.

Runs on one target are more alike than runs on several, so the target is what is drawn anew, and then the runs
on each drawn target: two stages. With few targets the percentiles of a bootstrap are too narrow; they are
taken further out, as Student's t is wider than the normal distribution (the expanded percentile interval of
Hesterberg, arXiv 1411.5279).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
DRAWS = 10_000
_AT_ONCE = 1 << 22  # numbers drawn at once


@dataclass(frozen=True)
class Interval:
    """An estimate, and where the truth may lie.

    Attributes:
        value: the estimate.
        low: lower end; None where one run alone says nothing of its own chance.
        high: upper end; None likewise.
        level: how often such an interval holds the truth.
    """

    value: float
    low: float | None
    high: float | None
    level: float = LEVEL


def clustered_mean(
    clusters: Sequence[ArrayLike], *, level: float = LEVEL, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The mean of the clusters' means, all clusters weighing alike.

    Args:
        clusters: values of each cluster, any number of one or more. Of one cluster the values are drawn
            anew, and the interval is of this cluster alone.
        level: of the interval.
        draws: of the bootstrap.
        seed: of the draws.

    Raises:
        ValueError: no cluster, or one without values.
    """
    groups = [np.asarray(values, np.float64).ravel() for values in clusters]
    if not groups or any(len(values) == 0 for values in groups):
        raise ValueError("a mean needs one cluster or more, each of one value or more")
    value = float(np.mean([values.mean() for values in groups]))
    if len(groups) == 1:
        groups = [np.array([entry]) for entry in groups[0]]
    if len(groups) == 1:
        return Interval(value, None, None, level)
    tail = _expanded_tail(len(groups), level)
    means = _resampled(groups, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(value, min(float(low), value), max(float(high), value), level)


def _expanded_tail(n: int, level: float) -> float:
    """The share of draws beyond each end, for n clusters."""
    reach = math.sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 1)
    return float(stats.norm.sf(reach))


def _resampled(
    groups: Sequence[NDArray[np.float64]], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(draws,) means of as many clusters as there are, each of as many of its values as it has."""
    n, lengths = len(groups), np.array([len(values) for values in groups])
    padded = np.zeros((n, lengths.max()))
    for row, values in zip(padded, groups, strict=True):
        row[: len(values)] = values
    means = np.empty(draws)
    step = max(1, _AT_ONCE // padded.size)
    for start in range(0, draws, step):
        count = min(step, draws - start)
        drawn = rng.integers(0, n, (count, n))
        size = lengths[drawn][..., None]
        inner = (rng.random((count, n, padded.shape[1])) * size).astype(np.int64)
        values = np.where(np.arange(padded.shape[1]) < size, padded[drawn[..., None], inner], 0.0)
        means[start : start + count] = (values.sum(2) / size[..., 0]).mean(1)
    return means
