"""Metrics between response vectors: how a network's outputs become squared distances.

A metric is fitted once (mean, scale, rule), stored with its anchor set, and applied in float64 ever after.
All but "kl" embed in a Euclidean space (docs/method.md, "Metrics").
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.distances import IDENTICAL, jensen_shannon, lengths_between, squares_between, symmetric_kl
from g2l.errors import G2LError
from g2l.geometry import row_slices
from g2l.spread import Spread, spread_within

Floats = NDArray[np.float64]
MetricName = Literal["euclidean", "hellinger", "jensen-shannon", "mahalanobis", "energy", "kl"]
METRICS: tuple[str, ...] = get_args(MetricName)

EPSILON = 1e-6
"""Added to every outcome of a distribution before it is normalized, so that logarithms stay finite."""
BATCH_ENTRIES = 2**21
"""Numbers prepared at a time (16 MiB in float64)."""


class BadResponsesError(G2LError):
    """Response vectors of the wrong shape or kind, or beyond what the metric was fitted on."""

    code: ClassVar[str] = "bad-responses"
    title: ClassVar[str] = "The responses are not usable"


class NonFiniteResponsesError(G2LError):
    """NaN or infinity among the responses."""

    code: ClassVar[str] = "non-finite-responses"
    title: ClassVar[str] = "The responses hold NaN or infinity"


class DegenerateResponsesError(G2LError):
    """All responses are one point to the metric, so no distance tells images apart."""

    code: ClassVar[str] = "degenerate-responses"
    title: ClassVar[str] = "All responses are identical"


class UnknownMetricError(G2LError):
    """A metric this library does not have."""

    code: ClassVar[str] = "unknown-metric"
    title: ClassVar[str] = "Unknown metric"


@dataclass(frozen=True)
class Metric:
    """A fitted metric.

    Attributes:
        name: one of `METRICS`.
        rule: what `prepare` does: "unit-norm" (euclidean, energy, mahalanobis where there are negatives),
            "root" (mahalanobis: the root of r / sum r), or for distributions "ratio" (r / sum r) or "softmax"
            (of standardized r).
        mean: (D,) of the fitting data: of unit-norm responses or roots, for "softmax" of responses as they
            came; for "ratio" zeros.
        scale: (D,) standard deviations for "softmax", else ones.
        spread: of the images of an anchor, which mahalanobis evens; None for the others, and until there are
            anchors.
    """

    name: str
    rule: str
    mean: Floats
    scale: Floats
    spread: Spread | None = None

    @property
    def compares_samples(self) -> bool:
        """An anchor is a sample of its images to this metric, and not their mean (see `g2l.energy`)."""
        return self.name == "energy"

    @property
    def evens(self) -> bool:
        """What it measures follows from how anchors' images spread, too (see `g2l.spread`)."""
        return self.name == "mahalanobis"

    def prepare(self, responses: ArrayLike) -> Floats:
        """Responses as the metric sees them: centred unit vectors or roots, or distributions.

        Means of prepared responses are prepared points too: that is what an anchor is.

        Args:
            responses: (N, D) real numbers.

        Returns:
            (N, D) float64. Euclidean and energy: r / |r| less the fitted mean (distances stay, cancellation
            goes). Mahalanobis: that, or the root of p likewise, evened by the spread. Else p >= about
            1e-6 / D with sum 1.

        Raises:
            BadResponsesError: the wrong shape, or negative where the fitting data had no negatives ("ratio",
                "root").
            NonFiniteResponsesError: NaN or infinity.
        """
        r = finite(as_responses(responses, dims=len(self.mean)))
        if self.rule == "unit-norm":
            return self._evened(unit_norm(r) - self.mean)
        if self.rule in ("ratio", "root"):
            if (r < 0).any():
                raise BadResponsesError(
                    f"this metric was fitted on responses without negatives, but got {r.min():g}; "
                    "fit it on responses of this kind"
                )
            return _smoothed(r) if self.rule == "ratio" else self._evened(_roots(r) - self.mean)
        z = (r - self.mean) / self.scale
        return _smoothed(np.exp(z - z.max(1, keepdims=True)))

    def evening(self, groups: Sequence[ArrayLike]) -> "Metric":
        """The metric with the spread of anchors' images, where it follows from that; else itself.

        Args:
            groups: (N_k, D) responses of each anchor.

        Raises:
            BadResponsesError, NonFiniteResponsesError: as `prepare`.
        """
        if not self.evens:
            return self
        uneven = replace(self, spread=None)
        return replace(self, spread=spread_within([uneven.prepare(group) for group in groups]))

    def _evened(self, points: Floats) -> Floats:
        return points if self.spread is None else self.spread.evened(points)

    def between(self, x: Floats, y: Floats) -> Floats:
        """Squared distances between prepared points.

        Args:
            x: (N, D) from `prepare`, or means of such.
            y: (K, D) likewise.

        Returns:
            (N, K) float64, >= 0. Hellinger without the usual 1/2; Jensen-Shannon divergences in nats,
            whose root is the distance; energy 2 |x - y|, the energy distance of two single points; kl both
            directions added, in nats.
        """
        if self.name == "jensen-shannon":
            return jensen_shannon(x, y)
        if self.name == "kl":
            return symmetric_kl(x, y)
        if self.name == "energy":
            return 2 * lengths_between(x, y)
        return squares_between(self.coordinates(x), self.coordinates(y))

    def coordinates(self, prepared: Floats) -> Floats:
        """Points to cluster by: their Euclidean distances are the metric's or grow with them.

        Jensen-Shannon and kl: those of their close kin Hellinger.
        """
        return prepared if self.rule in ("unit-norm", "root") else np.sqrt(prepared)

    def squared_distances(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Squared distances between responses as they come.

        Args:
            x: (N, D) responses.
            y: (K, D) responses.

        Returns:
            (N, K) float64, >= 0.

        Raises:
            BadResponsesError: as `prepare`.
            NonFiniteResponsesError: as `prepare`.
        """
        other = self.prepare(y)
        return np.concatenate([self.between(part, other) for part in self.batches(x)])

    def batches(self, responses: ArrayLike) -> Iterator[Floats]:
        """Prepare responses a bounded number of rows at a time, in order."""
        values = as_responses(responses, dims=len(self.mean))
        for rows in batch_slices(values):
            yield self.prepare(values[rows])

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The metric as arrays that an .npz file can hold."""
        spread = {} if self.spread is None else {key: getattr(self.spread, key) for key in _OF_SPREAD}
        return {
            "name": np.array(self.name),
            "rule": np.array(self.rule),
            "mean": self.mean,
            "scale": self.scale,
            **spread,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "Metric":
        """The metric that `to_arrays` took apart."""
        mean, scale = (np.asarray(arrays[key], dtype=np.float64) for key in ("mean", "scale"))
        spread = None
        if arrays.keys() >= _OF_SPREAD:
            spread = Spread(**{key: np.asarray(arrays[key], dtype=np.float64) for key in _OF_SPREAD})
        return cls(str(arrays["name"]), str(arrays["rule"]), mean, scale, spread)


_OF_SPREAD = frozenset({"directions", "gains"})


def fit_metric(name: str, responses: ArrayLike) -> Metric:
    """Fit a metric on responses, a bounded number of rows at a time.

    Source: docs/method.md, "Metrics".

    Args:
        name: one of `METRICS`.
        responses: (N, D) real numbers; a memory map is read batch by batch.

    Returns:
        The metric with its mean, scale and rule.

    Raises:
        UnknownMetricError: no such metric (field="metric").
        BadResponsesError: not a matrix of numbers.
        NonFiniteResponsesError: NaN or infinity.
        DegenerateResponsesError: all responses are one point to this metric.
    """
    if name not in METRICS:
        raise UnknownMetricError(f"metric is one of {', '.join(METRICS)}; got {name!r}", field="metric")
    values = as_responses(responses)
    if name in ("euclidean", "energy"):
        metric = _fit_points(name, "unit-norm", unit_norm, values)
    elif name == "mahalanobis":
        signed = any((part < 0).any() for part in finite_batches(values))
        rule, points = ("unit-norm", unit_norm) if signed else ("root", _roots)
        metric = _fit_points(name, rule, points, values)
    else:
        metric = fit_distribution_rule(name, values)
    first = metric.coordinates(metric.prepare(values[:1]))
    spread = max(
        float(((metric.coordinates(part) - first) ** 2).sum(1).max()) for part in metric.batches(values)
    )
    if spread <= IDENTICAL:
        raise DegenerateResponsesError(
            f"all {len(values)} responses are one point to the {name} metric, so no label could tell them "
            "apart; give different images or another embedder"
        )
    return metric


def fit_distribution_rule(name: str, *responses: NDArray[np.generic]) -> Metric:
    """Decide how one or more sets of checked responses become distributions; they may all be one point.

    Raises:
        NonFiniteResponsesError: NaN or infinity.
    """
    n = sum(map(len, responses))
    ones = np.ones(responses[0].shape[1])
    if all((part >= 0).all() for values in responses for part in finite_batches(values)):
        return Metric(name, "ratio", np.zeros_like(ones), ones)
    # Each set is summed for itself, so that the order in which two of them are given does not matter.
    mean = sum(sum(part.sum(0) for part in finite_batches(values)) for values in responses) / n
    squares = sum(sum(((part - mean) ** 2).sum(0) for part in finite_batches(v)) for v in responses)
    scale = np.sqrt(squares / n)
    return Metric(name, "softmax", np.asarray(mean), np.where(scale > 0, scale, 1.0))


def as_responses(responses: ArrayLike, *, dims: int | None = None) -> NDArray[np.generic]:
    """Check that something is an (N, D) matrix of real numbers with N, D >= 1; it is not copied.

    Raises:
        BadResponsesError: the wrong shape, kind or number of dimensions.
    """
    values = np.asarray(responses)
    if values.ndim != 2 or 0 in values.shape:
        raise BadResponsesError(
            f"responses are N x D with N, D >= 1, one row an image; got shape {values.shape}"
        )
    if values.dtype.kind not in "fiu":
        raise BadResponsesError(f"responses are real numbers; got dtype {values.dtype}")
    if dims is not None and values.shape[1] != dims:
        raise BadResponsesError(f"responses have {dims} dimensions here; got {values.shape[1]}")
    return values


def finite_batches(values: NDArray[np.generic]) -> Iterator[Floats]:
    """`finite` a bounded number of rows at a time."""
    for rows in batch_slices(values):
        yield finite(values[rows], start=rows.start)


def finite(values: NDArray[np.generic], *, start: int = 0) -> Floats:
    """Rows in float64, refused where they hold NaN or infinity; `start` is the first one's number."""
    numbers = np.asarray(values, dtype=np.float64)
    good = np.isfinite(numbers).all(1)
    if not good.all():
        row = start + int(np.argmin(good))
        raise NonFiniteResponsesError(
            f"response {row} (counted from 0) holds NaN or infinity; "
            "check the embedder, or leave that image out"
        )
    return numbers


def batch_slices(values: NDArray[np.generic]) -> Iterator[slice]:
    """Rows to take at a time, so that a float64 copy of them stays small."""
    return row_slices(len(values), values.shape[1], entries=BATCH_ENTRIES)


def evenly(n: int, most: int) -> NDArray[np.int64]:
    """At most so many of n rows, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def unit_norm(responses: Floats) -> Floats:
    """Each row over its length; a row of zeros stays zero."""
    largest = np.abs(responses).max(1, keepdims=True)
    scaled = responses / np.where(
        largest > 0, largest, 1.0
    )  # squares of very large or small numbers stay finite
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled / np.where(lengths > 0, lengths, 1.0)


def _fit_points(
    name: str, rule: str, points: Callable[[Floats], Floats], values: NDArray[np.generic]
) -> Metric:
    total = sum(points(part).sum(0) for part in finite_batches(values))
    return Metric(name, rule, np.asarray(total / len(values)), np.ones(values.shape[1]))


def _roots(responses: Floats) -> Floats:
    return np.sqrt(_smoothed(responses))


def _smoothed(weights: Floats) -> Floats:
    """Non-negative rows as distributions; a row of zeros as the uniform one."""
    largest = weights.max(1, keepdims=True)
    scaled = weights / np.where(largest > 0, largest, 1.0)
    totals = scaled.sum(1, keepdims=True)
    p = np.where(totals > 0, scaled / np.where(totals > 0, totals, 1.0), 1.0 / weights.shape[1]) + EPSILON
    return np.asarray(p / p.sum(1, keepdims=True))
