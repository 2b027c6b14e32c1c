"""Controls that pseudo-labels must beat: k-means ids (ClusterFit) and shuffled labels.

The soft peer needs nothing of its own: `soft_targets` at length 1 is soft k-means.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.anchors import TooFewDistinctImagesError
from g2l.clusters import nearest_centres
from g2l.discovery import cluster_centres
from g2l.metrics import Metric, as_responses, batch_slices, fit_metric

KMEANS_FILE: Final = "clusters.npz"
"""Where a labeling keeps its clusters."""


@dataclass(frozen=True)
class KMeans:
    """Clusters of responses.

    Attributes:
        metric: what the responses are measured by, fitted on them.
        centres: (C, D) in the metric's coordinates; a class id is an index of them.
    """

    metric: Metric
    centres: NDArray[np.float64]

    def ids(self, responses: ArrayLike) -> NDArray[np.int64]:
        """(N,) the nearest centre of each of (N, D) responses."""
        values = as_responses(responses, dims=self.centres.shape[1])
        return np.concatenate(
            [
                nearest_centres(self.metric.prepare(values[rows]), self.centres)[0]
                for rows in batch_slices(values)
            ]
        )

    def save(self, path: Path) -> None:
        """Write an .npz that `load_k_means` reads; nothing in it is pickled."""
        metric = {f"metric_{key}": value for key, value in self.metric.to_arrays().items()}
        np.savez(path, allow_pickle=False, centres=self.centres, **metric)


def load_k_means(path: Path) -> KMeans:
    """Read what `KMeans.save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    centres = arrays.pop("centres")
    return KMeans(Metric.from_arrays({k.removeprefix("metric_"): v for k, v in arrays.items()}), centres)


def fit_k_means(responses: ArrayLike, n_classes: int, seed: int = 0) -> KMeans:
    """Plain k-means on centred unit-norm responses, as ClusterFit does (arXiv 1912.03330).

    Args:
        responses: (N, D).
        n_classes: clusters, 1 to the number of distinct images.
        seed: draws the clustering's sample and seeding.

    Returns:
        Clusters, each of which has an image.

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
    return KMeans(metric, centres)


def shuffled_labels(class_ids: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """The same labels dealt out at random: same histogram, no content.

    Args:
        class_ids: (N,).
        seed: draws the order.

    Returns:
        (N,) a permutation of `class_ids`.
    """
    return np.random.default_rng(seed).permutation(class_ids)
