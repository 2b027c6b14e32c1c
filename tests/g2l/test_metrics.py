"""One list of checks over all metrics, and what each of them promises by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from g2l.metrics import (
    EPSILON,
    METRICS,
    BadResponsesError,
    DegenerateResponsesError,
    Metric,
    NonFiniteResponsesError,
    UnknownMetricError,
    fit_metric,
    unit_norm,
)
from tests.g2l.reference import Floats

approx = pytest.approx
seeds = st.integers(0, 2**32 - 1)
every_metric = pytest.mark.parametrize("name", METRICS)
embedding_metric = pytest.mark.parametrize("name", [name for name in METRICS if name != "kl"])
signs = st.booleans()


def draw(seed: int, n: int = 30, dims: int = 12, *, positive: bool = False) -> Floats:
    responses = np.random.default_rng(seed).normal(size=(n, dims))
    return np.abs(responses) if positive else responses


@every_metric
@given(seed=seeds, positive=signs)
@settings(max_examples=25)
def test_distances_are_symmetric_with_zero_diagonal(name: str, seed: int, positive: bool) -> None:
    x = draw(seed, positive=positive)
    d2 = fit_metric(name, x).squared_distances(x, x)
    assert d2 == approx(d2.T, abs=1e-12)
    assert np.diagonal(d2) == approx(0.0, abs=1e-12)
    assert (d2 >= 0).all()


@embedding_metric
@given(seed=seeds, positive=signs)
@settings(max_examples=25)
def test_squared_distances_embed(name: str, seed: int, positive: bool) -> None:
    """Schoenberg: the centred Gram matrix has no negative eigenvalue, so no content is negative."""
    x = draw(seed, n=12, positive=positive)
    d2 = fit_metric(name, x).squared_distances(x, x)
    centring = np.eye(12) - 1 / 12
    assert np.linalg.eigvalsh(-centring @ d2 @ centring / 2).min() >= -1e-12


@every_metric
@given(seed=seeds, positive=signs)
@settings(max_examples=10)
def test_batches_do_not_show(name: str, seed: int, positive: bool) -> None:
    x = draw(seed, positive=positive)
    metric = fit_metric(name, x)
    one_by_one = np.concatenate([metric.squared_distances(row[None], x[:5]) for row in x])
    assert metric.squared_distances(x, x[:5]) == approx(
        one_by_one, abs=1e-12
    )  # products round by their shape


@every_metric
@pytest.mark.parametrize("positive", [False, True])
def test_arrays_hold_the_whole_metric(name: str, positive: bool) -> None:
    x = draw(1, positive=positive)
    metric = fit_metric(name, x)
    again = Metric.from_arrays(metric.to_arrays())
    assert (again.name, again.rule) == (metric.name, metric.rule)
    assert np.array_equal(again.squared_distances(x, x), metric.squared_distances(x, x))


def test_euclidean_is_between_unit_vectors() -> None:
    x = draw(2)
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    expected = ((units[:, None] - units[None]) ** 2).sum(-1)
    metric = fit_metric("euclidean", x)
    assert metric.squared_distances(x, x) == approx(expected, abs=1e-12)
    assert metric.prepare(x).mean(0) == approx(0.0, abs=1e-12)


def test_small_differences_far_from_the_origin_survive() -> None:
    x = 1.0 + 1e-5 * draw(3)
    units = unit_norm(x)
    expected = ((units[:, None] - units[None]) ** 2).sum(-1)
    assert fit_metric("euclidean", x).squared_distances(x, x) == approx(expected, rel=1e-4, abs=1e-22)


def test_hellinger_and_jensen_shannon_of_ratios() -> None:
    x = draw(4, positive=True)
    p = x / x.sum(1, keepdims=True) + EPSILON
    p /= p.sum(1, keepdims=True)
    roots = np.sqrt(p)
    assert fit_metric("hellinger", x).squared_distances(x, x) == approx(
        ((roots[:, None] - roots[None]) ** 2).sum(-1), abs=1e-12
    )
    expected = np.array([[jensenshannon(a, b) ** 2 for b in p] for a in p])
    assert fit_metric("jensen-shannon", x).squared_distances(x, x) == approx(
        np.nan_to_num(expected), abs=1e-12
    )


def test_energy_of_two_images_is_twice_their_distance() -> None:
    x = draw(10)
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    expected = 2 * np.linalg.norm(units[:, None] - units[None], axis=-1)
    assert fit_metric("energy", x).squared_distances(x, x) == approx(expected, abs=1e-12)


def test_kl_is_both_directions_and_does_not_embed() -> None:
    p = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]])
    expected = [[entropy(a, b) + entropy(b, a) for b in p] for a in p]
    assert fit_metric("kl", p).squared_distances(p, p) == approx(np.array(expected), abs=1e-4)  # EPSILON
    x = draw(0, n=12)
    d2 = fit_metric("kl", x).squared_distances(x, x)
    centring = np.eye(12) - 1 / 12
    assert np.linalg.eigvalsh(-centring @ d2 @ centring / 2).min() < -1e-3


def test_negative_responses_become_softmax_of_standardized() -> None:
    x = draw(5)
    metric = fit_metric("hellinger", x)
    z = np.exp((x - x.mean(0)) / x.std(0))
    assert metric.rule == "softmax"
    assert metric.prepare(x) == approx(z / z.sum(1, keepdims=True), abs=12 * EPSILON)  # smoothed over 12


@pytest.mark.parametrize("name", ["hellinger", "jensen-shannon"])
def test_distributions_are_positive_and_sum_to_one(name: str) -> None:
    x = draw(6, positive=True)
    x[3] = 0.0
    p = fit_metric(name, x).prepare(x)
    assert (p > 0).all()
    assert p.sum(1) == approx(1.0, abs=1e-12)
    assert p[3] == approx(1 / 12)


@every_metric
def test_extreme_sizes_stay_finite(name: str) -> None:
    x = draw(7, positive=True)
    for factor in (1e-300, 1e300):
        metric = fit_metric(name, x)
        assert metric.squared_distances(factor * x, factor * x) == approx(
            metric.squared_distances(x, x), abs=1e-9
        )


def test_negatives_after_a_fit_without_are_refused() -> None:
    metric = fit_metric("hellinger", draw(8, positive=True))
    with pytest.raises(BadResponsesError, match="without negatives"):
        metric.prepare(draw(8))


@every_metric
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_responses_are_named(name: str, value: float) -> None:
    x = draw(9)
    x[17, 3] = value
    with pytest.raises(NonFiniteResponsesError, match="response 17"):
        fit_metric(name, x)
    with pytest.raises(NonFiniteResponsesError):
        fit_metric(name, draw(9)).prepare(x)


@every_metric
@pytest.mark.parametrize("constant", [np.ones((9, 4)), np.zeros((9, 4)), np.full((1, 4), 3.0)])
def test_constant_responses_are_degenerate(name: str, constant: Floats) -> None:
    with pytest.raises(DegenerateResponsesError):
        fit_metric(name, constant)


@pytest.mark.parametrize(
    "bad", [np.ones(3), np.ones((0, 3)), np.ones((3, 0)), np.array([["a"]]), np.ones((2, 2), dtype=bool)]
)
def test_what_is_no_matrix_of_numbers_is_refused(bad: NDArray[np.generic]) -> None:
    with pytest.raises(BadResponsesError):
        fit_metric("euclidean", bad)


def test_other_dimensions_are_refused() -> None:
    metric = fit_metric("euclidean", draw(1))
    with pytest.raises(BadResponsesError, match="12 dimensions"):
        metric.squared_distances(draw(1, dims=5), draw(1))


def test_unknown_metric_names_the_field() -> None:
    with pytest.raises(UnknownMetricError, match="euclidean, hellinger, jensen-shannon") as caught:
        fit_metric("cosine", draw(0))
    assert caught.value.field == "metric"
