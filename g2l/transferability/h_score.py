"""The shrunk H-score: how much of the responses' variance lies between the classes."""

import numpy as np
from numpy.typing import ArrayLike

from g2l.metrics import Floats
from g2l.transferability.inputs import checked_labels, checked_responses, sums_by_class, thin_svd

ISOTROPIC = 1e-14
"""A covariance within this share of its own squared size of a multiple of the identity counts as one."""


def h_score(responses: ArrayLike, labels: ArrayLike) -> float:
    """tr(S_a^-1 (1 - a) B), S_a = (1 - a) S + a tr(S)/D I, with the shrinkage a of Ledoit and Wolf.

    S is the covariance of the responses and B that of their classes' means, each image counting once; both
    divide by N. Without shrinkage the score of N <= D images is the number of classes less one, whatever the
    responses.

    Sources: Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer Learning"
    (ICIP 2019); Ibrahim, Ponomareva, Mazumder, "Newer is not always better" (arXiv 2110.06893);
    Ledoit, Wolf, Journal of Multivariate Analysis 88 (2004).

    Args:
        responses: (N, D) of the target's images, from the source.
        labels: (N,) classes, of any kind that sorts; only those that occur count.

    Returns:
        0 to the number of classes less one, larger for a better source; 0 if all responses are one point.

    Raises:
        BadLabelsError: not one label a response, or a single class (field="labels").
        BadResponsesError, NonFiniteResponsesError: the responses are not usable.
    """
    values = checked_responses(responses)
    classes = checked_labels(labels, len(values))
    n, dims = values.shape
    centred = values - values.mean(0)
    u, s = thin_svd(centred, size=float(np.linalg.norm(values)))
    if not len(s):
        return 0.0
    variances = s**2 / n
    sums = sums_by_class(u, classes)
    between = (sums**2 / np.bincount(classes)[:, None]).sum(0) * variances
    share = shrinkage(u * s, variances, dims)
    shrunk = (1 - share) * variances + share * variances.sum() / dims
    return float((1 - share) * (between / shrunk).sum())


def shrinkage(points: Floats, variances: Floats, dims: int) -> float:
    """The weight of the identity that Ledoit and Wolf (2004) estimate to be best.

    Args:
        points: (N, R) centred, in the directions of their principal axes.
        variances: (R,) along these axes, N dividing; what is not zero of D.
        dims: D.

    Returns:
        0 to 1; 0 in one dimension, where there is nothing to shrink.
    """
    if dims == 1:
        return 0.0
    mean = variances.sum() / dims
    own = (variances**2).sum()
    spread = ((variances - mean) ** 2).sum() + (dims - len(variances)) * mean**2
    if spread <= ISOTROPIC * own:
        return 1.0
    error = (((points**2).sum(1) ** 2).mean() - own) / len(points)
    return float(min(max(error, 0.0) / spread, 1.0))
