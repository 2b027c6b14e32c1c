"""Finding anchors among unlabelled responses: clusters, then the ones that span the most."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from g2l.clusters import k_means, nearest_centres
from g2l.geometry import greedy_simplices
from g2l.metrics import Floats, Metric, batch_slices

Ints = NDArray[np.int64]

SAMPLE_ROWS = 20_000
"""Responses that k-means looks at, or `ROWS_A_CANDIDATE` for each candidate if that is more."""
ROWS_A_CANDIDATE = 32
CANDIDATES = 3
"""k-means candidates for each anchor wanted, of which those of greatest content stay [ours]."""
MEMBERS = 10
"""Images that a candidate shall have on average, and ..."""
SMALLEST = 1 / 4
"""... the share of that average a candidate needs to be picked: outliers span much and mean little."""
MANY = 64
"""From this many anchors on all candidates stay: picking by content was level there in the screening."""
ORDERED = 256
"""Anchors that are put in greedy order; any more follow by size of cluster."""
DECIMALS = 9
"""Points equal to so many decimals count as one image."""


@dataclass(frozen=True)
class Candidates:
    """Clusters of all N responses, largest first."""

    clusters: Ints  # (N,)
    means: Floats  # (M, D) prepared
    counts: Ints  # (M,)


def find_candidates(
    metric: Metric, values: NDArray[np.generic], k: int, rng: np.random.Generator
) -> Candidates:
    """Cluster the responses into k or more candidates; into fewer than k only if fewer are distinct."""
    n, dims = values.shape
    wanted = k if k >= MANY or k > dims else max(k, min(CANDIDATES * k, n // MEMBERS))
    centres = cluster_centres(metric, values, wanted, rng)
    ids, sums = np.empty(n, dtype=np.int64), np.zeros((len(centres), dims))
    for rows in batch_slices(values):
        part = metric.prepare(values[rows])
        ids[rows], _ = nearest_centres(metric.coordinates(part), centres)
        sums += members(ids[rows], len(centres)) @ part
    counts = np.bincount(ids, minlength=len(centres))
    by_size = np.argsort(-counts, kind="stable")
    rank = np.argsort(by_size)
    return Candidates(rank[ids], (sums / np.maximum(counts, 1)[:, None])[by_size], counts[by_size])


def cluster_centres(metric: Metric, values: NDArray[np.generic], k: int, rng: np.random.Generator) -> Floats:
    """k-means centres of a sample, in the metric's coordinates; fewer than k only if fewer are distinct."""
    limit = max(SAMPLE_ROWS, ROWS_A_CANDIDATE * k)
    sample = (
        values if len(values) <= limit else values[np.sort(rng.choice(len(values), limit, replace=False))]
    )
    points = np.concatenate([metric.coordinates(part) for part in metric.batches(sample)])
    return k_means(points, _count_distinct(points, k), rng)


def pick_by_content(distances: Floats, counts: Ints, k: int) -> Ints:
    """The k candidates that greedy growth takes, from the one farthest from the mean of all images on.

    Where growth ends early, because no further candidate adds content, the largest ones left fill up.

    Args:
        distances: (M, M) squared distances between candidates, symmetric with a zero diagonal.
        counts: (M,) images of each, falling.
        k: candidates to pick, 1 to M.
    """
    solid = int((counts >= SMALLEST * counts.mean()).sum())
    shown = max(k, solid)
    # The squared distance to a mean is the mean squared distance less a term that all candidates share.
    first = int((distances[:shown] @ (counts / counts.sum())).argmax())
    distances = distances[:shown, :shown]
    order = [first]
    if k > 1:
        grown = greedy_simplices(distances[[first]], distances, min(k - 1, ORDERED), "far")
        order += [int(anchor) for anchor in grown.order[0] if anchor >= 0]
    taken = set(order)
    order += [i for i in range(shown) if i not in taken]
    return np.array(order[:k])


def members(ids: Ints, n_clusters: int) -> csr_array:
    """(n_clusters, N) of ones, so that `members(ids, n) @ points` sums each cluster's points."""
    n = len(ids)
    return csr_array((np.ones(n), (ids, np.arange(n))), shape=(n_clusters, n))


def nearest_rows(batches: Iterable[tuple[slice, Floats]], k: int, keep: int) -> Ints:
    """(K, keep) rows nearest to each anchor, nearest first; -1 where there are fewer."""
    best, rows = np.full((k, keep), np.inf), np.full((k, keep), -1, dtype=np.int64)
    for part, distances in batches:
        gaps = np.concatenate([best, distances.T], axis=1)
        ids = np.concatenate(
            [rows, np.broadcast_to(np.arange(part.start, part.stop), distances.T.shape)], axis=1
        )
        top = np.argpartition(gaps, keep - 1, axis=1)[:, :keep]
        top = np.take_along_axis(top, np.argsort(np.take_along_axis(gaps, top, 1), axis=1, kind="stable"), 1)
        best, rows = np.take_along_axis(gaps, top, 1), np.take_along_axis(ids, top, 1)
    return rows


def _count_distinct(points: Floats, enough: int) -> int:
    """How many different points there are, counted up to `enough`."""
    seen: set[bytes] = set()
    for point in points:
        seen.add((np.round(point, DECIMALS) + 0.0).tobytes())  # + 0.0: no negative zeros
        if len(seen) == enough:
            break
    return len(seen)
