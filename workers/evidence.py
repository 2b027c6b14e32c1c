"""What is known of a source on a target before any transfer: what forecasts regress from."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.db.resources import Dataset, Model, Transfer
from g2l.data.splits import budget_indices
from g2l.divergence import divergences
from g2l.errors import G2LError
from g2l.figures import Figures
from g2l.transferability.scores import transferability_scores
from workers import pixels
from workers.active import ActiveJob, load
from workers.embedders import embedding_of
from workers.responses import Matrix, Responder

MEAN_ITEMS = 2000  # responses that stand for a dataset's

# A target without usable labels has no scores; that is no fault of the request.
_UNSCORABLE = frozenset({"unlabelled-dataset", "bad-labels", "class-too-small", "empty-split"})

Measures = dict[str, float | None]
Probabilities = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class Evidence:
    """What a source was measured to be worth on a target.

    Attributes:
        scores: transferability scores by name; None for a target without usable labels.
        divergences: between the source's pool and the target, by name; None for imports, which have no pool.
    """

    scores: Measures | None
    divergences: Measures | None

    @classmethod
    def of(cls, past: Transfer) -> "Evidence":
        """What a transfer's row tells; rows from before the scores have two figures."""
        scores, divergences = past.scores, past.divergences
        if scores is None and past.knn_accuracy is not None:
            scores = {"knn": past.knn_accuracy}
        if divergences is None and past.divergence is not None:
            divergences = {"jensen_shannon": past.divergence}
        return cls(scores, divergences)

    @property
    def figures(self) -> Figures:
        """All of it, as forecasts take it."""
        return cast("Figures", {**(self.scores or {}), **(self.divergences or {})})

    @property
    def knn_accuracy(self) -> float | None:
        """The score that a forecast without past transfers goes by."""
        return (self.scores or {}).get("knn")

    @property
    def divergence(self) -> float | None:
        """Jensen-Shannon between the mean responses."""
        return (self.divergences or {}).get("jensen_shannon")


def evidence(
    job: ActiveJob[Any],
    source: Model,
    target: Dataset,
    *,
    label_budget: int | None,
    image_size: int | None,
    seed: int,
) -> tuple[Evidence, Responder]:
    """Measure a source on a target, in the source's own features.

    Args:
        job: that it is measured for.
        source: what is measured.
        target: on what.
        label_budget: labelled images a class that scores may look at; None for all.
        image_size: pixels that the transfer runs at, and scores are measured at; None for the source's own.
            Divergences, which are between whole datasets, are measured at that always.
        seed: of the draw of labelled images.

    Returns:
        what was found, and the responder whose new responses are to be written with the job's product.
    """
    responder = Responder(job, embedding_of(job, source.id))
    apart: Measures | None = None
    if source.dataset_id is not None and source.role == "source":
        pool = responder.sample(load(Dataset, source.dataset_id), MEAN_ITEMS)
        apart = {**divergences(pool, responder.sample(target, MEAN_ITEMS))}
    size = None if image_size == source.image_size else image_size
    scores = _scores(job, source, target, responder, label_budget=label_budget, image_size=size, seed=seed)
    return Evidence(scores, apart), responder


def _scores(
    job: ActiveJob[Any],
    source: Model,
    target: Dataset,
    responder: Responder,
    *,
    label_budget: int | None,
    image_size: int | None,
    seed: int,
) -> Measures | None:
    pack = pixels.open_pack(job.store, target)
    try:
        items = budget_indices(pack.class_ids, pack.target_split().train, label_budget, seed=seed)
        scores = transferability_scores(
            _responses(job, target, responder, items, image_size),
            pack.class_ids[items],
            source_probabilities=_classifier(job, source, target, items, image_size),
        )
    except G2LError as error:
        if error.code not in _UNSCORABLE:
            raise
        return None
    return dataclasses.asdict(scores)


def _responses(
    job: ActiveJob[Any],
    target: Dataset,
    responder: Responder,
    items: pixels.Indices,
    image_size: int | None,
) -> Matrix:
    """Of the items; at another size than the source's own they are computed anew."""
    from g2l.nn.model_embedder import ModelEmbedder

    network = responder.embedding.network
    if image_size is None or not isinstance(network, ModelEmbedder):
        return np.asarray(responder.of(target)[items])
    return network.at_size(image_size).embed(pixels.images_at(job, target, image_size, items))


def _classifier(
    job: ActiveJob[Any],
    source: Model,
    target: Dataset,
    items: pixels.Indices,
    image_size: int | None,
) -> Callable[[pixels.Indices], Probabilities] | None:
    """The source's own classifier on some of the items; None where it was trained towards no classes."""
    widths = _softmaxes(source)
    if not widths:
        return None

    def probabilities(picked: pixels.Indices) -> Probabilities:
        from g2l.nn.outputs import class_probabilities

        images = pixels.images_at(job, target, image_size or source.image_size, items[picked])
        return class_probabilities(
            job.store.path(source.artifact),
            images,
            widths=widths,
            image_size=image_size,
            on_progress=job.counting("classifying by the source", "images"),
        )

    return probabilities


def _softmaxes(source: Model) -> list[int]:
    """Outcomes of each softmax of the source's classifier, in the order of its outputs."""
    if heads := source.metrics.get("heads"):
        return [head["n_classes"] for head in heads for _ in range(head["n_positions"])]
    if not source.n_outputs or source.spec.get("heads") == "positions":
        return []  # no classifier, or one of before its heads were written down
    return [source.n_outputs]
