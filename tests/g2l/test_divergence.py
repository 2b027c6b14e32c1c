"""Divergences between datasets against their dense definitions, and what they promise."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, jensenshannon
from scipy.stats import energy_distance as energy_distance_1d
from scipy.stats import entropy, ortho_group
from sklearn.covariance import OAS

from g2l import gaussians
from g2l.divergence import (
    ROWS,
    divergences,
    energy_distance,
    frechet,
    gaussian_kl,
    jensen_shannon,
    kl,
)
from g2l.metrics import EPSILON, BadResponsesError, NonFiniteResponsesError
from tests.g2l.reference import Floats

approx = pytest.approx
Divergence = Callable[[Floats, Floats], float]

EACH: dict[str, Divergence] = {
    "kl": kl,
    "jensen_shannon": jensen_shannon,
    "gaussian_kl": gaussian_kl,
    "frechet": frechet,
    "energy_distance": energy_distance,
}
every_divergence = pytest.mark.parametrize("name", EACH)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 40)


def pair(seed: int, n: int, m: int, *, positive: bool, dims: int = 8) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, dims)), rng.normal(size=(m, dims)) + rng.normal(size=dims)
    return (np.abs(x), np.abs(y)) if positive else (x, y)


def units(x: Floats) -> Floats:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


@every_divergence
@given(seed=seeds, positive=st.booleans(), n=sizes, m=sizes)
@settings(max_examples=30)
def test_each_is_symmetric_never_negative_and_zero_for_itself(
    name: str, seed: int, positive: bool, n: int, m: int
) -> None:
    x, y = pair(seed, n, m, positive=positive)
    divergence = EACH[name]
    assert divergence(x, x.copy()) == 0.0
    there, back = divergence(x, y), divergence(y, x)
    assert there == approx(back, rel=1e-9, abs=1e-9)
    assert math.isfinite(there)
    assert there > 0.0


@given(seed=seeds, positive=st.booleans(), n=sizes, m=sizes)
@settings(max_examples=20)
def test_all_at_once_are_each_by_itself(seed: int, positive: bool, n: int, m: int) -> None:
    x, y = pair(seed, n, m, positive=positive)
    assert divergences(x, y) == {name: approx(divergence(x, y)) for name, divergence in EACH.items()}
    assert divergences(x, y)["jensen_shannon"] <= math.log(2)


@every_divergence
@given(seed=seeds)
@settings(max_examples=15)
def test_the_order_of_images_does_not_matter(name: str, seed: int) -> None:
    x, y = pair(seed, 20, 30, positive=False)
    shuffled = np.random.default_rng(seed).permutation(x)
    assert EACH[name](shuffled, y) == approx(EACH[name](x, y), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["gaussian_kl", "frechet", "energy_distance"])
@given(seed=seeds)
@settings(max_examples=15)
def test_rotations_and_sizes_of_responses_do_not_matter(name: str, seed: int) -> None:
    x, y = pair(seed, 20, 30, positive=False)
    rng = np.random.default_rng(seed)
    rotation = ortho_group.rvs(8, random_state=seed)
    lengths = np.exp(rng.normal(size=(20, 1)))
    assert EACH[name](lengths * (x @ rotation), 7.0 * (y @ rotation)) == approx(
        EACH[name](x, y), rel=1e-7, abs=1e-9
    )


def test_mean_responses_diverge_by_definition() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((50, 6)), rng.random((70, 6)) ** 3
    p, q = (r.mean(0) / r.mean(0).sum() for r in (x, y))
    assert jensen_shannon(x, y) == approx(jensenshannon(p, q) ** 2, abs=20 * EPSILON)
    assert kl(x, y) == approx(entropy(p, q) + entropy(q, p), abs=200 * EPSILON)


@pytest.mark.parametrize("n", [7, 12, 13, 400])
def test_shrinkage_is_that_of_scikit_learn(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 12)) @ np.diag(np.arange(12.0))
    x -= x.mean(0)
    assert gaussians.shrunk(x.T @ x / n, n) == approx(OAS(assume_centered=True).fit(x).covariance_, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(9, 11), (9, 200), (300, 200)])
def test_gaussian_fits_diverge_by_their_dense_definitions(n: int, m: int) -> None:
    """Fewer rows than dimensions, more, and one of each."""
    fits = [
        (units(x).mean(0), OAS().fit(units(x)).covariance_) for x in pair(4, n, m, positive=True, dims=12)
    ]
    (mean_p, cov_p), (mean_q, cov_q) = fits

    def directed(mean: Floats, cov: Floats, other_mean: Floats, other: Floats) -> float:
        apart, inverse = other_mean - mean, np.linalg.inv(other)
        logs = np.linalg.slogdet(other)[1] - np.linalg.slogdet(cov)[1]
        return float((np.trace(inverse @ cov) + apart @ inverse @ apart - 12 + logs) / 2)

    x, y = pair(4, n, m, positive=True, dims=12)
    both_ways = directed(mean_p, cov_p, mean_q, cov_q) + directed(mean_q, cov_q, mean_p, cov_p)
    assert gaussian_kl(x, y) == approx(both_ways, rel=1e-8)
    root = np.real(sqrtm(cov_p @ cov_q))
    expected = ((mean_p - mean_q) ** 2).sum() + np.trace(cov_p + cov_q - 2 * root)
    assert frechet(x, y) == approx(expected, rel=1e-7)


def test_energy_distance_by_its_definition_and_as_scipy_has_it() -> None:
    x, y = pair(5, 40, 60, positive=False)
    u, v = units(x), units(y)
    square = 2 * cdist(u, v).mean() - cdist(u, u).mean() - cdist(v, v).mean()
    assert energy_distance(x, y) == approx(math.sqrt(square), rel=1e-9)
    signs_x, signs_y = np.sign(x[:, :1]), np.sign(y[:, :1])  # unit-norm responses of one dimension
    assert energy_distance(signs_x, signs_y) == approx(
        energy_distance_1d(signs_x[:, 0], signs_y[:, 0]), rel=1e-6
    )


def test_large_datasets_are_looked_at_evenly() -> None:
    x, y = pair(6, 3 * ROWS, 50, positive=False)
    assert energy_distance(x, y) == approx(energy_distance(x[: 2 * ROWS], y), rel=0.1)
    assert energy_distance(np.repeat(x[:ROWS], 3, axis=0), y) == approx(
        energy_distance(x[:ROWS], y), rel=1e-3
    )


@every_divergence
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 50), (50, 50)])
def test_single_images_and_constant_features_stay_finite(name: str, n: int, m: int) -> None:
    x, y = pair(7, n, m, positive=True)
    x[:, 3:], y[:, 3:] = 0.0, 0.0  # units that never fire
    assert 0.0 < EACH[name](x, y) < math.inf
    same = np.ones((n, 5))
    assert EACH[name](same, np.ones((m, 5))) == approx(0.0, abs=1e-12)


@every_divergence
def test_farther_datasets_diverge_more(name: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 6))
    shift = np.array([1.0, 0, 0, 0, 0, 0])
    steps = [EACH[name](x, rng.normal(size=(200, 6)) + s * shift) for s in (0.0, 1.0, 3.0)]
    assert steps == sorted(steps)


def test_datasets_without_common_outcomes_are_ln_2_apart() -> None:
    x, y = np.zeros((4, 6)), np.zeros((4, 6))
    x[:, :3], y[:, 3:] = 1.0, 1.0
    assert jensen_shannon(x, y) == approx(math.log(2), abs=1e-3)


@pytest.mark.parametrize("divergence", [*EACH.values(), divergences])
def test_bad_responses_are_refused(divergence: Callable[[Floats, Floats], object]) -> None:
    with pytest.raises(BadResponsesError):
        divergence(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(NonFiniteResponsesError):
        divergence(np.ones((2, 3)), np.full((2, 3), np.nan))
