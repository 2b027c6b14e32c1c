"""How far images of one and the same anchor lie apart, and space evened by it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEGLIGIBLE = 1e-12
"""Of the largest spread; directions of less are those of rounding."""


@dataclass(frozen=True)
class Spread:
    """Directions in which an anchor's images differ, and how much a difference along them still counts.

    Attributes:
        directions: (R, D) orthonormal.
        gains: (R,) in (0, 1]; along all other directions the gain is 1.
    """

    directions: Floats
    gains: Floats

    def evened(self, points: Floats) -> Floats:
        """Points shrunk along each direction by its gain: Euclidean distances become Mahalanobis distances.

        Args:
            points: (N, D).

        Returns:
            (N, D).
        """
        return np.asarray(points + ((points @ self.directions.T) * (self.gains - 1.0)) @ self.directions)


def spread_within(groups: Sequence[Floats]) -> Spread | None:
    """The spread of points around the means of their groups, drawn towards its mean by `oas_share`.

    With the shrunk covariance S, and s what S has along directions in which no image differs, space is evened
    by (S / s)^(-1/2): nearest means are then those of linear discriminant analysis.

    Args:
        groups: (N_k, D) points each.

    Returns:
        None where no group has two different points: nothing is known of it.
    """
    apart = np.concatenate([group - group.mean(0) for group in groups])
    n, dims = len(apart) - len(groups), apart.shape[1]
    if n < 1 or not apart.any():
        return None
    wide = len(apart) < dims
    squares, vectors = np.linalg.eigh((apart @ apart.T if wide else apart.T @ apart) / n)
    kept = squares > NEGLIGIBLE * squares[-1]
    variances, vectors = squares[kept], vectors[:, kept]
    directions = (apart.T @ vectors).T / np.sqrt(n * variances)[:, None] if wide else vectors.T
    variance = float(variances.sum()) / dims
    share = oas_share(variance, float((variances * variances).sum()) / dims**2, n=n, dims=dims)
    least = share * variance
    return Spread(directions, np.sqrt(least / ((1 - share) * variances + least)))


def oas_share(variance: float, square: float, *, n: int, dims: int) -> float:
    """How far to draw a covariance matrix towards its mean variance: oracle approximating shrinkage (OAS).

    Source: Chen, Wiesel, Eldar, Hero, "Shrinkage Algorithms for MMSE Covariance Estimation", 2010, as
    scikit-learn's `OAS` has it; about 1 / n for the wide spectra of responses.

    Args:
        variance: mean of its diagonal.
        square: mean of its squared entries.
        n: rows that it is of.
        dims: its width.

    Returns:
        0 to 1.
    """
    above = (n + 1) * (square - variance * variance / dims)
    return 1.0 if above <= 0 else min((square + variance * variance) / above, 1.0)
