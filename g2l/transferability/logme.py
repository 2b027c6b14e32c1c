"""LogME: the largest evidence of a Bayesian linear model from responses to classes."""

import numpy as np
from numpy.typing import ArrayLike

from g2l.metrics import Floats
from g2l.transferability.inputs import checked_labels, checked_responses, thin_svd

NOISE_RANGE = 1e12
"""alpha / beta is looked for within this factor of the largest squared singular value, up and down."""
COARSE, FINE, ROUNDS = 97, 9, 11
"""Points in all of the range (0.6 apart in the logarithm), then around the best of them, so many times."""


def logme(responses: ArrayLike, labels: ArrayLike) -> float:
    """Log evidence an image of the best Bayesian linear model of each class, averaged over the classes.

    A class's indicator y is modelled as N(F w, 1/beta) with w ~ N(0, 1/alpha), so that y ~ N(0, C / beta)
    with C = I + F F' beta / alpha. At a given alpha / beta the best 1/beta is y' C^-1 y / N, which leaves
    one number to search. Where F fits y without error the evidence grows without bound as alpha / beta
    falls, and `NOISE_RANGE` bounds it.

    Source: You, Liu, Wang, Long, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning"
    (ICML 2021, arXiv 2102.11005).

    Args:
        responses: (N, D) F of the target's images, from the source; not centred.
        labels: (N,) classes, of any kind that sorts; only those that occur count.

    Returns:
        In nats an image, larger for a better source; comparable between sources on the same images.

    Raises:
        BadLabelsError: not one label a response, or a single class (field="labels").
        BadResponsesError, NonFiniteResponsesError: the responses are not usable.
    """
    values = checked_responses(responses)
    classes = checked_labels(labels, len(values))
    u, s = thin_svd(values)
    squares = (s / s[0]) ** 2 if len(s) else s  # alpha / beta is then relative to the largest of them
    evidences = []
    for number in range(int(classes.max()) + 1):
        y = (classes == number).astype(np.float64)
        z = u.T @ y
        outside = y - u @ z  # not |y|^2 - |z|^2, which cancels
        evidences.append(_largest_evidence(squares, z * z, float(outside @ outside), len(y)))
    return float(np.mean(evidences))


def _largest_evidence(squares: Floats, inside: Floats, outside: float, n: int) -> float:
    """The largest evidence an image, by ever finer grids over log(alpha / beta).

    Args:
        squares: (R,) squared singular values, the largest 1.
        inside: (R,) squares of the indicator's coordinates along the left singular vectors.
        outside: squared length of the rest of it.
        n: images.
    """
    low, high = -np.log(NOISE_RANGE), np.log(NOISE_RANGE)
    for points in (COARSE, *[FINE] * ROUNDS):
        logs = np.linspace(low, high, points)
        ratios = np.exp(logs)[:, None]
        quadratic = (ratios / (ratios + squares)) @ inside + outside
        determinant = np.log1p(squares / ratios).sum(1)
        evidence = -(np.log(2 * np.pi * np.e * quadratic / n) + determinant / n) / 2
        best = int(evidence.argmax())
        low, high = logs[max(best - 1, 0)], logs[min(best + 1, points - 1)]
    return float(evidence[best])
