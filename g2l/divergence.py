"""Divergences between datasets, from the responses of one embedder to both.

All are symmetric, and 0 for a dataset and itself (docs/method.md, "Divergences between datasets").
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l import gaussians
from g2l.distances import IDENTICAL
from g2l.energy import mean_length
from g2l.metrics import (
    Floats,
    Metric,
    as_responses,
    batch_slices,
    evenly,
    finite,
    fit_distribution_rule,
    unit_norm,
)

ROWS = 2000
"""Responses of each dataset that the energy distance looks at, evenly spaced."""


def divergences(source: ArrayLike, target: ArrayLike) -> dict[str, float]:
    """Every divergence of this module by its name, at the cost of one fit each.

    Args:
        source: (N, D) responses to one dataset.
        target: (M, D) the same embedder's to the other.

    Returns:
        `kl`, `jensen_shannon`, `gaussian_kl`, `frechet` and `energy_distance`; finite and >= 0.

    Raises:
        BadResponsesError, NonFiniteResponsesError: either.
    """
    p, q = _pair(source, target)
    means = _mean_distributions(p, q)
    fits = gaussians.fit_pair(p, q)
    return {
        "kl": _kl(*means),
        "jensen_shannon": _jensen_shannon(*means),
        "gaussian_kl": gaussians.jeffreys(*fits),
        "frechet": gaussians.frechet(*fits),
        "energy_distance": _energy_distance(p, q),
    }


def kl(responses_p: ArrayLike, responses_q: ArrayLike) -> float:
    """Kullback-Leibler divergence between the mean responses of two datasets, both directions added.

    Each mean response becomes a distribution as for `jensen_shannon`.

    Args:
        responses_p: (N, D) of one dataset.
        responses_q: (M, D) of the other.

    Returns:
        KL(p || q) + KL(q || p) in nats, finite.

    Raises:
        BadResponsesError, NonFiniteResponsesError: either.
    """
    return _kl(*_mean_distributions(*_pair(responses_p, responses_q)))


def jensen_shannon(responses_p: ArrayLike, responses_q: ArrayLike) -> float:
    """Jensen-Shannon divergence between the mean responses of two datasets.

    Each mean response becomes a distribution by the rule of docs/method.md, "Metrics", fitted on both
    datasets together: r / sum r if no response is negative, else the softmax of r standardized.

    Args:
        responses_p: (N, D) of one dataset.
        responses_q: (M, D) of the other.

    Returns:
        In nats, 0 to ln 2; symmetric; 0 for a dataset and itself.

    Raises:
        BadResponsesError, NonFiniteResponsesError: either.
    """
    return _jensen_shannon(*_mean_distributions(*_pair(responses_p, responses_q)))


def gaussian_kl(responses_p: ArrayLike, responses_q: ArrayLike) -> float:
    """Kullback-Leibler divergence between Gaussian fits of two datasets, both directions added.

    The fits are to unit-norm responses, their covariances shrunk (see `gaussians.shrunk`).

    Args:
        responses_p: (N, D) of one dataset.
        responses_q: (M, D) of the other.

    Returns:
        KL(p || q) + KL(q || p) in nats, finite.

    Raises:
        BadResponsesError, NonFiniteResponsesError: either.
    """
    return gaussians.jeffreys(*gaussians.fit_pair(*_pair(responses_p, responses_q)))


def frechet(responses_p: ArrayLike, responses_q: ArrayLike) -> float:
    """Frechet distance between Gaussian fits of two datasets, squared, as the FID is.

    The fits are to unit-norm responses, their covariances shrunk (see `gaussians.shrunk`).

    Args:
        responses_p: (N, D) of one dataset.
        responses_q: (M, D) of the other.

    Returns:
        0 to 4, in squared units of unit-norm responses.

    Raises:
        BadResponsesError, NonFiniteResponsesError: either.
    """
    return gaussians.frechet(*gaussians.fit_pair(*_pair(responses_p, responses_q)))


def energy_distance(responses_p: ArrayLike, responses_q: ArrayLike) -> float:
    """Energy distance between the unit-norm responses of two datasets.

    (2 E|x - y| - E|x - x'| - E|y - y'|)**(1/2) over all pairs of at most `ROWS` evenly spaced rows of each;
    the root, as in scipy's function of this name, where the distances of the metric `energy` are squared.

    Args:
        responses_p: (N, D) of one dataset.
        responses_q: (M, D) of the other.

    Returns:
        0 to 2, in units of unit-norm responses.

    Raises:
        BadResponsesError, NonFiniteResponsesError: either.
    """
    return _energy_distance(*_pair(responses_p, responses_q))


def _pair(responses_p: ArrayLike, responses_q: ArrayLike) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    p = as_responses(responses_p)
    return p, as_responses(responses_q, dims=p.shape[1])


def _mean_distributions(p: NDArray[np.generic], q: NDArray[np.generic]) -> tuple[Floats, Floats]:
    """(D,) the mean response of each as a distribution."""
    rule = fit_distribution_rule("jensen-shannon", p, q)
    return _mean_distribution(rule, p), _mean_distribution(rule, q)


def _mean_distribution(rule: Metric, responses: NDArray[np.generic]) -> Floats:
    total = sum(responses[rows].astype(np.float64).sum(0) for rows in batch_slices(responses))
    return np.asarray(rule.prepare(np.asarray(total / len(responses))[None])[0])


def _kl(p: Floats, q: Floats) -> float:
    return float(((p - q) * np.log(p / q)).sum())  # no term is negative


def _jensen_shannon(p: Floats, q: Floats) -> float:
    middle = (p + q) / 2
    divergence = ((p * np.log(p / middle)).sum() + (q * np.log(q / middle)).sum()) / 2
    return float(min(max(divergence, 0.0), math.log(2)))


def _energy_distance(p: NDArray[np.generic], q: NDArray[np.generic]) -> float:
    x, y = (unit_norm(finite(values[evenly(len(values), ROWS)])) for values in (p, q))
    square = 2 * mean_length(x, y) - mean_length(x, x) - mean_length(y, y)
    return math.sqrt(square) if square > IDENTICAL else 0.0  # less is rounding
