"""Distances between the rows of two matrices, as products where there is one."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

IDENTICAL = 1e-12
"""Prepared responses within this squared distance are one and the same point (their own size is about 1)."""


def squares_between(x: Floats, y: Floats) -> Floats:
    """(N, K) squared Euclidean distances."""
    squares: Floats = x @ y.T
    squares *= -2
    squares += np.einsum("nd,nd->n", x, x)[:, None]
    squares += np.einsum("kd,kd->k", y, y)[None, :]
    return np.maximum(squares, 0.0, out=squares)


def lengths_between(x: Floats, y: Floats) -> Floats:
    """(N, K) Euclidean distances between points of about unit size; 0 within 1e-6, where rounding rules."""
    squares = squares_between(x, y)
    squares[squares <= IDENTICAL] = 0.0
    return np.sqrt(squares, out=squares)


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """(N, K) entropy of the middle less the mean entropy, in nats; both have only positive entries."""
    own_p, own_q = np.einsum("nd,nd->n", p, np.log(p)), np.einsum("kd,kd->k", q, np.log(q))
    divergence = np.empty((len(p), len(q)))
    for k, row in enumerate(q):
        middle = (p + row) / 2
        divergence[:, k] = (own_p + own_q[k]) / 2 - np.einsum("nd,nd->n", middle, np.log(middle))
    return np.maximum(divergence, 0.0)


def symmetric_kl(p: Floats, q: Floats) -> Floats:
    """(N, K) KL(p || q) + KL(q || p), in nats; both have only positive entries."""
    log_p, log_q = np.log(p), np.log(q)
    own_p, own_q = np.einsum("nd,nd->n", p, log_p), np.einsum("kd,kd->k", q, log_q)
    divergence: Floats = own_p[:, None] + own_q[None, :] - p @ log_q.T - log_p @ q.T
    return np.maximum(divergence, 0.0, out=divergence)
