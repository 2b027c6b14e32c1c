"""Gaussian fits to responses, shrunk so that fewer rows than dimensions will do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from g2l.distances import IDENTICAL
from g2l.metrics import Floats, finite_batches, unit_norm
from g2l.spread import oas_share

FLOOR = 1e-3
"""Mean variance of a fit, at least, as a share of that of both datasets together: one image has none."""


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution.

    Attributes:
        mean: (D,).
        covariance: (D, D), symmetric and positive definite.
    """

    mean: Floats
    covariance: Floats


def fit_pair(p: NDArray[np.generic], q: NDArray[np.generic]) -> tuple[Gaussian, Gaussian]:
    """Fit both datasets' unit-norm responses.

    Args:
        p: (N, D) checked responses, read batch by batch.
        q: (M, D) checked responses.
    """
    fits = [_fit(values) for values in (p, q)]
    dims = p.shape[1]
    apart = fits[0].mean - fits[1].mean
    pooled = sum(np.trace(fit.covariance) for fit in fits) / (2 * dims) + apart @ apart / (4 * dims)
    first, second = (_widened(fit, max(FLOOR * pooled, IDENTICAL)) for fit in fits)
    return first, second


def shrunk(covariance: Floats, n: int) -> Floats:
    """A covariance matrix drawn towards its mean variance, see `oas_share`.

    Args:
        covariance: (D, D) of n rows, divided by n.
        n: rows.

    Returns:
        (D, D), positive definite unless the covariance is 0.
    """
    dims = len(covariance)
    variance = float(np.trace(covariance)) / dims
    share = oas_share(variance, float((covariance * covariance).mean()), n=n, dims=dims)
    return np.asarray((1 - share) * covariance + share * variance * np.eye(dims))


def jeffreys(p: Gaussian, q: Gaussian) -> float:
    """KL(p || q) + KL(q || p), in nats: the logarithms of the determinants cancel.

    With d = mean_p - mean_q and C = cov_p - cov_q it is tr(cov_p^-1 C cov_q^-1 C) / 2
    + d' (cov_p^-1 + cov_q^-1) d / 2, which is 0 exactly where both are equal.
    """
    apart, change = p.mean - q.mean, p.covariance - q.covariance
    if not apart.any() and not change.any():
        return 0.0
    roots = [cho_factor(fit.covariance, lower=True, check_finite=False) for fit in (p, q)]
    a, b = (cho_solve(root, change, check_finite=False) for root in roots)
    means = sum(float(apart @ cho_solve(root, apart, check_finite=False)) for root in roots)
    return max(0.0, float((a * b.T).sum()) / 2 + means / 2)


def frechet(p: Gaussian, q: Gaussian) -> float:
    """Squared Frechet distance, as the Frechet Inception Distance is.

    |mean_p - mean_q|**2 + tr(cov_p + cov_q - 2 (R' cov_q R)**(1/2)), R the Cholesky root of cov_p.
    """
    apart, change = p.mean - q.mean, p.covariance - q.covariance
    if not apart.any() and not change.any():
        return 0.0
    root = np.linalg.cholesky(p.covariance)
    shared = np.linalg.eigvalsh(root.T @ q.covariance @ root)
    total = np.trace(p.covariance) + np.trace(q.covariance)
    return max(0.0, float(apart @ apart + total - 2 * np.sqrt(np.maximum(shared, 0.0)).sum()))


def _fit(values: NDArray[np.generic]) -> Gaussian:
    n, dims = values.shape
    mean = sum(unit_norm(part).sum(0) for part in finite_batches(values)) / n
    scatter = np.zeros((dims, dims))
    for part in finite_batches(values):
        centred = unit_norm(part) - mean
        scatter += centred.T @ centred
    return Gaussian(np.asarray(mean), shrunk(scatter / n, n))


def _widened(fit: Gaussian, variance: float) -> Gaussian:
    """The fit with a mean variance of at least so much."""
    dims = len(fit.mean)
    missing = variance - np.trace(fit.covariance) / dims
    return fit if missing <= 0 else Gaussian(fit.mean, fit.covariance + missing * np.eye(dims))
