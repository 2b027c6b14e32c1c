"""Content and greedy growth against their definitions."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from g2l.geometry import (
    CHUNK_ENTRIES,
    GeometryError,
    Prefer,
    greedy_simplices,
    log_content,
    row_slices,
    simplex_content,
    step_gaps,
)
from tests.g2l import reference
from tests.g2l.reference import Floats, squared_distances

approx = pytest.approx

seeds = st.integers(0, 2**32 - 1)
preferences = st.sampled_from(["far", "near", "explain"])


def simplex(seed: int, n: int, dims: int = 12) -> Floats:
    return np.random.default_rng(seed).normal(size=(n + 1, dims))


def content(points: Floats) -> float:
    return simplex_content(squared_distances(points, points))


def problem(seed: int, n: int = 20, k: int = 9, dims: int = 16) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    points, anchors = rng.normal(size=(n, dims)), rng.normal(size=(k, dims))
    return squared_distances(points, anchors), squared_distances(anchors, anchors)


@given(seed=seeds, n=st.integers(1, 8))
def test_content_equals_the_cayley_menger_determinant(seed: int, n: int) -> None:
    points = simplex(seed, n)
    d2 = squared_distances(points, points)
    assert content(points) == approx(reference.exact_content(d2), rel=1e-9)


@pytest.mark.parametrize("n", range(1, 9))
def test_known_contents(n: int) -> None:
    right = np.vstack([np.zeros(n), np.eye(n)])
    assert content(right) == approx(1 / math.factorial(n), rel=1e-12)
    regular = 1.0 - np.eye(n + 1)
    assert simplex_content(regular) == approx(
        math.sqrt(n + 1) / (math.factorial(n) * math.sqrt(2**n)), rel=1e-12
    )


def test_a_point_has_content_one() -> None:
    assert simplex_content([[0.0]]) == 1.0


@given(seed=seeds, n=st.integers(2, 8), exponent=st.floats(-6, 0))
def test_content_near_flat_simplices(seed: int, n: int, exponent: float) -> None:
    rng, height = np.random.default_rng(seed), 10.0**exponent
    base = np.vstack([np.zeros(n), np.eye(n)[: n - 1]])
    apex = rng.dirichlet(np.ones(n)) @ base + height * np.eye(n)[-1]
    rotation, _ = np.linalg.qr(rng.normal(size=(n, n)))
    points = np.vstack([base, apex]) @ rotation
    d2 = squared_distances(points, points)
    # rounding of the distances alone moves squared heights by about 1e-15, whatever the method
    assert content(points) == approx(reference.exact_content(d2), rel=1e-9 + 1e-14 / height**2)


@given(seed=seeds, n=st.integers(1, 6), scale=st.floats(1e-3, 1e3))
def test_scaling_adds_n_log_scale(seed: int, n: int, scale: float) -> None:
    d2 = squared_distances(simplex(seed, n), simplex(seed, n))
    assert log_content(scale**2 * d2) == approx(log_content(d2) + n * math.log(scale), abs=1e-9)


@given(seed=seeds, n=st.integers(1, 6))
def test_content_is_invariant_under_motions_and_order(seed: int, n: int) -> None:
    points, rng = simplex(seed, n), np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(12, 12)))
    moved = (points @ rotation + rng.normal(size=12))[rng.permutation(n + 1)]
    assert content(moved) == approx(content(points), rel=1e-9)


@given(seed=seeds, n=st.integers(2, 8))
def test_repeated_and_dependent_points_have_no_content(seed: int, n: int) -> None:
    points = simplex(seed, n)
    repeated, dependent = points.copy(), points.copy()
    repeated[-1] = points[0]
    shares = np.random.default_rng(seed).dirichlet(np.ones(n))
    dependent[-1] = shares @ points[:-1]
    assert content(repeated) == 0.0
    assert content(dependent) == 0.0


def test_log_content_takes_batches() -> None:
    stack = np.stack([squared_distances(simplex(s, 3), simplex(s, 3)) for s in range(5)])
    assert log_content(stack) == approx([math.log(simplex_content(d2)) for d2 in stack])


def test_distances_that_no_space_holds_have_no_content() -> None:
    assert simplex_content([[0, 1, 9], [1, 0, 1], [9, 1, 0]]) == 0.0  # sides 1, 1, 3


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((2, 3)),
        np.zeros(3),
        np.zeros((0, 0)),
        [[0, np.nan], [np.nan, 0]],
        [[0, -1], [-1, 0]],
        [[0, 1], [2, 0]],
    ],
)
def test_content_refuses_what_is_no_distance_matrix(bad: Any) -> None:
    with pytest.raises(GeometryError):
        simplex_content(bad)


@pytest.mark.parametrize("prefer", ["far", "near"])
@given(seed=seeds, length=st.integers(1, 5))
@settings(max_examples=15)
def test_greedy_sequences_equal_brute_force(seed: int, length: int, prefer: Prefer) -> None:
    points, anchors = problem(seed, n=4)
    grown = greedy_simplices(points, anchors, length, prefer)
    orders, squares = reference.greedy_orders(points, anchors, length, prefer)
    assert np.array_equal(grown.order, orders)
    assert grown.log_content == approx(np.log(squares) / 2, abs=1e-8)
    assert not grown.negative.any()


@given(seed=seeds, length=st.integers(1, 5))
@settings(max_examples=25)
def test_explain_equals_least_squares(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    points, anchors = rng.normal(size=(6, 16)), rng.normal(size=(8, 16))
    grown = greedy_simplices(
        squared_distances(points, anchors), squared_distances(anchors, anchors), length, "explain"
    )
    assert np.array_equal(grown.order, reference.explained_orders(points, anchors, length))


@given(seed=seeds, prefer=preferences)
@settings(max_examples=30)
def test_log_content_is_that_of_the_named_anchors(seed: int, prefer: Prefer) -> None:
    points, anchors = problem(seed, n=3)
    grown = greedy_simplices(points, anchors, 4, prefer)
    for i, order in enumerate(grown.order):
        for j in range((order >= 0).sum()):
            d2 = reference.with_point(points[i], anchors, list(order[: j + 1]))
            assert grown.log_content[i, j] == approx(log_content(d2), abs=1e-8)


@given(seed=seeds, prefer=preferences, project=st.booleans())
@settings(max_examples=40)
def test_shorter_labels_are_prefixes(seed: int, prefer: Prefer, project: bool) -> None:
    points, anchors = problem(seed)
    long = greedy_simplices(points, anchors, 6, prefer, project=project)
    short = greedy_simplices(points, anchors, 3, prefer, project=project)
    assert np.array_equal(short.order, long.order[:, :3])
    assert np.array_equal(short.log_content, long.log_content[:, :3])
    assert (short.margin >= long.margin).all()


@given(seed=seeds, prefer=preferences)
@settings(max_examples=30)
def test_growth_is_invariant_under_scale_and_order_of_points(seed: int, prefer: Prefer) -> None:
    points, anchors = problem(seed)
    grown = greedy_simplices(points, anchors, 4, prefer)
    scaled = greedy_simplices(4.0 * points, 4.0 * anchors, 4, prefer)  # powers of two round alike
    assert np.array_equal(scaled.order, grown.order)
    finite = np.isfinite(grown.log_content)
    gain = np.arange(1, 5) * math.log(2.0)
    assert scaled.log_content[finite] == approx((grown.log_content + gain)[finite], abs=1e-9)
    shuffle = np.random.default_rng(seed).permutation(len(points))
    assert np.array_equal(greedy_simplices(points[shuffle], anchors, 4, prefer).order, grown.order[shuffle])


@given(seed=seeds, prefer=preferences)
@settings(max_examples=30)
def test_renaming_anchors_renames_the_order(seed: int, prefer: Prefer) -> None:
    points, anchors = problem(seed)
    shuffle = np.random.default_rng(seed).permutation(9)
    renamed = greedy_simplices(points[:, shuffle], anchors[np.ix_(shuffle, shuffle)], 4, prefer)
    order = greedy_simplices(points, anchors, 4, prefer).order
    assert np.array_equal(np.where(renamed.order < 0, -1, shuffle[renamed.order]), order)


@pytest.mark.parametrize("prefer", ["far", "near", "explain"])
@pytest.mark.parametrize("project", [False, True])
def test_torch_gives_the_same_orders(prefer: Prefer, project: bool, device: str) -> None:
    points, anchors = problem(3, n=500, k=14)
    expected = greedy_simplices(points, anchors, 4, prefer, project=project)
    x, a = torch.tensor(points, device=device), torch.tensor(anchors, device=device)
    grown = greedy_simplices(x, a, 4, prefer, project=project)
    assert isinstance(grown.order, torch.Tensor)
    assert grown.order.device.type == device
    assert np.array_equal(grown.order.cpu().numpy(), expected.order)
    assert grown.log_content.cpu().numpy() == approx(
        expected.log_content, abs=1e-9
    )  # logarithms differ in the last bit
    assert grown.margin.cpu().numpy() == approx(expected.margin, abs=1e-9)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    return str(request.param)


@pytest.mark.parametrize("prefer", ["far", "near"])
def test_single_precision_gives_the_same_orders(prefer: Prefer) -> None:
    points, anchors = problem(11, n=300)
    double = greedy_simplices(points, anchors, 3, prefer)
    clear = double.margin > 1e-4  # beyond float32's rounding of the distances
    single = greedy_simplices(points.astype(np.float32), anchors.astype(np.float32), 3, prefer)
    assert clear.mean() > 0.9
    assert np.array_equal(single.order[clear], double.order[clear])


@pytest.mark.parametrize("prefer", ["far", "near", "explain"])
def test_chunks_do_not_show(prefer: Prefer) -> None:
    n = CHUNK_ENTRIES // 9 + 100
    points, anchors = problem(5, n=n)
    whole = greedy_simplices(points, anchors, 2, prefer)
    tail = greedy_simplices(points[-200:], anchors, 2, prefer)
    assert np.array_equal(whole.order[-200:], tail.order)
    assert np.array_equal(whole.log_content[-200:], tail.log_content)


@pytest.mark.parametrize("prefer", ["near", "explain"])
def test_an_image_on_an_anchor_stops_after_it(prefer: Prefer) -> None:
    _, anchors = problem(1)
    grown = greedy_simplices(anchors[[4]], anchors, 3, prefer)
    assert grown.order.tolist() == [[4, -1, -1]]
    assert np.isneginf(grown.log_content).all()


def test_far_sets_the_anchor_under_the_image_aside() -> None:
    _, anchors = problem(1, k=4)
    grown = greedy_simplices(anchors[[2]], anchors, 4, "far")
    assert 2 not in grown.order
    assert grown.order[0, 3] == -1
    assert np.isneginf(grown.log_content[0, 3])
    assert np.isfinite(grown.log_content[0, :3]).all()


@given(seed=seeds, prefer=preferences, dims=st.integers(1, 4))
@settings(max_examples=60)
@example(seed=0, prefer="near", dims=1)
def test_flat_worlds_end_early_and_never_give_nan(seed: int, prefer: Prefer, dims: int) -> None:
    points, anchors = problem(seed, k=7, dims=dims)
    grown = greedy_simplices(points, anchors, 7, prefer)
    assert not np.isnan(grown.log_content).any()
    assert not np.isnan(grown.margin).any()
    named = grown.order >= 0
    assert (named.sum(1) <= dims + 1).all()
    assert (np.diff(named.astype(int), axis=1) <= 0).all()  # once stopped, stopped
    assert np.isneginf(grown.log_content[~named]).all()
    for row in grown.order:
        assert len(set(row[row >= 0])) == (row >= 0).sum()


@given(seed=seeds, prefer=preferences)
@settings(max_examples=30)
def test_a_repeated_anchor_is_never_named_twice(seed: int, prefer: Prefer) -> None:
    rng = np.random.default_rng(seed)
    anchors = rng.normal(size=(5, 8))
    anchors[4] = anchors[1]
    points = rng.normal(size=(30, 8))
    grown = greedy_simplices(
        squared_distances(points, anchors), squared_distances(anchors, anchors), 5, prefer
    )
    assert not ((grown.order == 1).any(1) & (grown.order == 4).any(1)).any()
    assert not (grown.order == 4).any()  # of two equals the lower index


@pytest.mark.parametrize("prefer", ["far", "near", "explain"])
def test_ties_go_to_the_lower_index(prefer: Prefer) -> None:
    anchors = 2.0 * (1.0 - np.eye(6))
    grown = greedy_simplices(np.full((1, 6), 3.0), anchors, 3, prefer)
    assert grown.order.tolist() == [[0, 1, 2]]
    assert grown.margin.tolist() == [0.0]


def test_all_anchors_at_the_image() -> None:
    grown = greedy_simplices(np.zeros((1, 3)), np.zeros((3, 3)), 3, "far")
    assert grown.order.tolist() == [[0, -1, -1]]
    assert np.isneginf(grown.log_content).all()


def test_one_anchor() -> None:
    grown = greedy_simplices(np.array([[4.0], [9.0]]), np.zeros((1, 1)), 1)
    assert grown.order.tolist() == [[0], [0]]
    assert grown.log_content[:, 0] == approx(np.log([2.0, 3.0]))
    assert grown.margin.tolist() == [1.0, 1.0]


def test_margin_is_the_least_clear_step() -> None:
    points, anchors = problem(8, n=1)
    grown = greedy_simplices(points, anchors, 3, "far")
    expected = 1.0
    for j in range(3):
        chosen = list(grown.order[0, :j])
        rest = [a for a in range(9) if a not in chosen]
        volumes = sorted(log_content(reference.with_point(points[0], anchors, [*chosen, a])) for a in rest)
        expected = min(expected, 1 - math.exp(volumes[-2] - volumes[-1]))
    assert grown.margin[0] == approx(expected, abs=1e-9)


@given(seed=seeds, prefer=preferences)
@settings(max_examples=25)
def test_projection_equals_growth_from_the_foot(seed: int, prefer: Prefer) -> None:
    rng = np.random.default_rng(seed)
    points, anchors = rng.normal(size=(10, 16)), rng.normal(size=(6, 16))
    edges = (anchors[1:] - anchors[0]).T
    feet = anchors[0] + (edges @ np.linalg.lstsq(edges, (points - anchors[0]).T, rcond=None)[0]).T
    between = squared_distances(anchors, anchors)
    inside = greedy_simplices(squared_distances(points, anchors), between, 4, prefer, project=True)
    expected = greedy_simplices(squared_distances(feet, anchors), between, 4, prefer)
    assert np.array_equal(inside.order, expected.order)
    finite = np.isfinite(expected.log_content)
    assert inside.log_content[finite] == approx(expected.log_content[finite], abs=1e-6)


def test_explain_is_not_changed_by_projection() -> None:
    points, anchors = problem(2, n=200)
    plain = greedy_simplices(points, anchors, 4, "explain")
    assert np.array_equal(greedy_simplices(points, anchors, 4, "explain", project=True).order, plain.order)


def test_negative_squared_heights_are_counted() -> None:
    sides = np.array([[0.0, 1.0, 9.0], [1.0, 0.0, 9.0], [9.0, 9.0, 0.0]])
    impossible = greedy_simplices(np.array([[1.0, 1.0, 1.0], [9.0, 9.0, 9.0]]), sides, 2, "far")
    assert impossible.negative.tolist() == [True, False]


@pytest.mark.parametrize("prefer", ["far", "near", "explain"])
def test_gaps_are_zero_at_the_chosen_and_infinite_where_nothing_can_be(prefer: Prefer) -> None:
    points, anchors = problem(4)
    grown, gaps = greedy_simplices(points, anchors, 3, prefer), step_gaps(points, anchors, 3, prefer)
    assert gaps.shape == (20, 3, 9)
    assert (gaps >= 0).all()
    for i, j in np.ndindex(20, 3):
        if grown.order[i, j] >= 0:
            assert gaps[i, j, grown.order[i, j]] == 0
            assert np.isinf(gaps[i, j, grown.order[i, :j]]).all()
        else:
            assert np.isinf(gaps[i, j]).all()
    if prefer != "far":
        assert gaps[:, 0] == approx(points - points.min(1, keepdims=True))


@pytest.mark.parametrize(
    ("points", "anchors", "length", "field"),
    [
        (np.ones((2, 3)), np.zeros((2, 2)), 1, None),
        (np.ones((2, 3)), np.zeros((3, 2)), 1, None),
        (np.ones(3), np.zeros((3, 3)), 1, None),
        (np.ones((2, 0)), np.zeros((0, 0)), 1, None),
        (np.full((1, 2), np.nan), np.zeros((2, 2)), 1, None),
        (np.full((1, 2), np.inf), np.zeros((2, 2)), 1, None),
        (-np.ones((1, 2)), np.zeros((2, 2)), 1, None),
        (np.ones((1, 2)), np.array([[0.0, 1.0], [2.0, 0.0]]), 1, None),
        (np.ones((1, 2)), np.ones((2, 2)), 1, None),
        (np.ones((1, 2), dtype=complex), np.zeros((2, 2)), 1, None),
        (np.ones((1, 2)), np.zeros((2, 2)), 0, "length"),
        (np.ones((1, 2)), np.zeros((2, 2)), 3, "length"),
    ],
)
def test_bad_input_is_a_geometry_error(points: Any, anchors: Any, length: int, field: str | None) -> None:
    with pytest.raises(GeometryError) as caught:
        greedy_simplices(points, anchors, length)
    assert caught.value.field == field


def test_unknown_preference_and_mixed_libraries_are_geometry_errors() -> None:
    points, anchors = problem(0)
    with pytest.raises(GeometryError, match="far, near, explain") as caught:
        greedy_simplices(points, anchors, 2, "close")  # type: ignore[arg-type]
    assert caught.value.field == "prefer"
    with pytest.raises(GeometryError, match="same array library"):
        greedy_simplices(torch.tensor(points), anchors, 2)


def test_no_points_give_empty_arrays() -> None:
    grown = greedy_simplices(np.empty((0, 3)), 1.0 - np.eye(3), 2)
    assert grown.order.shape == (0, 2)
    assert grown.margin.shape == (0,)


@given(n=st.integers(0, 50), width=st.integers(1, 50), entries=st.integers(1, 100))
def test_row_slices_cover_all_rows_once(n: int, width: int, entries: int) -> None:
    slices = list(row_slices(n, width, entries=entries))
    assert [i for part in slices for i in range(n)[part]] == list(range(n))
    assert all((part.stop - part.start) * width <= max(entries, width) for part in slices)
