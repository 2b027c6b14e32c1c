"""Energy distances: squared distances between distributions that are known by samples.

Between P and Q it is 2 E|x - y| - E|x - x'| - E|y - y'| (Szekely and Rizzo), here over all pairs of the
samples, each row with itself included (V-statistics). That makes it the squared distance between two points
of a Hilbert space, so that simplices of images and anchors always embed; an image is a sample of one.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from g2l.distances import Floats, lengths_between
from g2l.geometry import row_slices

PAIRS = 2**21
"""Distances held at a time (16 MiB)."""


@dataclass(frozen=True)
class SampledAnchors:
    """K anchors as samples, one after another.

    Attributes:
        points: (S, D) prepared samples (see `Metric.prepare`), each anchor's side by side.
        starts: (K,) where each anchor's begin.
        counts: (K,) how many it has.
        spreads: (K,) E|y - y'| of each.
    """

    points: Floats
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    spreads: Floats

    @classmethod
    def of(cls, points: Floats, owners: NDArray[np.int64]) -> Self:
        """Anchors from points and the anchor of each, ascending from 0 without a gap."""
        counts = np.bincount(owners).astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        parts = np.split(points, starts[1:])
        return cls(points, starts, counts, np.array([mean_length(part, part) for part in parts]))

    def to_points(self, points: Floats) -> Floats:
        """(N, K) energy distances of single points, >= 0."""
        return _positive(2 * self._mean_lengths(points) - self.spreads)

    def to_sample(self, points: Floats, spread: float) -> Floats:
        """(K,) energy distances of one more sample, (N, D), of this E|x - x'|; >= 0."""
        return _positive(2 * self._mean_lengths(points).mean(0) - self.spreads - spread)

    def by_chance(self, n: int, spread: float) -> Floats:
        """(K,) what the energy distances of n more images of each anchor would be on average.

        Samples of one distribution are not at distance 0: each image is paired with itself too, so that a
        sample of n seems narrower than its distribution by E|x - x'| / n.
        """
        return self.spreads / self.counts + spread / n

    def between(self) -> Floats:
        """(K, K) energy distances of the anchors, >= 0, symmetric with a zero diagonal."""
        lengths = np.add.reduceat(self._mean_lengths(self.points), self.starts, axis=0)
        means = lengths / self.counts[:, None]
        distances = _positive(means + means.T - (self.spreads[:, None] + self.spreads[None, :]))
        np.fill_diagonal(distances, 0.0)
        return distances

    def _mean_lengths(self, points: Floats) -> Floats:
        """(N, K) mean distance of each point to each anchor's sample."""
        means = np.empty((len(points), len(self.counts)))
        for rows in row_slices(len(points), len(self.points), entries=PAIRS):
            lengths = lengths_between(points[rows], self.points)
            means[rows] = np.add.reduceat(lengths, self.starts, axis=1) / self.counts
        return means


def mean_length(x: Floats, y: Floats) -> float:
    """E|x - y| over all pairs of rows."""
    rows = row_slices(len(x), len(y), entries=PAIRS)
    return sum(float(lengths_between(x[part], y).sum()) for part in rows) / (len(x) * len(y))


def _positive(distances: Floats) -> Floats:
    """Rounding may leave a little below zero."""
    return np.maximum(distances, 0.0, out=distances)
