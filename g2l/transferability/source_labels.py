"""LEEP and NCE: what the outputs of a source's own classifier tell of the target's labels."""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from g2l.errors import G2LError
from g2l.metrics import Floats
from g2l.transferability.inputs import Ids, checked_labels, sums_by_class

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from sum 1; half precision is no farther."""


class BadProbabilitiesError(G2LError):
    """Class probabilities that are none."""

    code: ClassVar[str] = "bad-probabilities"
    title: ClassVar[str] = "The class probabilities are not usable"


def leep(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean log likelihood of the target's labels under the source's classifier and P(target | source class).

    P(y, z) is the mean over the images of class y, as a share of all, of the source's probability of z; an
    image's label has the likelihood sum_z P(y | z) p(z | image). A source class that no image has any
    probability of takes no part.

    Source: Nguyen, Hassner, Seeger, Archambeau, "LEEP: A New Measure to Evaluate Transferability of Learned
    Representations" (ICML 2020, arXiv 2002.12462).

    Args:
        probabilities: (N, Z) of the source's classes, a row an image of the target. Several softmaxes are put
            side by side, each over their number: one of them is drawn, then its class.
        labels: (N,) classes of the target, of any kind that sorts; only those that occur count.

    Returns:
        In nats, at most 0; larger for a better source.

    Raises:
        BadProbabilitiesError: not a matrix, negative, not finite, or rows that do not sum to 1.
        BadLabelsError: not one label an image, or a single class (field="labels").
    """
    p = _checked_probabilities(probabilities)
    classes = checked_labels(labels, len(p))
    joint = sums_by_class(p, classes)
    totals = joint.sum(0)
    conditional = np.divide(joint, totals, out=np.zeros_like(joint), where=totals > 0)
    logs = 0.0
    for number, row in enumerate(conditional):
        logs += float(np.log(p[classes == number] @ row).sum())
    return min(logs / len(p), 0.0)


def nce(source_labels: ArrayLike, labels: ArrayLike) -> float:
    """Minus the conditional entropy of the target's labels given the source's.

    Source: Tran, Nguyen, Hassner, "Transferability and Hardness of Supervised Classification Tasks" (ICCV
    2019, arXiv 1908.08142).

    Args:
        source_labels: (N,) classes that the source gives the target's images; (N, H) of several softmaxes,
            over which the score is averaged.
        labels: (N,) classes of the target, of any kind that sorts; only those that occur count.

    Returns:
        In nats, from minus the entropy of the target's labels to 0; larger for a better source.

    Raises:
        BadProbabilitiesError: `source_labels` is neither.
        BadLabelsError: not one label an image, or a single class (field="labels").
    """
    given = np.asarray(source_labels)
    if given.ndim not in (1, 2) or 0 in given.shape:
        raise BadProbabilitiesError(f"source labels are (N,) or (N, H); got shape {given.shape}")
    columns = given.reshape(len(given), -1).T
    classes = checked_labels(labels, len(given))
    entropies = []
    for column in columns:
        _, z = np.unique(column, return_inverse=True)
        entropies.append(_entropy(z * (int(classes.max()) + 1) + classes) - _entropy(z))
    return -max(float(np.mean(entropies)), 0.0)


def _entropy(ids: Ids) -> float:
    _, counts = np.unique(ids, return_counts=True)
    shares = counts / len(ids)
    return float(-(shares * np.log(shares)).sum())


def _checked_probabilities(probabilities: ArrayLike) -> Floats:
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or 0 in p.shape or not np.isfinite(p).all() or (p < 0).any():
        raise BadProbabilitiesError(
            f"probabilities are N x Z finite numbers that are not negative; got shape {p.shape}"
        )
    sums = p.sum(1, keepdims=True)
    if np.abs(sums - 1).max() > SUM_TOLERANCE:
        raise BadProbabilitiesError(
            f"rows of probabilities sum to 1; got sums from {sums.min():g} to {sums.max():g}"
        )
    return np.asarray(p / sums)
