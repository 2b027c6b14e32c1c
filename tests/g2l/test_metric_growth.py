"""Labels of every metric against the definition: sequences by Cayley-Menger determinants, one a candidate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2l.anchors import AnchorSet, fit_anchors
from g2l.estimator import GeometryLabeler
from g2l.geometry import FLAT, Prefer, greedy_simplices
from g2l.labeling import label, soft_targets
from g2l.metrics import METRICS
from tests.g2l import reference
from tests.g2l.reference import Floats

approx = pytest.approx
seeds = st.integers(0, 2**32 - 1)
every_metric = pytest.mark.parametrize("metric", METRICS)
every_preference = pytest.mark.parametrize("prefer", ["far", "near", "explain"])


def images(seed: int, n: int = 4, dims: int = 6, *, positive: bool = False) -> Floats:
    x = np.random.default_rng(seed).normal(size=(n, dims))
    return x**4 if positive else x


def anchor_set(metric: str, seed: int, *, positive: bool = False) -> AnchorSet:
    x = images(seed, n=7 * 4, positive=positive)
    return fit_anchors({f"a{k}": part for k, part in enumerate(np.split(x, 7))}, metric)


@every_metric
@pytest.mark.parametrize("prefer", ["far", "near"])
@given(seed=seeds, positive=st.booleans(), length=st.integers(1, 5))
@settings(max_examples=12)
def test_sequences_equal_brute_force(
    metric: str, prefer: Prefer, seed: int, positive: bool, length: int
) -> None:
    anchors = anchor_set(metric, seed, positive=positive)
    x = images(seed + 1, positive=positive)
    distances = anchors.distances_to(x)
    orders, squares = reference.greedy_orders(distances, anchors.squared_distances, length, prefer)
    made = label(x, anchors, length=length, prefer=prefer)
    assert np.array_equal(made.full, orders)
    named = orders >= 0
    assert made.log_content[named] == approx(np.log(squares[named]) / 2, abs=1e-6)
    if metric != "kl":
        assert made.negative_share == 0.0


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "kl"])
@given(seed=seeds)
@settings(max_examples=10)
def test_explain_equals_least_squares_where_the_distances_embed(metric: str, seed: int) -> None:
    anchors = anchor_set(metric, seed)
    distances = anchors.distances_to(images(seed + 1))
    for row in distances:
        points = coordinates(reference.with_point(row, anchors.squared_distances, list(range(7))))
        grown = greedy_simplices(row[None], anchors.squared_distances, 4, "explain")
        assert np.array_equal(grown.order, reference.explained_orders(points[:1], points[1:], 4))


def coordinates(d2: Floats) -> Floats:
    """Points of these squared distances (classical scaling)."""
    centring = np.eye(len(d2)) - 1 / len(d2)
    widths, axes = np.linalg.eigh(-centring @ d2 @ centring / 2)
    return np.asarray(axes * np.sqrt(np.maximum(widths, 0.0)))


@given(seed=seeds, prefer=st.sampled_from(["far", "near"]))
@settings(max_examples=25)
def test_kl_counts_the_images_that_met_a_negative_square(seed: int, prefer: Prefer) -> None:
    anchors = anchor_set("kl", seed, positive=True)
    x = images(seed + 1, positive=True)
    length = 3
    grown = greedy_simplices(anchors.distances_to(x), anchors.squared_distances, length, prefer)
    for distances, order, negative in zip(anchors.distances_to(x), grown.order, grown.negative, strict=True):
        named = [int(a) for a in order if a >= 0]
        lowest = lowest_square(distances, anchors.squared_distances, named, length=length)
        floor = FLAT * distances.max()
        if abs(lowest + floor) > 1e-6:  # else determinants are no judge
            assert negative == (lowest < -floor)


def lowest_square(distances: Floats, anchors: Floats, order: list[int], *, length: int) -> float:
    """The least squared height that any candidate had when one was, or was to be, chosen."""
    lowest = np.inf
    for step in range(1, min(len(order) + 1, length)):
        before = order[:step]
        base = reference.squared_content(reference.with_point(distances, anchors, before))
        for a in set(range(len(anchors))) - set(before):
            square = reference.squared_content(reference.with_point(distances, anchors, [*before, a]))
            lowest = min(lowest, square * (step + 1) ** 2 / base)
    return lowest


def test_kl_is_reported_where_it_does_not_embed() -> None:
    x = images(0, n=300, dims=4, positive=True)
    anchors = fit_anchors({f"a{k}": part for k, part in enumerate(np.split(x, 10))}, "kl")
    made = label(x, anchors, length=4, prefer="far")
    assert 0.0 < made.negative_share <= 1.0
    assert any("negative squared content" in warning for warning in made.warnings)
    assert not np.isnan(made.log_content).any()
    assert not any("negative" in warning for warning in label(x, anchors, length=1).warnings)


@every_preference
def test_explain_and_the_hull_count_negative_squares_too(prefer: Prefer) -> None:
    """An image nearer to both ends of an edge than the edge is long lies on no line, plane or space."""
    points, anchors = np.array([[1.0, 1.1]]), np.array([[0.0, 9.0], [9.0, 0.0]])
    assert greedy_simplices(points, anchors, 2, prefer).negative.tolist() == [True]
    assert greedy_simplices(points, anchors / 9, 2, prefer).negative.tolist() == [False]
    bent = np.array([[0.0, 1.0, 9.0], [1.0, 0.0, 1.0], [9.0, 1.0, 0.0]])  # sides 1, 1, 3
    assert greedy_simplices(np.full((1, 3), 4.0), bent, 3, prefer, project=True).negative.tolist() == [True]


@every_metric
@every_preference
def test_every_metric_serves_the_labeler_and_soft_targets(metric: str, prefer: Prefer) -> None:
    x = np.random.default_rng(5).normal(size=(240, 12))
    labeler = GeometryLabeler(6, length=2, prefer=prefer, metric=metric).fit(x)
    assert np.array_equal(labeler.predict(x[:20]), labeler.fit_predict(x)[:20])
    soft = soft_targets(x[:20], labeler.anchors_, length=2, prefer=prefer)
    first = soft[:, 0].argmax(1)
    assert np.array_equal(first, labeler.labeling_.full[:20, 0])


@every_metric
def test_the_batch_does_not_show(metric: str) -> None:
    x = np.random.default_rng(6).normal(size=(200, 12))
    anchors = fit_anchors({"a": x[:60], "b": x[60:130], "c": x[130:]}, metric)
    one_by_one = np.concatenate([anchors.distances_to(row[None]) for row in x])
    assert anchors.distances_to(x) == approx(one_by_one, abs=1e-9)
