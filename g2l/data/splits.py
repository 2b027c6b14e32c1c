"""Which items train and which test, and the few that a label budget allows; the same draw for every model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from g2l.data.layout import TEST, TRAIN
from g2l.errors import G2LError

Indices = NDArray[np.int64]
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
    class_ids: NDArray[np.integer],
    classes: Sequence[str],
    splits: NDArray[np.str_],
    *,
    digests: NDArray[np.bytes_],
) -> TargetSplit:
    """The archive's own train and test; without a test, a stratified 30 % drawn by the items' digests.

    The draw depends on the items alone, so it is the same for every transfer. Copies of one image stay
    together; an image that carries two labels is always on the train side.

    Args:
        class_ids: (N,), -1 where an item has no label.
        classes: names by class id.
        splits: (N,) "train", "test" or "".
        digests: (N,) of each item's bytes.

    Raises:
        UnlabelledDatasetError: no item has a label.
        ClassTooSmallError: a class has one (distinct) image, and there is no test.
        EmptySplitError: there are only test items.
    """
    labelled = np.flatnonzero(class_ids >= 0)
    if not len(labelled):
        raise UnlabelledDatasetError(
            "the dataset has no labels, and a target needs them; send an archive with a folder per class",
            field="dataset_id",
        )
    if (splits[labelled] == TEST).any():
        given = TargetSplit(
            labelled[splits[labelled] == TRAIN], labelled[splits[labelled] == TEST], derived=False
        )
        if not len(given.train):
            raise EmptySplitError(
                "all labelled images are in 'test'; put some in 'train', or use no splits", field="dataset_id"
            )
        return given
    shared = _with_two_labels(class_ids[labelled], digests[labelled])
    in_test = np.zeros(len(class_ids), bool)
    for class_id in np.unique(class_ids[labelled]):
        of_class = class_ids[labelled] == class_id
        items = labelled[of_class & ~shared]
        in_test[_draw_test(items, digests[items], int(of_class.sum()), classes[class_id])] = True
    return TargetSplit(labelled[~in_test[labelled]], labelled[in_test[labelled]], derived=True)


def _with_two_labels(class_ids: NDArray[np.integer], digests: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    _, copies = np.unique(digests, return_inverse=True)
    low, high = np.full(copies.max() + 1, np.iinfo(np.int64).max), np.full(copies.max() + 1, -1)
    np.minimum.at(low, copies, class_ids)
    np.maximum.at(high, copies, class_ids)
    return np.asarray((low != high)[copies])


def _draw_test(items: Indices, digests: NDArray[np.bytes_], n_of_class: int, name: str) -> Indices:
    """The test items of one class: whole groups of copies, lowest digests first, near the share."""
    _, copies, sizes = np.unique(digests, return_inverse=True, return_counts=True)
    most = len(sizes) - (n_of_class == len(items))  # one group stays for training
    if most < 1:
        what = (
            "one image"
            if n_of_class == 1
            else f"{n_of_class} images that are copies of one, or of another class"
        )
        raise ClassTooSmallError(
            f"class '{name}' has only {what}: a test split needs two different ones; add images, leave "
            f"the class out, or send an archive with 'train' and 'test' folders",
            field="dataset_id",
        )
    n_groups = 1 + int(np.abs(np.cumsum(sizes[:most]) - TEST_SHARE * n_of_class).argmin())
    return items[copies < n_groups]


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
