"""Labels that live on: the classes of a labeling, under whose ids further images are labelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from g2l.geometry import Prefer

Ints = NDArray[np.int64]
Beginning = tuple[int, ...]


@dataclass(frozen=True)
class KnownClasses:
    """The classes of a labeling made before.

    Attributes:
        names: C label names by class id.
        anchors: (C, L) anchors of each, as the labeling uses them, -1 beyond the label's end.
        counts: (C,) images that each had.
        beginnings: beginnings of grown sequences, as they were left after back-off, and their class ids.
    """

    names: tuple[str, ...]
    anchors: Ints
    counts: Ints
    beginnings: dict[Beginning, int]

    @classmethod
    def of(cls, names: Sequence[str], class_ids: Ints, *, anchors: Ints, full: Ints) -> Self:
        """The classes of a labeling in which each has an image.

        Args:
            names: C label names by class id.
            class_ids: (N,).
            anchors: (N, L) as used, after back-off.
            full: (N, L) as grown, before it.
        """
        _, examples, counts = np.unique(class_ids, return_index=True, return_counts=True)
        kept = (anchors >= 0).sum(1, keepdims=True)
        left = np.where(np.arange(full.shape[1]) < kept, full, -1)
        rows = np.unique(np.column_stack([left, class_ids]), axis=0).tolist()
        beginnings = {tuple(anchor for anchor in row[:-1] if anchor >= 0): row[-1] for row in rows}
        return cls(tuple(names), anchors[examples], counts, beginnings)

    def assign(self, full: Ints, distances: NDArray[np.float64], prefer: Prefer) -> tuple[Ints, Ints]:
        """The class of each grown sequence.

        That is the longest of its beginnings that is a class. Where none is, one of the classes that share
        the most names with its beginning; where not even the first is shared, of those that begin with the
        anchor which growth would have taken first among their first names. Of several classes the most
        frequent one, then the one of the lowest id **[ours]**.

        Args:
            full: (N, L) sequences, grown with the anchors and options of the labeling.
            distances: (N, K) squared distances that they were grown from.
            prefer: as they were grown.

        Returns:
            (N,) class ids, and the rows that no beginning matched.
        """
        sequences, places = np.unique(full, axis=0, return_inverse=True)
        grown = [tuple(anchor for anchor in row if anchor >= 0) for row in sequences.tolist()]
        ids = np.array([self._matched(sequence) for sequence in grown])[places.reshape(-1)]
        unmatched = np.flatnonzero(ids < 0)
        firsts = np.array(sorted({beginning[0] for beginning in self.beginnings}))
        best = distances[np.ix_(unmatched, firsts)]
        first = firsts[best.argmax(1) if prefer == "far" else best.argmin(1)]
        closest: dict[Beginning, int] = {}
        for row, instead in zip(unmatched.tolist(), first.tolist(), strict=True):
            sequence = grown[places.reshape(-1)[row]]
            if sequence[0] not in firsts:
                sequence = (instead,)
            if sequence not in closest:
                closest[sequence] = self._closest(sequence)
            ids[row] = closest[sequence]
        return ids, unmatched

    def _matched(self, sequence: Beginning) -> int:
        heads = (sequence[:length] for length in range(len(sequence), 0, -1))
        return next((self.beginnings[head] for head in heads if head in self.beginnings), -1)

    def _closest(self, sequence: Beginning) -> int:
        def likeness(item: tuple[Beginning, int]) -> tuple[int, int, int]:
            beginning, class_id = item
            shared = next(
                (i for i, (a, b) in enumerate(zip(beginning, sequence, strict=False)) if a != b),
                min(len(beginning), len(sequence)),
            )
            return shared, int(self.counts[class_id]), -class_id

        return max(self.beginnings.items(), key=likeness)[1]
