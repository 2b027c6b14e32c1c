"""Which items train and which test, and the few that a label budget allows; the same draw for every model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from g2l.data.group_draw import draw_groups
from g2l.data.layout import TEST
from g2l.errors import G2LError

Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]
TEST_SHARE = 0.3


class UnlabelledDatasetError(G2LError):
    """A task that needs labels, and a dataset without."""

    code: ClassVar[str] = "unlabelled-dataset"
    title: ClassVar[str] = "The dataset has no labels"


class ClassTooSmallError(G2LError):
    """A class that cannot be on both sides of a derived split."""

    code: ClassVar[str] = "class-too-small"
    title: ClassVar[str] = "A class has too few images"


class EmptySplitError(G2LError):
    """A dataset with images for testing and none for training."""

    code: ClassVar[str] = "empty-split"
    title: ClassVar[str] = "The dataset has no images to train on"


@dataclass(frozen=True)
class TargetSplit:
    """The two sides of a labelled target.

    Attributes:
        train, test: item indices, ascending; labelled items only.
        derived: the sides were drawn here, not given by the archive.
    """

    train: Indices
    test: Indices
    derived: bool


def pretraining_indices(splits: NDArray[np.str_]) -> Indices:
    """The items that pretraining uses: those of `train`, or all where the archive has no splits.

    Args:
        splits: (N,) "train", "test" or "".

    Returns:
        (n,) ascending.

    Raises:
        EmptySplitError: there are only test items.
    """
    chosen = np.flatnonzero(splits != TEST)
    if not len(chosen):
        raise EmptySplitError(
            "all images are in 'test'; put those to train on in 'train', or use no splits", field="dataset_id"
        )
    return chosen


def target_split(
    class_ids: Indices,
    classes: Sequence[str],
    splits: NDArray[np.str_],
    *,
    keys: Keys,
    groups: Keys | None = None,
    versions: Indices | None = None,
) -> TargetSplit:
    """The archive's own train and test; without a test, a stratified 30 % drawn by the items' digests.

    The draw depends on the items alone, so it is the same for every transfer. Copies of one image stay
    together, and so do the items of a group (see `draw_groups`); without groups, an image that carries two
    labels is always on the train side. What a version of a dataset adds does not move the items before it.

    Args:
        class_ids: (N,), -1 where an item has no label.
        classes: names by class id.
        splits: (N,) "train", "test" or ""; where there is a test, "" trains, unless its group tests.
        keys: (N,) the first 8 bytes of each item's SHA-256, as a number.
        groups: (N,) likewise of the name of its group, 0 without one; None if no item has one.
        versions: (N,) the version of the dataset that an item came with; all the first if None.

    Raises:
        UnlabelledDatasetError: no item has a label.
        ClassTooSmallError: a class has one (distinct) image or lies in one group, and there is no test.
        EmptySplitError: there are only test items.
    """
    labelled = np.flatnonzero(class_ids >= 0)
    if not len(labelled):
        raise UnlabelledDatasetError(
            "the dataset has no labels, and a target needs them; send an archive with a folder per class",
            field="dataset_id",
        )
    if versions is None:
        versions = np.broadcast_to(np.int64(1), len(class_ids))
    if (splits == TEST)[labelled].any():
        in_test = _given_test(splits, groups)[labelled]
        if in_test.all():
            raise EmptySplitError(
                "all labelled images are in 'test'; put some in 'train', or use no splits", field="dataset_id"
            )
        return TargetSplit(labelled[~in_test], labelled[in_test], derived=False)
    rows = slice(None) if len(labelled) == len(class_ids) else labelled  # no copies of a million numbers
    if groups is None:
        in_test = _draw_images(class_ids[rows], keys[rows], versions[rows], classes=classes)
    else:
        in_test, one_sided = draw_groups(
            class_ids[rows], keys[rows], groups[rows], versions[rows], share=TEST_SHARE
        )
        if one_sided:
            raise _one_sided([classes[class_id] for class_id in one_sided])
    return TargetSplit(labelled[~in_test], labelled[in_test], derived=True)


def _given_test(splits: NDArray[np.str_], groups: Keys | None) -> NDArray[np.bool_]:
    in_test = np.asarray(splits == TEST)
    if groups is not None:
        of_groups = np.isin(groups, groups[in_test & (groups != 0)])
        in_test = in_test | (of_groups & (groups != 0) & (splits == ""))
    return in_test


def _draw_images(
    class_ids: Indices, keys: Keys, versions: Indices, *, classes: Sequence[str]
) -> NDArray[np.bool_]:
    """Which labelled items test, class by class."""
    shared = _with_two_labels(class_ids, keys)
    in_test = np.zeros(len(class_ids), bool)
    by_class = np.argsort(class_ids, kind="stable")
    _, starts = np.unique(class_ids[by_class], return_index=True)
    for rows in np.split(by_class, starts[1:]):
        drawn = _draw_class(keys[rows], versions[rows], shared[rows])
        if drawn is None:
            raise _too_small(classes[class_ids[rows[0]]], len(rows))
        in_test[rows] = drawn
    return in_test


def _with_two_labels(class_ids: Indices, keys: Keys) -> NDArray[np.bool_]:
    in_order = np.sort(keys)
    if (in_order[1:] != in_order[:-1]).all():  # no copies at all, as mostly
        return np.zeros(len(keys), bool)
    _, copies = np.unique(keys, return_inverse=True)
    low, high = np.full(copies.max() + 1, np.iinfo(np.int64).max), np.full(copies.max() + 1, -1)
    np.minimum.at(low, copies, class_ids)
    np.maximum.at(high, copies, class_ids)
    return np.asarray((low != high)[copies])


def _draw_class(keys: Keys, versions: Indices, shared: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The test items of one class, version by version; None if it cannot be on both sides.

    Each version's copies of one image are whole, and those of the lowest keys test, as many as bring the
    class nearest to its share.
    """
    in_test, settled = np.zeros(len(keys), bool), shared.copy()
    for version in np.unique(versions):
        n_there = int((versions <= version).sum())
        new = np.flatnonzero((versions <= version) & ~settled)
        n_test = int(in_test.sum())
        _, copies, sizes = np.unique(keys[new], return_inverse=True, return_counts=True)
        least, most = (
            int(not n_test),
            len(sizes) - int(n_there == n_test + len(new)),
        )  # one stays for training
        if least <= most:  # else the class waits for a version that it can be drawn in
            tested = n_test + np.concatenate([[0], np.cumsum(sizes)])[least : most + 1]
            in_test[new[copies < least + int(np.abs(tested - TEST_SHARE * n_there).argmin())]] = True
            settled[new] = True
    return in_test if 0 < in_test.sum() < len(keys) else None


def _too_small(name: str, n_items: int) -> ClassTooSmallError:
    what = "one image" if n_items == 1 else f"{n_items} images that are copies of one, or of another class"
    return ClassTooSmallError(
        f"class '{name}' has only {what}: a test split needs two different ones; add images, leave "
        f"the class out, or send an archive with 'train' and 'test' folders",
        field="dataset_id",
    )


def _one_sided(names: Sequence[str]) -> ClassTooSmallError:
    shown = ", ".join(f"'{name}'" for name in names[:5]) + (", …" if len(names) > 5 else "")
    return ClassTooSmallError(
        f"groups stay on one side of a derived split, and that leaves {shown} on a single side, as where all "
        f"images of a class are of one group; add images of other groups, take in the dataset without "
        f"group_by, or send an archive with 'train' and 'test' folders",
        field="dataset_id",
    )


def budget_indices(
    class_ids: NDArray[np.integer], candidates: Indices, budget: int | None, *, seed: int
) -> Indices:
    """A label budget's items: min(budget, available) a class, drawn by seed.

    Smaller budgets are subsets of larger ones, and no class's draw depends on another class.

    Args:
        class_ids: (N,), -1 where an item has no label.
        candidates: items to draw from (the train side), in any order.
        budget: images a class; None takes all that have a label.
        seed: 0 to 2**32 - 1.

    Returns:
        (n,) ascending.

    Raises:
        UnlabelledDatasetError: no candidate has a label.
    """
    candidates = np.sort(candidates)
    candidates = candidates[class_ids[candidates] >= 0]
    if not len(candidates):
        raise UnlabelledDatasetError("none of the images to train on has a label", field="dataset_id")
    if budget is None:
        return candidates
    drawn = []
    for class_id in np.unique(class_ids[candidates]):
        of_class = candidates[class_ids[candidates] == class_id]
        drawn.append(np.random.default_rng([seed, int(class_id)]).permutation(of_class)[:budget])
    return np.sort(np.concatenate(drawn))
