"""The recurrences behind `g2l.geometry`: one pivot a step, for a chunk of points at a time.

Only operations that every array API library has. Growth itself is elementwise, so that a point's simplex
depends neither on its chunk nor on its device; only the projection into the anchors' hull is a product.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import array_api_compat

Array = Any
"""An array of any library that follows the array API standard; no static type covers them all."""


@dataclass(frozen=True)
class Growth:
    """What is the same for all chunks of points: the library, the anchors and how far to go."""

    xp: Any
    anchors: Array  # (K, K) float64, squared distances
    length: int
    flat: float  # squared heights up to this share of the point's largest squared distance are none


@dataclass(frozen=True)
class Step:
    """One step for a chunk of n points."""

    cost: Array  # (n, K) squared heights, signed so that less is better; inf: cannot be chosen
    chosen: Array  # (n,)
    named: Array  # (n,) bool: there was something to choose
    log_volume: Array  # (n,) log(j! content), -inf if flat
    negative: Array  # (n,) bool


def grow_content(growth: Growth, delta: Array, sign: float) -> Iterator[Step]:
    """Grow from the point itself as origin; `sign` -1 prefers the highest candidate, +1 the lowest."""
    xp, anchors = growth.xp, growth.anchors
    delta, floor, negative = _clamped(growth, delta)
    index = xp.arange(delta.shape[1], device=array_api_compat.device(delta))[None, :]
    heights, free = delta, delta >= 0
    named = free[:, 0]
    log_volume = xp.zeros_like(delta[:, 0])
    columns: list[Array] = []
    for step in range(growth.length):
        allowed = free & (heights > floor) if step else free  # the first anchor is always named
        named = named & xp.any(allowed, axis=1)
        cost = xp.where(allowed, sign * heights, math.inf)
        chosen = xp.argmin(cost, axis=1)
        pivot = pick(xp, heights, chosen)
        solid = named & (pivot > floor[:, 0])
        pivot = xp.where(solid, pivot, 1.0)
        log_volume = xp.where(solid, log_volume + xp.log(pivot) / 2, -math.inf)
        yield Step(cost, chosen, named, log_volume, negative)
        inner = (delta + pick(xp, delta, chosen)[:, None] - xp.take(anchors, chosen, axis=0)) / 2
        column = _orthogonalized(xp, inner, columns, chosen) / xp.sqrt(pivot)[:, None]
        columns.append(column)
        named, free = solid, free & (index != chosen[:, None])
        heights = heights - column * column
        negative = negative | (named & xp.any(free & (heights < -floor), axis=1))
        heights = xp.where(heights > 0, heights, 0.0)


def grow_explanation(growth: Growth, delta: Array) -> Iterator[Step]:
    """Grow from the nearest anchor as origin, lowering the point's height above the anchors' hull."""
    xp, anchors = growth.xp, growth.anchors
    first = next(grow_content(growth, delta, 1.0))
    yield first
    delta, floor, negative = _clamped(growth, delta)
    index = xp.arange(delta.shape[1], device=array_api_compat.device(delta))[None, :]
    height = pick(xp, delta, first.chosen)  # of the point above the hull so far, squared
    origin = xp.take(anchors, first.chosen, axis=0)
    widths = origin  # of the candidates, squared
    lean = (height[:, None] + origin - delta) / 2  # inner product of the point with each candidate
    free, chosen = delta >= 0, first.chosen
    named, log_anchors = height > floor[:, 0], xp.zeros_like(height)
    columns: list[Array] = []
    for _ in range(1, growth.length):
        free = free & (index != chosen[:, None])
        allowed = free & (widths > floor) & (lean > 0)
        lowering = xp.where(allowed, lean * lean / xp.where(allowed, widths, 1.0), 0.0)
        allowed = allowed & (lowering > floor)
        named = named & xp.any(allowed, axis=1)
        below = allowed & (lowering > height[:, None] + floor)  # the point's own height would be negative
        negative = negative | (named & xp.any(below, axis=1))
        left = xp.where(height[:, None] > lowering, height[:, None] - lowering, 0.0)
        cost = xp.where(allowed, left, math.inf)
        chosen = xp.argmin(cost, axis=1)
        pivot = xp.where(named, pick(xp, widths, chosen), 1.0)
        share = pick(xp, lean, chosen) / xp.sqrt(pivot)
        height = xp.where(named, pick(xp, left, chosen), height)
        solid = named & (height > floor[:, 0])
        log_anchors = log_anchors + xp.log(pivot) / 2
        log_volume = xp.where(solid, log_anchors + xp.log(xp.where(solid, height, 1.0)) / 2, -math.inf)
        yield Step(cost, chosen, named, log_volume, negative)
        inner = (origin + pick(xp, origin, chosen)[:, None] - xp.take(anchors, chosen, axis=0)) / 2
        column = _orthogonalized(xp, inner, columns, chosen) / xp.sqrt(pivot)[:, None]
        columns.append(column)
        named = solid
        lean = lean - share[:, None] * column
        widths = widths - column * column
        negative = negative | (named & xp.any(free & (widths < -floor), axis=1))
        widths = xp.where(widths > 0, widths, 0.0)


GROWTH: dict[str, Callable[[Growth, Array], Iterator[Step]]] = {
    "far": lambda growth, delta: grow_content(growth, delta, -1.0),
    "near": lambda growth, delta: grow_content(growth, delta, 1.0),
    "explain": grow_explanation,
}


def _clamped(growth: Growth, delta: Array) -> tuple[Array, Array, Array]:
    """Squared distances without negatives, each row's floor (n, 1), and which rows (n,) had negatives."""
    xp = growth.xp
    clamped = xp.where(delta > 0, delta, 0.0)
    floor = growth.flat * xp.max(clamped, axis=1, keepdims=True)
    return clamped, floor, xp.any(delta < -floor, axis=1)


def _orthogonalized(xp: Any, inner: Array, columns: list[Array], chosen: Array) -> Array:
    """Inner products with the chosen anchor, less what the earlier columns account for."""
    for column in columns:
        inner = inner - column * pick(xp, column, chosen)[:, None]
    return inner


def pick(xp: Any, values: Array, chosen: Array) -> Array:
    """values[i, chosen[i]] for every row i, in the part of the standard that all versions have."""
    n, k = values.shape
    rows = xp.arange(n, device=array_api_compat.device(values)) * k
    return xp.take(xp.reshape(values, (-1,)), rows + chosen, axis=0)


def hull_projection(xp: Any, anchors: Array, flat: float) -> Callable[[Array], Array]:
    """What takes squared distances to the anchors to those of the point's foot in their affine hull.

    They are negative by rounding, and by more only where the anchors' distances embed in no Euclidean space.
    """
    rows = xp.mean(anchors, axis=1)
    mean = xp.mean(rows)
    gram = (rows[:, None] + rows[None, :] - anchors - mean) / 2
    widths, axes = xp.linalg.eigh(gram)
    kept = widths > flat * widths[-1]
    widths, axes = widths[kept], axes[:, kept]

    def project(delta: Array) -> Array:
        lean = (rows[None, :] - mean + xp.mean(delta, axis=1, keepdims=True) - delta) / 2
        along = lean @ axes
        square = xp.sum(along * along / widths[None, :], axis=1, keepdims=True)
        return square + (rows - mean / 2)[None, :] - 2 * (along @ axes.T)

    return project
