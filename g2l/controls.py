"""Controls that pseudo-labels must beat: k-means ids (ClusterFit) and shuffled labels.

The soft peer needs nothing of its own: `soft_targets` at length 1 is soft k-means.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.anchors import TooFewDistinctImagesError
from g2l.clusters import nearest_centres
from g2l.discovery import cluster_centres
from g2l.metrics import as_responses, batch_slices, fit_metric


def k_means_labels(responses: ArrayLike, n_classes: int, seed: int = 0) -> NDArray[np.int64]:
    """Class ids by plain k-means on centred unit-norm responses, as ClusterFit does (arXiv 1912.03330).

    Args:
        responses: (N, D).
        n_classes: clusters, 1 to the number of distinct images.
        seed: draws the clustering's sample and seeding.

    Returns:
        (N,) ids 0 to n_classes - 1, every one in use.

    Raises:
        TooFewDistinctImagesError: `n_classes` is not between 1 and the number of distinct images
            (field="n_classes").
        BadResponsesError, NonFiniteResponsesError, DegenerateResponsesError: as `fit_metric`.
    """
    values = as_responses(responses)
    if not 1 <= n_classes <= len(values):
        raise TooFewDistinctImagesError(
            f"n_classes is 1 to the number of images, {len(values)}; got {n_classes}", field="n_classes"
        )
    metric = fit_metric("euclidean", values)
    centres = cluster_centres(metric, values, n_classes, np.random.default_rng(seed))
    if len(centres) < n_classes:
        raise TooFewDistinctImagesError(
            f"only {len(centres)} of {len(values)} images are distinct; n_classes must not exceed that, "
            f"got {n_classes}",
            field="n_classes",
        )
    return np.concatenate(
        [nearest_centres(metric.prepare(values[rows]), centres)[0] for rows in batch_slices(values)]
    )


def shuffled_labels(class_ids: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """The same labels dealt out at random: same histogram, no content.

    Args:
        class_ids: (N,).
        seed: draws the order.

    Returns:
        (N,) a permutation of `class_ids`.
    """
    return np.random.default_rng(seed).permutation(class_ids)
