"""Back-off of rare labels: the trie of all label sequences, its rarest leaves folded into their parents."""

import heapq
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from g2l.errors import G2LError

Ints = NDArray[np.int64]
Node = tuple[int, ...]


class TooFewClassesError(G2LError):
    """Fewer classes allowed than there are first names, which back-off never takes away."""

    code: ClassVar[str] = "too-few-classes"
    title: ClassVar[str] = "Too few classes allowed"


def back_off(
    sequences: Ints, counts: Ints, *, min_class_size: int = 1, max_classes: int | None = None
) -> Ints:
    """How many names each label sequence keeps.

    First leaves are folded into their parents, rarest first, until there are at most `max_classes` classes;
    then leaves of fewer than `min_class_size` images, rarest first; then inner classes of fewer, deepest
    first. No label falls below one name, and a class that was folded never comes back: the label of any
    sequence is its longest prefix that is a class.

    Args:
        sequences: (U, L) distinct sequences of anchors, -1 beyond their end.
        counts: (U,) images of each.
        min_class_size: images that a class of two names or more must have.
        max_classes: classes at most; any number if None.

    Returns:
        (U,) names kept, 1 to L.

    Raises:
        TooFewClassesError: `max_classes` is below the number of first names (field="max_classes").
    """
    trie = _Trie(sequences, counts)
    if max_classes is not None:
        firsts = len(np.unique(sequences[:, 0]))
        if max_classes < firsts:
            raise TooFewClassesError(
                f"the labels begin with {firsts} different names, which back-off keeps; max_classes must be "
                f"at least {firsts}, got {max_classes}",
                field="max_classes",
            )
        trie.fold_leaves(lambda _: len(trie.sizes) > max_classes)
    trie.fold_leaves(lambda size: size < min_class_size)
    trie.fold_inner(min_class_size)
    return trie.lengths()


class _Trie:
    """The classes (sequences with images of their own), with how many classes lie below each prefix."""

    def __init__(self, sequences: Ints, counts: Ints) -> None:
        self._members: dict[Node, list[int]] = {}
        self.sizes: dict[Node, int] = {}
        self._below: Counter[Node] = Counter()
        for i, (row, count) in enumerate(zip(sequences.tolist(), counts.tolist(), strict=True)):
            node = tuple(anchor for anchor in row if anchor >= 0)
            self._members[node], self.sizes[node] = [i], count
            self._below.update(node[:end] for end in range(1, len(node)))

    def fold_leaves(self, wanted: Callable[[int], bool]) -> None:
        """Fold the rarest leaf while it is wanted by its size; of equals the longest, then the first."""
        heap = [self._key(node) for node in self.sizes if self._is_open_leaf(node)]
        heapq.heapify(heap)
        while heap:
            size, _, node = heapq.heappop(heap)
            if not wanted(size):
                break
            parent = self._fold(node)
            if self._is_open_leaf(parent):
                heapq.heappush(heap, self._key(parent))

    def fold_inner(self, min_class_size: int) -> None:
        """Fold classes that are too rare though others lie below them, deepest first."""
        for length in range(max(map(len, self.sizes)), 1, -1):
            for node in [n for n, size in self.sizes.items() if len(n) == length and size < min_class_size]:
                self._fold(node)

    def lengths(self) -> Ints:
        """Names kept of each sequence."""
        kept = np.empty(sum(map(len, self._members.values())), dtype=np.int64)
        for node, members in self._members.items():
            kept[members] = len(node)
        return kept

    def _fold(self, node: Node) -> Node:
        parent = node[:-1]
        self._members.setdefault(parent, []).extend(self._members.pop(node))
        merged = parent in self.sizes
        self.sizes[parent] = self.sizes.get(parent, 0) + self.sizes.pop(node)
        self._below[parent] -= 1
        if merged:  # one class fewer for all further up; else the parent took its place
            self._below.subtract(parent[:end] for end in range(1, len(parent)))
        return parent

    def _is_open_leaf(self, node: Node) -> bool:
        return len(node) > 1 and not self._below[node]

    def _key(self, node: Node) -> tuple[int, int, Node]:
        return self.sizes[node], -len(node), node
