"""How many names a label should have: as many as say something new and leave classes that can be learnt."""

import math

import numpy as np
from numpy.typing import ArrayLike

from g2l.anchors import AnchorSet
from g2l.geometry import Prefer, greedy_simplices
from g2l.labeling import FEW_BITS, bits_per_position
from g2l.metrics import as_responses

LONGEST = 4  # names; more are not looked at
ALIKE = 20  # images that an image should share its label with, in the geometric mean
MOST_IMAGES = 100_000  # evenly spaced, that the bits are counted on


def informative_length(
    responses: ArrayLike, anchors: AnchorSet, *, prefer: Prefer, project: bool = False
) -> int:
    """The longest label whose every name adds `FEW_BITS` or more, and with images enough of each.

    **[ours]** Labels of b bits over N images have N / 2^b images alike in the geometric mean; with fewer than
    `ALIKE` no class is seen often enough to be learnt. The first name stays in any case.

    Args:
        responses: (N, D) as the embedder gives them.
        anchors: the anchor set.
        prefer: as for `label`.
        project: as for `label`.

    Returns:
        names a label, 1 to `LONGEST`, and no more than there are anchors.

    Raises:
        BadResponsesError, NonFiniteResponsesError: the responses.
    """
    values = as_responses(responses, dims=anchors.means.shape[1])
    picked = values[:: math.ceil(len(values) / MOST_IMAGES)]
    longest = min(LONGEST, len(anchors.names))
    full = np.empty((len(picked), longest), dtype=np.int64)
    for rows, distances in anchors.batches(picked):
        grown = greedy_simplices(distances, anchors.squared_distances, longest, prefer, project=project)
        full[rows] = grown.order
    added = bits_per_position(full)
    most = math.log2(max(1, len(values) / ALIKE))
    for length in range(1, longest):
        if added[length] < FEW_BITS or sum(added[: length + 1]) > most:
            return length
    return longest
