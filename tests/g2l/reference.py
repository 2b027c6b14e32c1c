"""Slow and obvious: the method by its definition, one determinant a candidate."""

import math

import mpmath
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def squared_distances(x: Floats, y: Floats) -> Floats:
    """(N, K) squared Euclidean distances, difference by difference."""
    return np.asarray(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1))


def bordered(d2: Floats) -> Floats:
    """The Cayley-Menger matrix."""
    size = len(d2) + 1
    matrix = np.ones((size, size))
    matrix[0, 0] = 0.0
    matrix[1:, 1:] = d2
    return matrix


def squared_content(d2: Floats) -> float:
    """V**2 by the Cayley-Menger determinant in float64; negative if not embeddable."""
    n = len(d2) - 1
    return float((-1) ** (n + 1) / (2**n * math.factorial(n) ** 2) * np.linalg.det(bordered(d2)))


def exact_content(d2: Floats) -> float:
    """V by the Cayley-Menger determinant in 60 digits, of the float64 distances given; 0 if V**2 <= 0."""
    n = len(d2) - 1
    with mpmath.workdps(60):
        determinant = mpmath.det(mpmath.matrix(bordered(d2).tolist()))
        square = mpmath.mpf((-1) ** (n + 1)) * determinant / (2**n * mpmath.factorial(n) ** 2)
        return float(mpmath.sqrt(square)) if square > 0 else 0.0


def greedy_orders(
    points: Floats, anchors: Floats, length: int, prefer: str
) -> tuple[NDArray[np.int64], Floats]:
    """(N, L) orders and squared contents: for every candidate of every step the whole determinant.

    Candidates of no or negative squared content are set aside; -1 and 0 where none is left.
    """
    n, k = points.shape
    orders = np.full((n, length), -1)
    contents = np.zeros((n, length))
    for i in range(n):
        chosen: list[int] = []
        for step in range(length):
            squares = {
                a: squared_content(with_point(points[i], anchors, [*chosen, a]))
                for a in range(k)
                if a not in chosen
            }
            solid = {a: square for a, square in squares.items() if square > 0}
            if not solid:
                break
            best = (max if prefer == "far" else min)(solid, key=solid.__getitem__)
            chosen.append(best)
            orders[i, step], contents[i, step] = best, solid[best]
    return orders, contents


def explained_orders(points: Floats, anchors: Floats, length: int) -> NDArray[np.int64]:
    """(N, L) orders of coordinates: nearest first, then by least squares onto the hull of the chosen."""
    orders = np.full((len(points), length), -1)
    for i, point in enumerate(points):
        chosen = [int(np.argmin(((anchors - point) ** 2).sum(1)))]
        while len(chosen) < length:
            heights = {
                a: _height(point, anchors, [*chosen, a]) for a in range(len(anchors)) if a not in chosen
            }
            positive = {a: h for a, (h, weight) in heights.items() if weight > 0}
            if not positive:
                break
            chosen.append(min(positive, key=positive.__getitem__))
        orders[i, : len(chosen)] = chosen
    return orders


def _height(point: Floats, anchors: Floats, chosen: list[int]) -> tuple[float, float]:
    """Height above the affine hull of the chosen anchors, and the last one's weight in the foot."""
    edges = (anchors[chosen[1:]] - anchors[chosen[0]]).T
    weights, *_ = np.linalg.lstsq(edges, point - anchors[chosen[0]], rcond=None)
    return float(np.linalg.norm(point - anchors[chosen[0]] - edges @ weights)), float(weights[-1])


def with_point(point: Floats, anchors: Floats, chosen: list[int]) -> Floats:
    """Squared distances of {point, chosen anchors}."""
    d2 = np.zeros((len(chosen) + 1, len(chosen) + 1))
    d2[0, 1:] = d2[1:, 0] = point[chosen]
    d2[1:, 1:] = anchors[np.ix_(chosen, chosen)]
    return d2
