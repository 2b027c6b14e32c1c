"""All transferability scores of a source on a target at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from g2l.metrics import DegenerateResponsesError, Floats, as_responses
from g2l.transferability.gbc import gbc
from g2l.transferability.h_score import h_score
from g2l.transferability.inputs import Ids, SingleImageClassError
from g2l.transferability.knn import knn_accuracy
from g2l.transferability.logme import logme
from g2l.transferability.ridge import ridge_accuracy
from g2l.transferability.source_labels import leep, nce

SCORED_IMAGES = 1000
"""Images that all scores but kNN's look at; of more, an even draw of each class."""


@dataclass(frozen=True)
class Scores:
    """What a source is worth on a labelled target; larger is better in each. docs/scores.md defines them.

    Attributes:
        knn: cross-validated accuracy of the nearest neighbours, 0 to 1; None where a class has one image, or
            all responses are one point.
        ridge: leave-one-out accuracy of a linear classifier, 0 to 1; None where every class has one image.
        logme: in nats an image.
        leep: in nats, at most 0; None for a source without a classifier.
        nce: in nats, at most 0; None likewise.
        h_score: 0 to the number of classes less one.
        gbc: minus the number of ordered pairs of classes, to 0; None where every class has one image.
    """

    knn: float | None
    ridge: float | None
    logme: float
    leep: float | None
    nce: float | None
    h_score: float
    gbc: float | None


def scored_images(labels: ArrayLike, most: int = SCORED_IMAGES) -> Ids:
    """Indices of at most so many images, evenly spaced in the images sorted by class, in ascending order."""
    order = np.argsort(np.asarray(labels), kind="stable")
    return np.sort(order[np.unique(np.linspace(0, len(order) - 1, min(len(order), most)).astype(np.int64))])


def transferability_scores(
    responses: ArrayLike,
    labels: ArrayLike,
    *,
    source_probabilities: Callable[[Ids], Sequence[Floats]] | None = None,
    seed: int = 0,
) -> Scores:
    """Every score of a source on a target.

    Args:
        responses: (N, D) of the target's images, from the source.
        labels: (N,) classes, of any kind that sorts.
        source_probabilities: given indices of (n,) images, the softmaxes of the source's own classifier on
            them, (n, Z) each; None, or none of them, for a source without a classifier.
        seed: of the folds of the nearest neighbours.

    Returns:
        the scores.

    Raises:
        BadLabelsError: not one label a response, or a single class (field="labels").
        BadResponsesError, NonFiniteResponsesError: the responses are not usable.
        BadProbabilitiesError: the probabilities are none.
    """
    values, classes = as_responses(responses), np.asarray(labels)
    knn = _or_none(lambda: knn_accuracy(values, classes, seed=seed))
    picked = scored_images(classes)
    x, y = values[picked], classes[picked]
    softmaxes = source_probabilities(picked) if source_probabilities is not None else ()
    return Scores(
        knn=knn,
        ridge=_or_none(lambda: ridge_accuracy(x, y)),
        logme=logme(x, y),
        leep=leep(np.concatenate(softmaxes, axis=1) / len(softmaxes), y) if softmaxes else None,
        nce=nce(np.stack([p.argmax(1) for p in softmaxes], axis=1), y) if softmaxes else None,
        h_score=h_score(x, y),
        gbc=_or_none(lambda: gbc(x, y)),
    )


def _or_none(measure: Callable[[], float]) -> float | None:
    try:
        return measure()
    except (SingleImageClassError, DegenerateResponsesError):
        return None
