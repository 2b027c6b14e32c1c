"""Metrics between response vectors: how a network's outputs become squared distances that embed.

A metric is fitted once (mean, scale, rule), stored with its anchor set, and applied in float64 ever after.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.errors import G2LError
from g2l.geometry import row_slices

Floats = NDArray[np.float64]
MetricName = Literal["euclidean", "hellinger", "jensen-shannon"]
METRICS: tuple[str, ...] = get_args(MetricName)

EPSILON = 1e-6
"""Added to every outcome of a distribution before it is normalized, so that logarithms stay finite."""
IDENTICAL = 1e-12
"""Prepared responses within this squared distance are one and the same point (their own size is about 1)."""
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
        rule: what `prepare` does: "unit-norm" (euclidean), or for distributions "ratio" (r / sum r) or
            "softmax" (of standardized r).
        mean: (D,) of the fitting data: of unit-norm responses, for "softmax" of responses as they came; for
            "ratio" zeros.
        scale: (D,) standard deviations for "softmax", else ones.
    """

    name: str
    rule: str
    mean: Floats
    scale: Floats

    def prepare(self, responses: ArrayLike) -> Floats:
        """Responses as the metric sees them: centred unit vectors, or distributions.

        Means of prepared responses are prepared points too: that is what an anchor is.

        Args:
            responses: (N, D) real numbers.

        Returns:
            (N, D) float64. Euclidean: r / |r| less the fitted mean (distances stay, cancellation goes). Else
            p >= about 1e-6 / D with sum 1.

        Raises:
            BadResponsesError: the wrong shape, or negative where the fitting data had no negatives ("ratio").
            NonFiniteResponsesError: NaN or infinity.
        """
        r = _finite(as_responses(responses, dims=len(self.mean)))
        if self.rule == "unit-norm":
            return unit_norm(r) - self.mean
        if self.rule == "ratio":
            if (r < 0).any():
                raise BadResponsesError(
                    f"this metric was fitted on responses without negatives, but got {r.min():g}; "
                    "fit it on responses of this kind"
                )
            return _smoothed(r)
        z = (r - self.mean) / self.scale
        return _smoothed(np.exp(z - z.max(1, keepdims=True)))

    def between(self, x: Floats, y: Floats) -> Floats:
        """Squared distances between prepared points.

        Args:
            x: (N, D) from `prepare`, or means of such.
            y: (K, D) likewise.

        Returns:
            (N, K) float64, >= 0. Hellinger without the usual 1/2; Jensen-Shannon divergences in nats,
            whose root is the distance.
        """
        if self.name == "jensen-shannon":
            return _jensen_shannon(x, y)
        u, v = self.coordinates(x), self.coordinates(y)
        squares: Floats = (u * u).sum(1)[:, None] + (v * v).sum(1)[None, :] - 2 * (u @ v.T)
        return np.maximum(squares, 0.0, out=squares)

    def coordinates(self, prepared: Floats) -> Floats:
        """Points whose Euclidean distances are the metric's (Jensen-Shannon: its close kin Hellinger's)."""
        return prepared if self.rule == "unit-norm" else np.sqrt(prepared)

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
        return {
            "name": np.array(self.name),
            "rule": np.array(self.rule),
            "mean": self.mean,
            "scale": self.scale,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "Metric":
        """The metric that `to_arrays` took apart."""
        mean, scale = (np.asarray(arrays[key], dtype=np.float64) for key in ("mean", "scale"))
        return cls(str(arrays["name"]), str(arrays["rule"]), mean, scale)


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
    metric = _fit_unit_norm(values) if name == "euclidean" else fit_distribution_rule(name, values)
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
    if all((part >= 0).all() for values in responses for part in _finite_batches(values)):
        return Metric(name, "ratio", np.zeros_like(ones), ones)
    # Each set is summed for itself, so that the order in which two of them are given does not matter.
    mean = sum(sum(part.sum(0) for part in _finite_batches(values)) for values in responses) / n
    squares = sum(sum(((part - mean) ** 2).sum(0) for part in _finite_batches(v)) for v in responses)
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


def batch_slices(values: NDArray[np.generic]) -> Iterator[slice]:
    """Rows to take at a time, so that a float64 copy of them stays small."""
    return row_slices(len(values), values.shape[1], entries=BATCH_ENTRIES)


def unit_norm(responses: Floats) -> Floats:
    """Each row over its length; a row of zeros stays zero."""
    largest = np.abs(responses).max(1, keepdims=True)
    scaled = responses / np.where(
        largest > 0, largest, 1.0
    )  # squares of very large or small numbers stay finite
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled / np.where(lengths > 0, lengths, 1.0)


def _fit_unit_norm(values: NDArray[np.generic]) -> Metric:
    total = sum(unit_norm(part).sum(0) for part in _finite_batches(values))
    return Metric("euclidean", "unit-norm", np.asarray(total / len(values)), np.ones(values.shape[1]))


def _finite_batches(values: NDArray[np.generic]) -> Iterator[Floats]:
    for rows in batch_slices(values):
        yield _finite(values[rows], start=rows.start)


def _finite(values: NDArray[np.generic], *, start: int = 0) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    good = np.isfinite(numbers).all(1)
    if not good.all():
        row = start + int(np.argmin(good))
        raise NonFiniteResponsesError(
            f"response {row} (counted from 0) holds NaN or infinity; "
            "check the embedder, or leave that image out"
        )
    return numbers


def _smoothed(weights: Floats) -> Floats:
    """Non-negative rows as distributions; a row of zeros as the uniform one."""
    largest = weights.max(1, keepdims=True)
    scaled = weights / np.where(largest > 0, largest, 1.0)
    totals = scaled.sum(1, keepdims=True)
    p = np.where(totals > 0, scaled / np.where(totals > 0, totals, 1.0), 1.0 / weights.shape[1]) + EPSILON
    return np.asarray(p / p.sum(1, keepdims=True))


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Entropy of the middle less the mean entropy, in nats; both have only positive entries."""
    own_p, own_q = np.einsum("nd,nd->n", p, np.log(p)), np.einsum("kd,kd->k", q, np.log(q))
    divergence = np.empty((len(p), len(q)))
    for k, row in enumerate(q):
        middle = (p + row) / 2
        divergence[:, k] = (own_p + own_q[k]) / 2 - np.einsum("nd,nd->n", middle, np.log(middle))
    return np.maximum(divergence, 0.0)
