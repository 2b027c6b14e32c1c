"""Pseudo-labels of whole datasets: which anchors a dataset is like, by the same geometry as an image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from g2l.anchors import AnchorSet
from g2l.energy import SampledAnchors, mean_length
from g2l.geometry import Prefer, greedy_simplices
from g2l.metrics import Floats, as_responses, evenly, finite, unit_norm

DATASET_ROWS = 2000
"""Responses that stand for a dataset."""
ALIKE = 2.0
"""Up to so many times the distance that chance makes, a dataset is an anchor's: no second name [ours]."""
SHOWN = 16
"""Anchors that `DatasetLabel.to_dict` lists at least, where there are so many."""


@dataclass(frozen=True)
class DatasetLabel:
    """A dataset's pseudo-label.

    Attributes:
        label: anchor names in the order chosen, joined, like "texture-plant".
        anchors: the same names, one by one.
        names: all K anchors.
        squared_distances: (K,) energy distances of the dataset to each anchor's sample.
        log_content: of the dataset and the named anchors; -inf where flat.
        margin: how clear the choices were, in [0, 1].
    """

    label: str
    anchors: tuple[str, ...]
    names: tuple[str, ...]
    squared_distances: Floats
    log_content: float
    margin: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON: `label`, `margin` and, nearest first, `anchors`: the nearest `SHOWN` and the named."""
        order = np.argsort(self.squared_distances, kind="stable").tolist()
        named = {self.names.index(name) for name in self.anchors}
        shown = [k for rank, k in enumerate(order) if rank < SHOWN or k in named]
        return {
            "label": self.label,
            "margin": self.margin,
            "anchors": [
                {"name": self.names[k], "squared_distance": float(self.squared_distances[k])} for k in shown
            ],
        }


def label_dataset(
    responses: ArrayLike, anchors: AnchorSet, *, length: int | None = None, prefer: Prefer = "explain"
) -> DatasetLabel:
    """Give a dataset a pseudo-label.

    The dataset and the anchors are samples of unit-norm responses here, with energy distances between them,
    whatever the anchor set's metric; the growth is that of images.

    Args:
        responses: (N, D) of the dataset, as the embedder gives them; at most `DATASET_ROWS` evenly spaced
            rows are looked at.
        anchors: the anchor set.
        length: names, 1 to K; 2, or K if that is less, by default.
        prefer: "far", "near" or "explain" (see `greedy_simplices`).

    Returns:
        The label; the same for the same responses. It ends with the first name where that anchor's images
        might be the dataset's (see `ALIKE`).

    Raises:
        GeometryError: length or prefer.
        BadResponsesError, NonFiniteResponsesError: the responses.
    """
    values = as_responses(responses, dims=anchors.samples.shape[1])
    sampled = SampledAnchors.of(unit_norm(finite(anchors.samples)), anchors.sample_anchors)
    rows = evenly(len(values), DATASET_ROWS)
    points = unit_norm(finite(values[rows]))
    spread = mean_length(points, points)
    distances, between = sampled.to_sample(points, spread), sampled.between()
    alike = distances <= ALIKE * sampled.by_chance(len(rows), spread)
    steps = min(2, len(anchors.names)) if length is None else length
    grown = greedy_simplices(distances[None], between, steps, prefer)
    if alike[grown.order[0, 0]]:
        grown = greedy_simplices(distances[None], between, 1, prefer)
    chosen = tuple(anchors.names[anchor] for anchor in grown.order[0] if anchor >= 0)
    return DatasetLabel(
        label="-".join(chosen),
        anchors=chosen,
        names=anchors.names,
        squared_distances=distances,
        log_content=float(grown.log_content[0, len(chosen) - 1]),
        margin=float(grown.margin[0]),
    )
