"""Lloyd's k-means on patches."""

import torch
from torch import Tensor

from g2l.nn.randomness import torch_generator

ITERATIONS = 10  # on patches the centroids hardly move after that
CHUNK = 8192  # rows whose distances are held at once


def fit_kmeans(points: Tensor, k: int, *, seed: int) -> Tensor:
    """Centroids that started as k of the points; one that loses all its points becomes the farthest point.

    Args:
        points: (n, d) float32; if n < k, some centroids are equal.
        k: number of centroids.
        seed: decides the first ones.

    Returns:
        (k, d) float32.
    """
    generator = torch_generator(seed, 10)
    order = torch.randperm(len(points), generator=generator)
    centroids = points[order[torch.arange(k) % len(points)]].clone()
    for _ in range(ITERATIONS):
        nearest, gaps = _assign(points, centroids)
        counts = torch.bincount(nearest, minlength=k)
        sums = torch.zeros_like(centroids).index_add_(0, nearest, points)
        centroids = sums / counts.clamp_min(1)[:, None]
        empty = torch.nonzero(counts == 0)[:, 0][: len(points)]
        centroids[empty] = points[gaps.topk(len(empty)).indices]
    return centroids


def _assign(points: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centroid of each point, and its squared distance up to rounding."""
    norms = (centroids**2).sum(dim=1)
    parts = [(norms - 2 * part @ centroids.T).min(dim=1) for part in torch.split(points, CHUNK)]
    nearest = torch.cat([part.indices for part in parts])
    return nearest, torch.cat([part.values for part in parts]) + (points**2).sum(dim=1)
