"""The linear score against fits that leave each image out, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from g2l.transferability.inputs import BadLabelsError, SingleImageClassError
from g2l.transferability.ridge import ridge_accuracy
from tests.g2l.transferability import reference
from tests.g2l.transferability.test_scores import target


@pytest.mark.parametrize(("n", "dims"), [(20, 50), (30, 30), (40, 12), (24, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_refitting_gives(n: int, dims: int, seed: int) -> None:
    x, y = target(n, dims, seed=seed)
    assert ridge_accuracy(x, y) == pytest.approx(reference.ridge(x, y))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_scale_turn_and_place_change_nothing(seed: int, scale: float) -> None:
    x, y = target(32, 8, seed=seed)
    turned = scale * (x @ ortho_group.rvs(8, random_state=seed) + 3.0)
    assert ridge_accuracy(turned, y) == ridge_accuracy(x, y)


def test_noise_is_worth_chance_and_planes_everything() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(400) % 4
    assert ridge_accuracy(rng.normal(size=(400, 64)), y) < 0.35
    assert ridge_accuracy(np.eye(4)[y] + 0.05 * rng.normal(size=(400, 4)), y) == 1.0
    assert ridge_accuracy(np.full((400, 4), 7.1), y) <= 0.25  # nothing is seen


def test_a_class_with_one_image_is_never_right() -> None:
    x, y = np.repeat(np.eye(3), [10, 10, 1], axis=0), np.repeat([0, 1, 2], [10, 10, 1])
    assert ridge_accuracy(x, y) == pytest.approx(20 / 21)
    with pytest.raises(SingleImageClassError):
        ridge_accuracy(np.eye(3), np.arange(3))
    with pytest.raises(BadLabelsError):
        ridge_accuracy(x, y[:-1])
