"""Jensen-Shannon between datasets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from g2l.divergence import jensen_shannon
from g2l.metrics import EPSILON, BadResponsesError, NonFiniteResponsesError

approx = pytest.approx


@given(seed=st.integers(0, 2**32 - 1), positive=st.booleans(), n=st.integers(1, 40), m=st.integers(1, 40))
def test_it_is_a_bounded_symmetric_divergence(seed: int, positive: bool, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 8)), rng.normal(size=(m, 8)) + 1.0
    if positive:
        x, y = np.abs(x), np.abs(y)
    assert jensen_shannon(x, x) == approx(0.0, abs=1e-15)
    assert jensen_shannon(x, y) == jensen_shannon(y, x)
    assert 0.0 <= jensen_shannon(x, y) <= math.log(2)


def test_it_equals_the_definition_on_mean_responses() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((50, 6)), rng.random((70, 6)) ** 3
    p, q = (r.mean(0) / r.mean(0).sum() for r in (x, y))
    assert jensen_shannon(x, y) == approx(jensenshannon(p, q) ** 2, abs=20 * EPSILON)


def test_datasets_without_common_outcomes_are_ln_2_apart() -> None:
    x, y = np.zeros((4, 6)), np.zeros((4, 6))
    x[:, :3], y[:, 3:] = 1.0, 1.0
    assert jensen_shannon(x, y) == approx(math.log(2), abs=1e-3)


def test_farther_datasets_diverge_more() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 6))
    shift = np.array([1.0, 0, 0, 0, 0, 0])
    steps = [jensen_shannon(x, rng.normal(size=(200, 6)) + s * shift) for s in (0.0, 1.0, 3.0)]
    assert steps == sorted(steps)


def test_bad_responses_are_refused() -> None:
    with pytest.raises(BadResponsesError):
        jensen_shannon(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(NonFiniteResponsesError):
        jensen_shannon(np.ones((2, 3)), np.full((2, 3), np.nan))
