"""How right labels by a target's classes are, told by its labelled images before anything is trained."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.anchors import fit_anchors
from g2l.metrics import Metric

Ints = NDArray[np.int64]


def right_labels(
    responses: ArrayLike,
    class_ids: Ints,
    metric: Metric,
    folds: Iterable[tuple[Ints, Ints]],
    *,
    seed: int = 0,
) -> tuple[int, int]:
    """How many labelled images lie nearest to their own class's anchor, the anchors being made without them.

    Args:
        responses: (N, D) of labelled images.
        class_ids: (N,).
        metric: fitted.
        folds: pairs of rows that anchors are made of, at least one of each class, and rows that are asked.
        seed: of the samples that anchors keep.

    Returns:
        Those that do, and those that were asked.
    """
    values = np.asarray(responses)
    right = asked = 0
    for rows, held_out in folds:
        present = np.unique(class_ids[rows])
        groups = {str(number): values[rows][class_ids[rows] == number] for number in present}
        anchors = fit_anchors(groups, metric, seed=seed)
        nearest = present[anchors.distances_to(values[held_out]).argmin(1)]
        right += int((nearest == class_ids[held_out]).sum())
        asked += len(held_out)
    return right, asked
