"""GBC: how little the classes overlap, each a Gaussian in the responses' principal components."""

import numpy as np
from numpy.typing import ArrayLike

from g2l.metrics import Floats
from g2l.transferability.inputs import (
    SingleImageClassError,
    checked_labels,
    checked_responses,
    sums_by_class,
    thin_svd,
)

COMPONENTS = 64
"""Principal components that are kept at most."""
FLOOR = 1e-4
"""Smallest variance of a class, as a share of that of all images."""


def gbc(responses: ArrayLike, labels: ArrayLike) -> float:
    """Minus the sum of the Bhattacharyya coefficients of all ordered pairs of classes.

    Each class is a spherical Gaussian in the first `COMPONENTS` principal components of all images: its mean,
    and its variance averaged over the components (N dividing). A class with one image has no variance of its
    own and takes the mean of the others' (weighed by images). No variance is below `FLOOR` of that of
    all images, so that the score does not depend on the responses' scale.

    Source: Pandy, Agostinelli, Uijlings, Ferrari, Mensink, "Transferability Estimation using Bhattacharyya
    Class Separability" (CVPR 2022, arXiv 2111.12780).

    Args:
        responses: (N, D) of the target's images, from the source.
        labels: (N,) classes, of any kind that sorts; only those that occur count.

    Returns:
        -C (C - 1) if all C classes are one, to 0; larger for a better source.

    Raises:
        SingleImageClassError: no class has two images (field="labels").
        BadLabelsError: not one label a response, or a single class (field="labels").
        BadResponsesError, NonFiniteResponsesError: the responses are not usable.
    """
    values = checked_responses(responses)
    classes = checked_labels(labels, len(values))
    counts = np.bincount(classes)
    if counts.max() < 2:
        raise SingleImageClassError(
            "every class has one image; a variance needs a class of two or more", field="labels"
        )
    centred = values - values.mean(0)
    u, s = thin_svd(centred, size=float(np.linalg.norm(values)))
    points = (u * s)[:, :COMPONENTS]
    if not points.shape[1]:
        return -float(len(counts) * (len(counts) - 1))
    means = sums_by_class(points, classes) / counts[:, None]
    total = float((points**2).mean())
    scatter = np.bincount(classes, ((points - means[classes]) ** 2).mean(1))
    shared = scatter.sum() / counts[counts > 1].sum()  # single images have no scatter
    variances = np.maximum(np.where(counts > 1, scatter / counts, shared), FLOOR * total)
    return -sum(_overlaps(c, means, variances) for c in range(len(counts)))


def _overlaps(number: int, means: Floats, variances: Floats) -> float:
    """Sum of a class's Bhattacharyya coefficients with all other classes."""
    middle = (variances + variances[number]) / 2
    gaps = ((means - means[number]) ** 2).sum(1)
    excess = np.log(middle) - (np.log(variances) + np.log(variances[number])) / 2
    coefficients = np.exp(-gaps / (8 * middle) - means.shape[1] / 2 * excess)
    return float(np.delete(coefficients, number).sum())
