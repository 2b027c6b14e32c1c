"""Pseudo-labels: what they are, how rare ones back off, and what is said about them."""

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from g2l.anchors import AnchorSet, discover_anchors
from g2l.backoff import TooFewClassesError, back_off
from g2l.geometry import PREFERENCES, GeometryError, Prefer, greedy_simplices
from g2l.known_classes import KnownClasses
from g2l.labeling import (
    Labeling,
    LabelingError,
    agreement,
    bits_per_position,
    label,
    soft_targets,
    step_temperatures,
)
from g2l.metrics import METRICS, BadResponsesError, NonFiniteResponsesError
from tests.g2l import reference
from tests.g2l.reference import Floats

approx = pytest.approx
every_preference = pytest.mark.parametrize("prefer", PREFERENCES)


@cache
def pool(n: int = 1000, dims: int = 24) -> Floats:
    """Relu-like responses around a dozen centres."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, dims))
    return np.maximum(centres[rng.integers(12, size=n)] + 0.7 * rng.normal(size=(n, dims)), 0.0)


@cache
def anchor_set(metric: str = "euclidean", k: int = 8) -> AnchorSet:
    return discover_anchors(pool(), k, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("prefer", ["far", "near"])
def test_a_thousand_labels_equal_brute_force(metric: str, prefer: Prefer) -> None:
    anchors = anchor_set(metric, 14)
    labeling = label(pool(), anchors, length=4, prefer=prefer)
    distances = anchors.distances_to(pool())
    orders, _ = reference.greedy_orders(distances, anchors.squared_distances, 4, prefer)
    assert np.array_equal(labeling.full, orders)
    tensors = greedy_simplices(torch.tensor(distances), torch.tensor(anchors.squared_distances), 4, prefer)
    assert isinstance(tensors.order, torch.Tensor)
    assert np.array_equal(tensors.order.numpy(), orders)


@every_preference
def test_classes_ids_and_counts_say_the_same(prefer: Prefer) -> None:
    anchors = anchor_set()
    labeling = label(pool(), anchors, length=3, prefer=prefer, min_class_size=5)
    for i in range(0, 1000, 50):
        names = [anchors.names[a] for a in labeling.anchors[i] if a >= 0]
        assert labeling.classes[labeling.class_ids[i]] == "-".join(names)
    assert np.array_equal(np.bincount(labeling.class_ids), labeling.counts)
    assert labeling.largest_share == labeling.counts.max() / 1000
    shares = labeling.counts / 1000
    assert labeling.entropy == approx(-(shares * np.log2(shares)).sum())


@every_preference
def test_used_labels_begin_the_full_ones(prefer: Prefer) -> None:
    labeling = label(pool(), anchor_set(), length=3, prefer=prefer, min_class_size=30)
    kept = labeling.anchors >= 0
    assert kept[:, 0].all()
    assert np.array_equal(labeling.anchors[kept], labeling.full[kept])
    shorter = label(pool(), anchor_set(), length=2, prefer=prefer)
    assert np.array_equal(shorter.full, labeling.full[:, :2])


def sequences(seed: int, length: int = 3, k: int = 4) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct label sequences, some of which end early, and how many images have each."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, k, size=(40, length))
    ends = rng.integers(1, length + 1, size=40)
    unique = np.unique(np.where(np.arange(length) < ends[:, None], rows, -1), axis=0)
    return unique, rng.integers(1, 12, size=len(unique))


def classes_of(
    rows: NDArray[np.int64], counts: NDArray[np.int64], kept: NDArray[np.int64]
) -> Counter[tuple[int, ...]]:
    sizes: Counter[tuple[int, ...]] = Counter()
    for row, count, length in zip(rows.tolist(), counts.tolist(), kept.tolist(), strict=True):
        sizes[tuple(row[:length])] += count
    return sizes


@given(seed=st.integers(0, 2**32 - 1), min_class_size=st.integers(1, 60))
def test_back_off_leaves_no_rare_class_of_two_names(seed: int, min_class_size: int) -> None:
    rows, counts = sequences(seed)
    kept = back_off(rows, counts, min_class_size=min_class_size)
    assert ((kept >= 1) & (kept <= (rows >= 0).sum(1))).all()
    sizes = classes_of(rows, counts, kept)
    assert all(size >= min_class_size for node, size in sizes.items() if len(node) > 1)


@given(seed=st.integers(0, 2**32 - 1), slack=st.integers(0, 30), min_class_size=st.integers(1, 20))
def test_max_classes_is_kept(seed: int, slack: int, min_class_size: int) -> None:
    rows, counts = sequences(seed)
    limit = len(np.unique(rows[:, 0])) + slack
    kept = back_off(rows, counts, min_class_size=min_class_size, max_classes=limit)
    assert len(classes_of(rows, counts, kept)) <= limit


@given(seed=st.integers(0, 2**32 - 1), slack=st.integers(0, 30), min_class_size=st.integers(1, 60))
def test_a_label_is_the_longest_beginning_that_is_a_class(seed: int, slack: int, min_class_size: int) -> None:
    rows, counts = sequences(seed, length=4, k=3)
    limit = len(np.unique(rows[:, 0])) + slack
    kept = back_off(rows, counts, min_class_size=min_class_size, max_classes=limit)
    classes = set(classes_of(rows, counts, kept))
    for row, length in zip(rows.tolist(), kept.tolist(), strict=True):
        own = [a for a in row if a >= 0]
        assert length == max(n for n in range(1, len(own) + 1) if tuple(own[:n]) in classes)


def test_the_rarest_leaf_goes_first() -> None:
    rows = np.array([[0, 1], [0, 2], [1, 0], [1, 2]])
    counts = np.array([5, 3, 4, 9])
    assert back_off(rows, counts, max_classes=4).tolist() == [2, 2, 2, 2]
    # 0-2 (3 images) becomes 0, still four classes; then 1-0 (4) becomes 1; then 0-1 (5) joins 0
    assert back_off(rows, counts, max_classes=3).tolist() == [1, 1, 1, 2]
    assert back_off(rows, counts, max_classes=2).tolist() == [1, 1, 1, 1]
    assert back_off(rows, counts, min_class_size=4).tolist() == [2, 1, 2, 2]


def test_fewer_classes_than_first_names_are_refused() -> None:
    with pytest.raises(TooFewClassesError, match="8 different names") as caught:
        label(pool(), anchor_set(), prefer="near", max_classes=7)
    assert caught.value.field == "max_classes"
    assert len(label(pool(), anchor_set(), prefer="near", max_classes=8).classes) == 8


def test_unordered_labels_are_sorted_after_back_off() -> None:
    ordered = label(pool(), anchor_set(), length=3, min_class_size=20)
    unordered = label(pool(), anchor_set(), length=3, min_class_size=20, ordered=False)
    for a, b in zip(ordered.anchors.tolist(), unordered.anchors.tolist(), strict=True):
        assert b == sorted(x for x in a if x >= 0) + [-1] * a.count(-1)
    assert len(unordered.classes) < len(ordered.classes)
    assert np.array_equal(unordered.full, ordered.full)


def test_an_image_on_an_anchor_is_degenerate() -> None:
    responses = pool()[:50]
    anchors = discover_anchors(responses, 50)  # every image is an anchor
    labeling = label(responses, anchors, length=2, prefer="near")
    assert labeling.degenerate_share == 1.0
    assert (labeling.full[:, 1] == -1).all()
    assert len(labeling.classes) == 50
    assert label(responses, anchors, length=2, prefer="far").degenerate_share == 0.0


def test_bits_per_position_and_its_warning() -> None:
    full = np.array([[0, 1], [1, 0], [2, 3], [3, 2]])
    assert bits_per_position(full) == approx((2.0, 0.0))
    near = label(pool(), anchor_set("jensen-shannon"), length=3, prefer="near")
    for j, bits in enumerate(near.bits_per_position, 1):
        assert any(f"Position {j} " in warning for warning in near.warnings) == (bits < 0.5)
    assert label(pool(), anchor_set(), length=1, prefer="near").warnings == ()


def test_the_entropy_is_the_sum_of_the_bits_without_back_off() -> None:
    labeling = label(pool(), anchor_set(), length=3)
    assert labeling.entropy == approx(sum(labeling.bits_per_position))


def test_margins_are_summed_up_by_quantiles() -> None:
    labeling = label(pool(), anchor_set())
    assert labeling.margin_quantiles["0.5"] == approx(np.median(labeling.margin))
    assert list(labeling.margin_quantiles) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
    assert ((labeling.margin >= 0) & (labeling.margin <= 1)).all()
    assert labeling.negative_share == 0.0


def test_progress_is_told_and_can_stop_the_work() -> None:
    seen: list[tuple[int, int]] = []
    label(pool(), anchor_set(), on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (1000, 1000)

    def cancel(_done: int, _total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        label(pool(), anchor_set(), on_progress=cancel)


def test_bad_options_and_responses_are_refused() -> None:
    with pytest.raises(GeometryError) as caught:
        label(pool(), anchor_set(), length=9)
    assert caught.value.field == "length"
    with pytest.raises(LabelingError) as refused:
        label(pool(), anchor_set(), min_class_size=0)
    assert refused.value.field == "min_class_size"
    with pytest.raises(BadResponsesError):
        label(pool()[:, :5], anchor_set())
    with pytest.raises(NonFiniteResponsesError):
        label(np.full((2, 24), np.nan), anchor_set())


def test_agreement_compares_names() -> None:
    labeling = label(pool(), anchor_set())
    assert agreement(labeling, labeling) == 1.0
    backed_off = label(pool(), anchor_set(), max_classes=12)
    names = np.array(labeling.classes)[labeling.class_ids]
    others = np.array(backed_off.classes)[backed_off.class_ids]
    assert agreement(labeling, backed_off) == (names == others).mean()
    with pytest.raises(LabelingError):
        agreement(labeling, label(pool()[:10], anchor_set()))


@every_preference
@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("ordered", [True, False])
def test_labelling_the_same_images_by_their_own_classes_changes_nothing(
    prefer: Prefer, project: bool, ordered: bool
) -> None:
    options: dict[str, Any] = {"length": 3, "prefer": prefer, "project": project}
    first = label(pool(), anchor_set(), min_class_size=25, ordered=ordered, **options)
    again = label(pool(), anchor_set(), known=first.known_classes(), **options)
    assert again.classes == first.classes
    assert np.array_equal(again.class_ids, first.class_ids)
    assert np.array_equal(again.anchors, first.anchors)
    assert np.array_equal(again.counts, first.counts)
    assert again.unmatched_share == 0.0


def test_new_images_get_the_ids_of_known_classes() -> None:
    first = label(pool(), anchor_set(), length=3, min_class_size=25)
    few = label(pool()[:5], anchor_set(), length=3, known=first.known_classes())
    assert few.classes == first.classes
    assert np.array_equal(few.class_ids, first.class_ids[:5])
    assert few.counts.tolist() == np.bincount(first.class_ids[:5], minlength=len(first.classes)).tolist()
    assert 0 in few.counts


def known_of(beginnings: dict[tuple[int, ...], int], counts: list[int]) -> KnownClasses:
    names = [str(i) for i in range(len(counts))]
    rows = {class_id: [*beginning, -1, -1][:3] for beginning, class_id in beginnings.items()}
    anchors = np.array([rows[i] for i in range(len(counts))])
    return KnownClasses(tuple(names), anchors, np.array(counts), beginnings)


@pytest.mark.parametrize(
    ("sequence", "prefer", "class_id", "matched"),
    [
        ([0, 1, 2], "far", 0, True),  # the whole sequence
        ([0, 1, 3], "far", 3, True),  # its beginning 0-1
        ([2, 1, 0], "far", 4, True),  # its first name
        ([0, 2, 3], "far", 1, False),  # begins with 0: of those that do, the most frequent
        ([1, 0, -1], "far", 2, False),  # shares 1 alone
        ([3, 0, 1], "far", 4, False),  # 2 is the farthest of 0, 1 and 2
        ([3, 0, 1], "near", 1, False),  # 0 is the nearest of them
        ([3, -1, -1], "explain", 1, False),
    ],
)
def test_what_matches_no_class_goes_to_the_closest(
    sequence: list[int], prefer: Prefer, class_id: int, matched: bool
) -> None:
    known = known_of({(0, 1, 2): 0, (0, 3): 1, (1, 2): 2, (0, 1): 3, (2,): 4}, [5, 9, 1, 2, 1])
    distances = np.array([[1.0, 2.0, 3.0, 0.5]])
    ids, unmatched = known.assign(np.array([sequence]), distances, prefer)
    assert ids.tolist() == [class_id]
    assert (len(unmatched) == 0) == matched


@every_preference
@pytest.mark.parametrize("project", [False, True])
def test_soft_targets_are_distributions_peaking_at_the_label(prefer: Prefer, project: bool) -> None:
    soft = soft_targets(pool(), anchor_set(), length=2, prefer=prefer, project=project)
    hard: Labeling = label(pool(), anchor_set(), length=2, prefer=prefer, project=project)
    assert soft.shape == (1000, 2, 8)
    assert soft.dtype == np.float32
    named = hard.full >= 0
    assert soft.sum(2)[named] == approx(1.0, abs=1e-6)
    assert (soft.sum(2)[~named] == 0).all()
    assert np.array_equal(soft.argmax(2)[named], hard.full[named])


def test_soft_near_at_length_one_is_soft_k_means_with_the_stated_temperature() -> None:
    distances = anchor_set().distances_to(pool())
    gaps = distances - distances.min(1, keepdims=True)
    temperature = 0.25 * gaps.std()
    assert step_temperatures(pool(), anchor_set(), length=1, prefer="near") == approx((temperature,))
    weights = np.exp(-gaps / temperature)
    soft = soft_targets(pool(), anchor_set())[:, 0]
    assert soft == approx(weights / weights.sum(1, keepdims=True), abs=1e-6)


def test_temperature_sharpens_and_softens() -> None:
    cold, hot = (soft_targets(pool(), anchor_set(), temperature=t)[:, 0] for t in (1e-6, 1e6))
    assert cold.max(1).min() > 0.99
    assert hot == approx(1 / 8, abs=1e-4)
    per_step = soft_targets(pool(), anchor_set(), length=2, temperature=[1e-6, 1e6])
    assert per_step[:, 0] == approx(cold)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), [1.0, 1.0]])
def test_bad_temperatures_are_refused(temperature: float | list[float]) -> None:
    with pytest.raises(LabelingError) as caught:
        soft_targets(pool(), anchor_set(), length=1, temperature=temperature)
    assert caught.value.field == "temperature"


@every_preference
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_labels_do_not_depend_on_company(prefer: Prefer, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(1000)[:50]
    whole = label(pool(), anchor_set(), length=3, prefer=prefer)
    part = label(pool()[rows], anchor_set(), length=3, prefer=prefer)
    clear = whole.margin[rows] > 1e-9  # products of other shapes round otherwise
    assert np.array_equal(part.full[clear], whole.full[rows][clear])
