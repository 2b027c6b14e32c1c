"""What is known of a source on a target before any transfer: what forecasts regress from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.db.resources import Dataset, Model
from g2l.data.splits import budget_indices
from g2l.divergence import jensen_shannon
from g2l.errors import G2LError
from g2l.transferability.knn import knn_accuracy
from workers import pixels
from workers.active import ActiveJob, load
from workers.embedders import embedding_of
from workers.responses import Responder

MEAN_ITEMS = 2000  # responses whose mean stands for a dataset's

# A target without usable labels has no kNN score; that is no fault of the request.
_UNSCORABLE = frozenset(
    {"unlabelled-dataset", "single-image-class", "bad-labels", "class-too-small", "empty-split"}
)


@dataclass(frozen=True)
class Evidence:
    """A source's divergence from a target, None for imports, which have no pool; its kNN accuracy there."""

    divergence: float | None
    knn_accuracy: float | None


def evidence(
    job: ActiveJob[Any], source: Model, target: Dataset, *, label_budget: int | None, seed: int
) -> tuple[Evidence, Responder]:
    """Measure a source on a target, in the source's own features.

    Returns:
        what was found, and the responder whose new responses are to be written with the job's product.
    """
    responder = Responder(job, embedding_of(job, source.id))
    divergence = None
    if source.dataset_id is not None and source.role == "source":
        pool = responder.sample(load(Dataset, source.dataset_id), MEAN_ITEMS)
        divergence = jensen_shannon(pool, responder.sample(target, MEAN_ITEMS))
    return Evidence(divergence, _knn(job, responder, target, label_budget=label_budget, seed=seed)), responder


def _knn(
    job: ActiveJob[Any], responder: Responder, target: Dataset, *, label_budget: int | None, seed: int
) -> float | None:
    pack = pixels.open_pack(job.store, target)
    try:
        items = budget_indices(pack.class_ids, pack.target_split().train, label_budget, seed=seed)
        return knn_accuracy(np.asarray(responder.of(target)[items]), pack.class_ids[items])
    except G2LError as error:
        if error.code not in _UNSCORABLE:
            raise
        return None
