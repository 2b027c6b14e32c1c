"""Accuracy of a linear classifier: how well a source's features separate a target's classes by planes."""

import numpy as np
from numpy.typing import ArrayLike

from g2l.metrics import Floats
from g2l.transferability.inputs import (
    SingleImageClassError,
    checked_labels,
    checked_responses,
    thin_svd,
)

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Of the penalty, per image, on responses whose mean squared distance from their mean is 1."""


def ridge_accuracy(responses: ArrayLike, labels: ArrayLike) -> float:
    """Leave-one-out accuracy of the ridge regression to the classes' indicators.

    Every image is classified by a regression on all others, exactly and without refitting: the residual left
    out is (y - Hy) / (1 - diag H). The penalty is the one of the least squared residuals, the stronger of
    equals. A class with one image is never right.

    Source: Rifkin, Lippert, "Notes on Regularized Least Squares" (MIT-CSAIL-TR-2007-025). **[ours]** as a
    score of transfer.

    Args:
        responses: (N, D) of the target's images, from the source.
        labels: (N,) classes, of any kind that sorts; only those that occur count.

    Returns:
        Share of images classified right, each by all others, 0 to 1.

    Raises:
        SingleImageClassError: no class has two images (field="labels").
        BadLabelsError: not one label a response, or a single class (field="labels").
        BadResponsesError, NonFiniteResponsesError: the responses are not usable.
    """
    values = checked_responses(responses)
    classes = checked_labels(labels, len(values))
    if np.bincount(classes).max() < 2:
        raise SingleImageClassError(
            "every class has one image; what is left out needs another", field="labels"
        )
    centred = values - values.mean(0)
    spread = float(np.sqrt((centred**2).sum(1).mean()))
    noise = np.finfo(np.float64).eps * float(np.linalg.norm(values))
    scaled = centred / spread if spread > noise else np.zeros_like(centred)
    u, s = thin_svd(np.column_stack([scaled, np.ones(len(values))]))  # the ones are for the intercept
    wanted = np.eye(int(classes.max()) + 1)[classes]
    found = [_left_out(u, s, wanted, strength * len(values)) for strength in STRENGTHS]
    losses = [float(((each - wanted) ** 2).sum()) for each in found]
    best = max(i for i, loss in enumerate(losses) if loss <= min(losses) * (1 + 1e-12))
    return float((found[best].argmax(1) == classes).mean())


def _left_out(u: Floats, s: Floats, wanted: Floats, penalty: float) -> Floats:
    """(N, C) what the regression on all other images says of each."""
    shrunk = u * (s**2 / (s**2 + penalty))
    own = (shrunk * u).sum(1)[:, None]
    return np.asarray((shrunk @ (u.T @ wanted) - own * wanted) / (1 - own))
