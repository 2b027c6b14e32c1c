"""Accuracy of the nearest neighbours: how well a source's features already separate a labelled target."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.errors import G2LError
from g2l.geometry import row_slices
from g2l.metrics import BATCH_ENTRIES, Floats, as_responses, fit_metric
from g2l.transferability.inputs import SingleImageClassError, checked_labels

QUERIES = 5_000
"""Images classified at most, a seeded draw of more, each against all images of the other folds."""


def knn_accuracy(
    responses: ArrayLike, labels: ArrayLike, *, neighbours: int = 5, folds: int = 5, seed: int = 0
) -> float:
    """Stratified cross-validated accuracy of the nearest neighbours on centred unit-norm responses.

    Args:
        responses: (N, D) of the target's images, from the source.
        labels: (N,) classes, of any kind that sorts.
        neighbours: voters; ties go to the class with the nearer ones.
        folds: parts; a class with fewer images is spread over as many parts as it has images.
        seed: deals the images into folds.

    Returns:
        Share of images classified right, each by images of other folds, 0 to 1.

    Raises:
        SingleImageClassError: a class has one image (field="labels").
        BadLabelsError: not one label a response, or a single class (field="labels").
        G2LError: neighbours < 1 or folds < 2.
        BadResponsesError, NonFiniteResponsesError, DegenerateResponsesError: as `fit_metric`.
    """
    if neighbours < 1 or folds < 2:
        raise G2LError(f"neighbours >= 1 and folds >= 2; got {neighbours} and {folds}")
    values = as_responses(responses)
    classes = checked_labels(labels, len(values))
    _require_pairs(labels, classes)
    rng = np.random.default_rng(seed)
    fold_of = _stratified_folds(classes, folds, rng)
    metric = fit_metric("euclidean", values)
    points = np.concatenate(list(metric.batches(values)))
    queries = np.sort(rng.permutation(len(values))[:QUERIES])
    right = 0
    for rows in row_slices(len(queries), len(values), entries=BATCH_ENTRIES):
        part = queries[rows]
        distances = metric.between(points[part], points)
        distances[fold_of[part][:, None] == fold_of[None, :]] = np.inf
        right += int((_vote(distances, classes, neighbours) == classes[part]).sum())
    return right / len(queries)


def _vote(distances: Floats, classes: NDArray[np.int64], neighbours: int) -> NDArray[np.int64]:
    """The class of most neighbours; each vote is worth a little more the nearer it comes from."""
    k = min(neighbours, distances.shape[1] - 1)
    near = np.argpartition(distances, k - 1, axis=1)[:, :k]
    gaps = np.take_along_axis(distances, near, 1)
    order = np.argsort(gaps, axis=1, kind="stable")
    near, gaps = np.take_along_axis(near, order, 1), np.take_along_axis(gaps, order, 1)
    votes = np.zeros((len(distances), int(classes.max()) + 1))
    rows = np.arange(len(distances))
    for rank in range(k):
        worth = np.where(np.isfinite(gaps[:, rank]), 1.0 + (k - rank) / (2.0 * k * k), 0.0)
        votes[rows, classes[near[:, rank]]] += worth
    return np.asarray(votes.argmax(1), dtype=np.int64)


def _stratified_folds(classes: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N,) fold of each image: every class is dealt out in turn, from where the one before it ended."""
    shuffled = rng.permutation(len(classes))
    by_class = shuffled[np.argsort(classes[shuffled], kind="stable")]
    fold_of = np.empty(len(classes), dtype=np.int64)
    fold_of[by_class] = np.arange(len(classes)) % folds
    return fold_of


def _require_pairs(labels: ArrayLike, classes: NDArray[np.int64]) -> None:
    counts = np.bincount(classes)
    if counts.min() < 2:
        lonely = np.unique(np.asarray(labels))[counts < 2][0]
        raise SingleImageClassError(
            f"class {str(lonely)!r} has one image; every class needs two or more", field="labels"
        )
