"""Splits and budgets are the same whoever asks, whenever."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from g2l.data.splits import (
    ClassTooSmallError,
    EmptySplitError,
    TargetSplit,
    UnlabelledDatasetError,
    budget_indices,
    pretraining_indices,
    target_split,
)

CLASSES = [f"c{i}" for i in range(6)]


def keys_of(numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    digests = [hashlib.sha256(str(n).encode()).digest() for n in numbers]
    return np.array([int.from_bytes(digest[:8], "big") for digest in digests], np.uint64)


def no_splits(n_items: int) -> NDArray[np.str_]:
    return np.full(n_items, "", "U5")


def derived(class_ids: NDArray[np.int64], images: NDArray[np.integer]) -> TargetSplit:
    return target_split(class_ids, CLASSES, no_splits(len(images)), keys=keys_of(images))


def drawn(seed: int, sizes: list[int]) -> NDArray[np.int64]:
    """Class ids in random order, of these class sizes, some items unlabelled."""
    ids = np.concatenate([np.full(n, i) for i, n in enumerate(sizes)] + [np.full(3, -1)])
    return np.random.default_rng(seed).permutation(ids)


SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.lists(st.integers(2, 40), min_size=1, max_size=6)


@given(seed=SEEDS, sizes=SIZES)
def test_a_derived_split_is_stratified_and_whole(seed: int, sizes: list[int]) -> None:
    class_ids = drawn(seed, sizes)
    split = derived(class_ids, np.arange(len(class_ids)))
    assert split.derived
    assert sorted([*split.train, *split.test]) == np.flatnonzero(class_ids >= 0).tolist()
    for class_id, n_items in enumerate(sizes):
        n_test = int((class_ids[split.test] == class_id).sum())
        assert 1 <= n_test < n_items
        assert abs(n_test - 0.3 * n_items) <= max(0.5, 1 - 0.3 * n_items) + 1e-9


@given(seed=SEEDS, sizes=SIZES)
def test_a_derived_split_depends_on_the_items_alone(seed: int, sizes: list[int]) -> None:
    class_ids = drawn(seed, sizes)
    images = np.arange(len(class_ids))
    order = np.random.default_rng(seed).permutation(len(images))
    one, other = derived(class_ids, images), derived(class_ids[order], images[order])
    assert set(one.test) == set(order[other.test])


@given(seed=SEEDS, sizes=st.lists(st.integers(8, 40), min_size=1, max_size=6), n_distinct=st.integers(3, 30))
def test_copies_of_an_image_stay_on_one_side(seed: int, sizes: list[int], n_distinct: int) -> None:
    class_ids = drawn(seed, sizes)
    images = np.random.default_rng(seed).integers(0, n_distinct, len(class_ids))  # also across classes
    try:
        split = derived(class_ids, images)
    except ClassTooSmallError:
        return
    assert not set(images[split.train]) & set(images[split.test])
    for class_id in range(len(sizes)):
        assert (class_ids[split.train] == class_id).any()
        assert (class_ids[split.test] == class_id).any()


@pytest.mark.parametrize(
    ("class_ids", "images", "says"),
    [
        ([0, 0, 1], [0, 1, 2], "'c1' has only one image"),
        ([0, 0, 1, 1], [0, 1, 2, 2], "'c1' has only 2 images that are copies"),
        ([0, 0, 1, 1], [0, 1, 0, 1], "copies of one, or of another class"),
    ],
)
def test_a_class_that_cannot_be_split_is_named(class_ids: list[int], images: list[int], says: str) -> None:
    with pytest.raises(ClassTooSmallError, match=says):
        derived(np.array(class_ids), np.array(images))


def test_given_splits_are_taken_as_they_are() -> None:
    splits = np.array(["train", "test", "train", "test", "test"], "U5")
    split = target_split(np.array([0, 0, 1, 1, -1]), CLASSES, splits, keys=keys_of(np.arange(5)))
    assert (split.train.tolist(), split.test.tolist(), split.derived) == ([0, 2], [1, 3], False)


def test_train_without_test_is_split() -> None:
    split = target_split(np.zeros(10, int), CLASSES, np.full(10, "train", "U5"), keys=keys_of(np.arange(10)))
    assert (len(split.train), len(split.test), split.derived) == (7, 3, True)


def test_test_without_train_is_refused() -> None:
    splits = np.full(4, "test", "U5")
    with pytest.raises(EmptySplitError):
        target_split(np.zeros(4, int), CLASSES, splits, keys=keys_of(np.arange(4)))
    with pytest.raises(EmptySplitError):
        pretraining_indices(splits)


def test_pretraining_takes_train_or_all() -> None:
    assert pretraining_indices(np.array(["train", "test", "train"], "U5")).tolist() == [0, 2]
    assert pretraining_indices(no_splits(3)).tolist() == [0, 1, 2]


def test_without_labels_there_is_no_target() -> None:
    with pytest.raises(UnlabelledDatasetError):
        derived(np.full(4, -1), np.arange(4))
    with pytest.raises(UnlabelledDatasetError):
        budget_indices(np.full(4, -1), np.arange(4), 2, seed=0)


@given(seed=SEEDS, sizes=SIZES, small=st.integers(1, 50), more=st.integers(0, 50))
def test_budgets_are_nested_and_full(seed: int, sizes: list[int], small: int, more: int) -> None:
    class_ids = drawn(seed, sizes)
    candidates = np.flatnonzero(np.random.default_rng(seed).random(len(class_ids)) < 0.9)
    if not (class_ids[candidates] >= 0).any():
        return
    few, many = (budget_indices(class_ids, candidates, b, seed=seed) for b in (small, small + more))
    assert set(few) <= set(many) <= set(candidates)
    assert few.tolist() == sorted(set(few.tolist()))
    for class_id in range(len(sizes)):
        available = int((class_ids[candidates] == class_id).sum())
        assert int((class_ids[few] == class_id).sum()) == min(small, available)


@given(seed=SEEDS, sizes=SIZES)
def test_a_budget_does_not_depend_on_the_order_of_candidates(seed: int, sizes: list[int]) -> None:
    class_ids = drawn(seed, sizes)
    candidates = np.arange(len(class_ids))
    shuffled = np.random.default_rng(seed).permutation(candidates)
    one, other = (budget_indices(class_ids, c, 3, seed=seed) for c in (candidates, shuffled))
    np.testing.assert_array_equal(one, other)


def test_no_budget_takes_all_labelled_candidates() -> None:
    assert budget_indices(np.array([0, -1, 1, 0]), np.array([3, 1, 0]), None, seed=0).tolist() == [0, 3]


def test_seeds_draw_differently() -> None:
    ids = np.zeros(100, int)
    draws = {tuple(budget_indices(ids, np.arange(100), 5, seed=seed)) for seed in range(10)}
    assert len(draws) == 10
