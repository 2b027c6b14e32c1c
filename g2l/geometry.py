"""Simplices from distances alone: their content, and their greedy growth around points.

Written once against the array API standard: numpy arrays and torch tensors (CPU or CUDA) go through the same
operations in float64, so they give the same orders. Torch is never imported here.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import array_api_compat
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from g2l.errors import G2LError
from g2l.growth import GROWTH, Array, Growth, Step, hull_projection, pick

Prefer = Literal["far", "near", "explain"]
PREFERENCES: tuple[Prefer, ...] = get_args(Prefer)

FLAT = 1e-10
FLAT_SINGLE = 1e-5
ROUNDING = 1e-13
"""What float64 distances leave of a flat simplex's squared heights, relative to its longest squared edge."""
ASYMMETRY = 1e-5
CHUNK_ENTRIES = 2**18
"""Numbers in one temporary array (2 MiB in float64): small enough for a core's cache."""


class GeometryError(G2LError):
    """Distances, a length or a preference from which no simplex can be grown."""

    code: ClassVar[str] = "bad-geometry"
    title: ClassVar[str] = "The geometry is not usable"


@dataclass(frozen=True)
class Simplices:
    """One greedily grown simplex for each of N points; arrays of the library and device that came in.

    Attributes:
        order: (N, L) int64, anchors in the order chosen; -1 from a degenerate stop on.
        log_content: (N, L) float64, natural log of the content of point i and its first j+1 anchors, in
            unit**(j+1); -inf where flat or after a stop; never NaN.
        margin: (N,) float64 in [0, 1], how clearly the choices were made: the least over the named steps of
            1 - min(h, h')/max(h, h'), h the chosen height and h' the runner-up's.
        negative: (N,) bool, a squared height fell below zero by more than rounding and was clamped: the
            distances cannot be embedded in a Euclidean space.
    """

    order: Array
    log_content: Array
    margin: Array
    negative: Array


def simplex_content(squared_distances: ArrayLike) -> float:
    """Content (n-dimensional volume) of one simplex from the squared distances between its vertices.

    Equal to the Cayley-Menger determinant's V**2 = (-1)**(n+1) / (2**n (n!)**2) det CM
    (docs/method.md, "Words").

    Args:
        squared_distances: (n+1, n+1), symmetric, zero diagonal; squared units of the metric; n >= 0.

    Returns:
        The content in unit**n; 0.0 if the simplex is flat to float64's rounding or cannot be embedded;
        1.0 for a point.

    Raises:
        GeometryError: not a square matrix of squared distances.
    """
    with np.errstate(over="ignore"):  # beyond float64 the content is inf
        return float(np.exp(log_content(_square(squared_distances))))


def log_content(squared_distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural log of the content of simplices, from the squared distances between their vertices.

    The centred Gram matrix -J d2 J / 2 has n eigenvalues beside its zero; their product times n + 1 is
    (n! V)**2. That treats all vertices alike. O(n**3) a simplex: for checks; labels use greedy growth.

    Args:
        squared_distances: (..., n+1, n+1) float64, symmetric, zero diagonal; squared units of the metric.

    Returns:
        (...) float64, of unit**n; -inf if flat or not embeddable, never NaN.

    Raises:
        GeometryError: the last two axes differ.
    """
    d2 = np.asarray(squared_distances, dtype=np.float64)
    if d2.ndim < 2 or d2.shape[-1] != d2.shape[-2] or d2.shape[-1] == 0:
        raise GeometryError(f"expected (..., n+1, n+1) squared distances, got shape {d2.shape}")
    n = d2.shape[-1] - 1
    rows = d2.mean(-1, keepdims=True)
    gram = (rows + np.swapaxes(rows, -1, -2) - d2 - rows.mean(-2, keepdims=True)) / 2
    if n == 0:
        return np.zeros(d2.shape[:-2])
    widths = np.linalg.eigvalsh(gram)  # ascending; one is the zero of the centring
    limit = ROUNDING * d2.max((-1, -2))
    flat = (widths[..., 0] < -limit) | (widths[..., 1] <= limit)
    logs = np.log(np.where(flat[..., None], 1.0, widths[..., 1:])).sum(-1)
    return np.where(flat, -np.inf, (logs + math.log(n + 1)) / 2 - gammaln(n + 1))


def greedy_simplices(
    point_to_anchor: Array,
    anchor_to_anchor: Array,
    length: int,
    prefer: Prefer = "far",
    *,
    project: bool = False,
) -> Simplices:
    """Grow a simplex around every point, anchor by anchor, by pivoted Cholesky factorization.

    With the point as origin the anchors' Gram matrix is G_kl = (d_k + d_l - D_kl) / 2, and the squared
    heights of all candidates above the simplex so far are the residual diagonal of its factorization.
    Source: docs/method.md, "How a label is grown" and "Rules"; the same as maximizing
    Cayley-Menger determinants.

    Args:
        point_to_anchor: (N, K) squared distances, of numpy, torch or another array API library.
        anchor_to_anchor: (K, K) squared distances between the anchors, of the same library and device.
        length: anchors a point, 1 to K.
        prefer: "far" adds the anchor that makes the content largest, "near" the one that makes it smallest;
            "explain" begins with the nearest and adds the one, on whose side the point lies, that leaves the
            point lowest above the affine hull of the anchors chosen.
        project: measure inside the affine hull of all anchors (the point's height above it is taken off).

    Returns:
        The simplices; ties go to the lower index, candidates with squared height <= 1e-10 of the point's
        largest squared distance (1e-5 if any input is narrower than float64) are set aside.

    Raises:
        GeometryError: shapes, negative or non-finite distances, length (field="length"), prefer.
    """
    problem = _Problem.of(point_to_anchor, anchor_to_anchor, length, prefer=prefer, project=project)
    parts = [_collect(problem, rows) for rows in problem.slices()]
    return Simplices(*(problem.growth.xp.concat(fields, axis=0) for fields in zip(*parts, strict=True)))


def step_gaps(
    point_to_anchor: Array,
    anchor_to_anchor: Array,
    length: int,
    prefer: Prefer = "far",
    *,
    project: bool = False,
) -> Array:
    """How far each candidate of each step is behind the chosen one, for soft targets.

    Args:
        point_to_anchor: as for `greedy_simplices`.
        anchor_to_anchor: as for `greedy_simplices`.
        length: as for `greedy_simplices`.
        prefer: as for `greedy_simplices`.
        project: as for `greedy_simplices`.

    Returns:
        (N, L, K) float64 differences of squared heights (at step 1 of squared distances): 0 for the chosen
        anchor, inf for one that cannot be chosen, all inf after a stop.

    Raises:
        GeometryError: as `greedy_simplices`.
    """
    problem = _Problem.of(point_to_anchor, anchor_to_anchor, length, prefer=prefer, project=project)
    return problem.growth.xp.concat([_gaps(problem, rows) for rows in problem.slices()], axis=0)


def row_slices(n: int, row_entries: int, *, entries: int = CHUNK_ENTRIES) -> Iterator[slice]:
    """Cut n rows into slices of about `entries` numbers, at least one slice even of nothing."""
    step = max(1, entries // max(1, row_entries))
    for start in range(0, max(1, n), step):
        yield slice(start, min(n, start + step))


@dataclass(frozen=True)
class _Problem:
    """Checked inputs, and how to grow from a chunk of them."""

    points: Array
    growth: Growth
    grow: Callable[[Growth, Array], Iterator[Step]]
    inside: Callable[[Array], Array] | None

    @classmethod
    def of(cls, points: Array, anchors: Array, length: int, *, prefer: str, project: bool) -> "_Problem":
        """Check the inputs as a whole; the points' distances are checked chunk by chunk."""
        points, anchors = (
            x if array_api_compat.is_array_api_obj(x) else np.asarray(x) for x in (points, anchors)
        )
        try:
            xp = array_api_compat.array_namespace(points, anchors)
        except TypeError as error:
            raise GeometryError("both distance arrays must come from the same array library") from error
        _require_shapes(points, anchors, length)
        if prefer not in PREFERENCES:
            raise GeometryError(f"prefer is one of {', '.join(PREFERENCES)}; got {prefer!r}", field="prefer")
        flat = max(_flat_tolerance(xp, points), _flat_tolerance(xp, anchors))
        square = xp.astype(anchors, xp.float64)
        _require_distances(xp, square)
        _require_symmetric(xp, square)
        inside = hull_projection(xp, square, flat) if project else None
        return cls(points, Growth(xp, square, length, flat), GROWTH[prefer], inside)

    def slices(self) -> Iterator[slice]:
        """The chunks of points."""
        return row_slices(self.points.shape[0], self.points.shape[1])

    def steps(self, rows: slice) -> Iterator[Step]:
        """Grow from one chunk."""
        xp = self.growth.xp
        delta = xp.astype(self.points[rows, :], xp.float64)
        _require_distances(xp, delta)
        return self.grow(self.growth, self.inside(delta) if self.inside else delta)


def _collect(problem: _Problem, rows: slice) -> tuple[Array, Array, Array, Array]:
    xp, orders, contents = problem.growth.xp, [], []
    margin, negative = None, None
    for j, step in enumerate(problem.steps(rows), 1):
        clear = _clearness(xp, step)
        margin = clear if margin is None else xp.where(step.named, xp.minimum(margin, clear), margin)
        negative = step.negative
        orders.append(xp.where(step.named, step.chosen, xp.full_like(step.chosen, -1)))
        contents.append(step.log_volume - math.lgamma(j + 1))
    return xp.stack(orders, axis=1), xp.stack(contents, axis=1), margin, negative


def _gaps(problem: _Problem, rows: slice) -> Array:
    xp, gaps = problem.growth.xp, []
    for step in problem.steps(rows):
        best = pick(xp, step.cost, step.chosen)[:, None]
        usable = step.named[:, None] & xp.isfinite(step.cost)
        gaps.append(xp.where(usable, step.cost - xp.where(xp.isfinite(best), best, 0.0), math.inf))
    return xp.stack(gaps, axis=1)


def _clearness(xp: Any, step: Step) -> Array:
    """1 - min(h, h')/max(h, h') of the chosen and the runner-up; 1 without a runner-up, 0 if both are 0."""
    best = pick(xp, step.cost, step.chosen)
    index = xp.arange(step.cost.shape[1], device=array_api_compat.device(step.cost))
    runner = xp.min(xp.where(index[None, :] == step.chosen[:, None], math.inf, step.cost), axis=1)
    alone = ~xp.isfinite(runner)
    h = xp.sqrt(xp.abs(xp.where(xp.isfinite(best), best, 0.0)))
    other = xp.sqrt(xp.abs(xp.where(alone, 0.0, runner)))
    high = xp.maximum(h, other)
    ratio = xp.where(high > 0, xp.minimum(h, other) / xp.where(high > 0, high, 1.0), 1.0)
    return xp.where(alone, 1.0, 1.0 - ratio)


def _flat_tolerance(xp: Any, values: Array) -> float:
    if xp.isdtype(values.dtype, "real floating"):
        return FLAT if xp.finfo(values.dtype).bits >= 64 else FLAT_SINGLE
    if xp.isdtype(values.dtype, "integral"):
        return FLAT
    raise GeometryError(f"squared distances are real numbers; got dtype {values.dtype}")


def _require_shapes(points: Array, anchors: Array, length: int) -> None:
    k = anchors.shape[0] if anchors.ndim else 0
    if anchors.ndim != 2 or k == 0 or anchors.shape[1] != k:
        raise GeometryError(f"anchor_to_anchor is K x K with K >= 1; got shape {tuple(anchors.shape)}")
    if points.ndim != 2 or points.shape[1] != k:
        raise GeometryError(f"point_to_anchor is N x {k} for {k} anchors; got shape {tuple(points.shape)}")
    if not 1 <= length <= k:
        raise GeometryError(f"length is 1 to {k}, the number of anchors; got {length}", field="length")


def _require_distances(xp: Any, values: Array) -> None:
    if not bool(xp.all(xp.isfinite(values))):
        raise GeometryError("squared distances must be finite; found NaN or infinity")
    if bool(xp.any(values < 0)):
        raise GeometryError(f"squared distances cannot be negative; found {float(xp.min(values))}")


def _require_symmetric(xp: Any, square: Array) -> None:
    limit = ASYMMETRY * float(xp.max(square))
    if float(xp.max(xp.abs(square - square.T))) > limit or float(xp.max(xp.linalg.diagonal(square))) > limit:
        raise GeometryError("squared distances between vertices must be symmetric with a zero diagonal")


def _square(values: ArrayLike) -> NDArray[np.float64]:
    """A checked (n+1, n+1) matrix of squared distances."""
    d2 = np.asarray(values, dtype=np.float64)
    if d2.ndim != 2 or d2.shape[0] != d2.shape[1] or d2.shape[0] == 0:
        raise GeometryError(f"expected (n+1) x (n+1) squared distances, got shape {d2.shape}")
    xp = array_api_compat.array_namespace(d2)
    _require_distances(xp, d2)
    _require_symmetric(xp, d2)
    return (d2 + d2.T) / 2
