"""Intervals of clustered means: known answers, invariances, and how often they hold the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2l.studies.intervals import clustered_mean

Clusters = st.lists(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=5), min_size=2, max_size=6)


def test_all_clusters_weigh_alike() -> None:
    assert clustered_mean([[0.0] * 9, [1.0]], draws=100).value == 0.5


def test_equal_values_leave_no_doubt() -> None:
    found = clustered_mean([[0.5, 0.5], [0.5]], draws=200)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)


def test_one_run_says_nothing_of_its_own_chance() -> None:
    found = clustered_mean([[0.7]])
    assert (found.value, found.low, found.high) == (0.7, None, None)


def test_of_one_cluster_its_runs_are_drawn() -> None:
    runs = [0.1, 0.4, 0.2, 0.6]
    assert clustered_mean([runs], draws=500) == clustered_mean([[run] for run in runs], draws=500)


@pytest.mark.parametrize("clusters", [[], [[0.5], []]])
def test_nothing_has_no_mean(clusters: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="one value or more"):
        clustered_mean(clusters)


@settings(max_examples=50, deadline=None)
@given(clusters=Clusters, shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_intervals_move_and_stretch_with_the_values(
    clusters: list[list[float]], shift: float, scale: float
) -> None:
    here = clustered_mean(clusters, draws=200)
    there = clustered_mean([[shift + scale * value for value in values] for values in clusters], draws=200)
    assert here.low is not None
    assert here.high is not None
    assert here.low <= here.value <= here.high
    moved = [shift + scale * end for end in (here.low, here.value, here.high)]
    # Sums of a few numbers of size 60 in another order: 1e-12 of rounding.
    assert [there.low, there.value, there.high] == pytest.approx(moved, abs=1e-12)


def test_more_doubt_at_a_higher_level_and_with_fewer_clusters() -> None:
    values = np.random.default_rng(0).normal(size=(12, 4))
    widths = [
        (found.high or 0) - (found.low or 0)
        for found in (
            clustered_mean(list(values), level=0.8),
            clustered_mean(list(values)),
            clustered_mean(list(values[:4])),
        )
    ]
    assert widths == sorted(widths)


@pytest.mark.parametrize(("n", "between", "within"), [(5, 1.0, 0.3), (5, 0.3, 1.0), (10, 1.0, 1.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(n: int, between: float, within: float) -> None:
    """Normal effects of targets and of runs. Never less than 95 %, within the chance of 400 repetitions."""
    rng = np.random.default_rng(1)
    held = 0
    for repetition in range(400):
        clusters = 1 + rng.normal(0, between, (n, 1)) + rng.normal(0, within, (n, 8))
        found = clustered_mean(list(clusters), draws=2000, seed=repetition)
        held += (found.low or 0) <= 1 <= (found.high or 0)
    assert held / 400 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)
