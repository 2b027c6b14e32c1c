"""A derived split that keeps groups whole: those of them test that bring each class nearest to its share."""

from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Parts = dict[int, list[tuple[int, int]]]  # block -> (class, items of it in the block)

_UNDECIDED, _TRAIN, _TEST = -1, 0, 1
_PASSES: Final = 20
_ONE_SIDED: Final = 1e12  # what a class costs that is on one side only: more than any distance from its share


def draw_groups(
    class_ids: Ints, keys: Keys, groups: Keys, versions: Ints, *, share: float
) -> tuple[NDArray[np.bool_], list[int]]:
    """Draw the test side of items that come in groups.

    Blocks are groups, and items without one by themselves (a copy of a grouped item goes with that). In the
    order of their keys they go to the test side wherever this brings the classes nearer to their share,
    measured by the sum over classes of (test items - share)^2 / items; then single blocks change sides as
    long as that helps. A block keeps the side that it got in an earlier version **[ours]**.

    Args:
        class_ids: (N,) of the items, all labelled.
        keys: (N,) of the items' bytes.
        groups: (N,) of the groups' names, 0 without one.
        versions: (N,) the dataset's version that an item came with.
        share: of each class that shall test.

    Returns:
        (N,) whether an item tests, and the classes that could not be put on both sides.
    """
    blocks, n_blocks = _blocks(keys, groups)
    sides = np.full(n_blocks, _UNDECIDED, np.int8)
    one_sided: list[int] = []
    for version in np.unique(versions):
        there = versions <= version
        draft = _Draft(_parts(blocks[there], class_ids[there]), sides, share)
        draft.settle()
        one_sided = draft.one_sided()
        if not one_sided:  # else nothing was tested on this version, and the next draws anew
            sides = draft.sides
    return (sides if not one_sided else draft.sides)[blocks] == _TEST, one_sided


def _blocks(keys: Keys, groups: Keys) -> tuple[Ints, int]:
    """The block of each item, numbered in the order of the blocks' keys."""
    _, copies = np.unique(keys, return_inverse=True)
    nobody = np.iinfo(np.uint64).max
    of_copies = np.full(copies.max() + 1, nobody)
    grouped = groups != 0
    np.minimum.at(of_copies, copies[grouped], groups[grouped])
    loners = np.where(of_copies[copies] == nobody, keys, of_copies[copies])
    names, blocks = np.unique(np.where(grouped, groups, loners), return_inverse=True)
    return blocks, len(names)


def _parts(blocks: Ints, class_ids: Ints) -> Parts:
    n_classes = int(class_ids.max()) + 1
    pairs, counts = np.unique(blocks * n_classes + class_ids, return_counts=True)
    parts: Parts = defaultdict(list)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        parts[pair // n_classes].append((pair % n_classes, count))
    return parts


class _Draft:
    """A split in the making: blocks change sides while that lowers the cost."""

    def __init__(self, parts: Parts, sides: NDArray[np.int8], share: float) -> None:
        self.sides = sides.copy()
        self._parts, self._share = parts, share
        self._totals: dict[int, int] = defaultdict(int)
        self._tests: dict[int, int] = defaultdict(int)
        self._open = [block for block in sorted(parts) if sides[block] == _UNDECIDED]
        for block, part in parts.items():
            for class_id, count in part:
                self._totals[class_id] += count
                self._tests[class_id] += count * int(sides[block] == _TEST)
        self.sides[self._open] = _TRAIN

    def settle(self) -> None:
        """Move blocks, lowest key first, until no single move helps."""
        for _ in range(_PASSES):
            if not sum(self._moved(block) for block in self._open):
                break

    def one_sided(self) -> list[int]:
        """The classes that are on one side only."""
        return sorted(c for c, total in self._totals.items() if self._tests[c] in (0, total))

    def _moved(self, block: int) -> bool:
        sign = 1 if self.sides[block] == _TRAIN else -1
        gain = sum(
            self._cost(c, self._tests[c]) - self._cost(c, self._tests[c] + sign * n)
            for c, n in self._parts[block]
        )
        if gain <= 1e-9:
            return False
        for class_id, count in self._parts[block]:
            self._tests[class_id] += sign * count
        self.sides[block] = _TEST if sign > 0 else _TRAIN
        return True

    def _cost(self, class_id: int, n_test: int) -> float:
        total = self._totals[class_id]
        return (n_test - self._share * total) ** 2 / total + _ONE_SIDED * (n_test in (0, total))
