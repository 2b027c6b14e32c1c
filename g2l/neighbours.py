"""Responses averaged over those of images that look alike, so that such images are labelled alike."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from g2l.errors import G2LError
from g2l.geometry import row_slices
from g2l.metrics import Metric, as_responses, batch_slices

Matrix = NDArray[np.float32]

MOST_IMAGES = 65_536
"""Every image is compared with every other: twice as many take four times as long."""
SIMILARITIES = 2**24
"""Numbers compared at a time (64 MiB in float32)."""


class NeighboursError(G2LError):
    """A number of neighbours that these images do not have, or too many images to look for any."""

    code: ClassVar[str] = "bad-neighbours"
    title: ClassVar[str] = "The neighbours cannot be found"


def over_neighbours(
    responses: ArrayLike,
    metric: Metric,
    k: int,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Matrix:
    """Each image's response, half its own and half the mean of its k nearest neighbours' **[ours]**.

    Images far apart may still share a class; what lies between them tells. One step of what label propagation
    repeats (Zhou and others, NIPS 2003), on responses instead of labels, so that every kind of label has it.

    Args:
        responses: (N, D) as the embedder gives them.
        metric: fitted; neighbours are nearest by the cosine of its coordinates, centred.
        k: neighbours, 1 to N - 1.
        on_progress: called with (images done, N); what it raises ends the work.

    Returns:
        (N, D) responses.

    Raises:
        NeighboursError: k is not between 1 and N - 1, or N above `MOST_IMAGES` (field="neighbours").
        BadResponsesError, NonFiniteResponsesError: as `Metric.prepare`.
    """
    values: Matrix = np.asarray(as_responses(responses), np.float32)
    n = len(values)
    require_neighbours(k, n)
    points = _directions(values, metric)
    averaged = np.empty(values.shape, np.float32)
    for rows in row_slices(n, n, entries=SIMILARITIES):
        alike = points[rows] @ points.T
        alike[np.arange(len(alike)), np.arange(rows.start, rows.stop)] = -np.inf
        nearest = np.argpartition(-alike, k - 1, axis=1)[:, :k]
        share = np.full(nearest.size, np.float32(1 / k))
        ends = np.arange(0, nearest.size + 1, k)
        mean = csr_array((share, nearest.ravel(), ends), shape=(len(nearest), n)) @ values
        averaged[rows] = (values[rows] + mean) / 2
        on_progress(rows.stop, n)
    return averaged


def require_neighbours(k: int, n_images: int) -> None:
    """Refuse more neighbours than there are other images, and more images than can be compared.

    Raises:
        NeighboursError: says which, and the cure.
    """
    if not 1 <= k < n_images:
        raise NeighboursError(
            f"neighbours is less than the number of images, {n_images}; got {k}", field="neighbours"
        )
    if n_images > MOST_IMAGES:
        raise NeighboursError(
            f"neighbours are looked for among {MOST_IMAGES} images at most, and there are {n_images}; leave "
            "neighbours out",
            field="neighbours",
        )


def _directions(values: NDArray[np.generic], metric: Metric) -> Matrix:
    """(N, D) unit vectors, from the mean of all to each."""
    points = np.empty((len(values), values.shape[1]), np.float32)
    for rows in batch_slices(values):
        points[rows] = metric.coordinates(metric.prepare(values[rows]))
    points -= points.mean(0, dtype=np.float64).astype(np.float32)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(lengths > 0, lengths, np.float32(1)))
