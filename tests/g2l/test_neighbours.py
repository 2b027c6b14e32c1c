"""Responses averaged over those of images that look alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from g2l.anchors import fit_anchors
from g2l.metrics import METRICS, fit_metric
from g2l.neighbours import MOST_IMAGES, NeighboursError, over_neighbours, require_neighbours

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("name", METRICS)
@given(seed=seeds, n=st.integers(3, 40), k=st.integers(1, 5))
@settings(max_examples=10)
def test_half_is_the_images_own_and_half_its_nearest_neighbours(name: str, seed: int, n: int, k: int) -> None:
    responses = np.exp(np.random.default_rng(seed).normal(size=(n, 7)))
    k = min(k, n - 1)
    metric = fit_metric(name, responses)
    points = metric.coordinates(metric.prepare(responses))
    apart = cdist(points - points.mean(0), points - points.mean(0), "cosine")
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1)[:, :k]
    expected = (responses + responses[nearest].mean(1)) / 2
    np.testing.assert_allclose(over_neighbours(responses, metric, k), expected, rtol=1e-4)


def test_all_images_have_all_others_as_neighbours_where_asked() -> None:
    responses = np.random.default_rng(0).normal(size=(9, 4))
    averaged = over_neighbours(responses, fit_metric("euclidean", responses), 8)
    others = (responses.sum(0) - responses) / 8
    np.testing.assert_allclose(averaged, (responses + others) / 2, rtol=1e-5)


def right_labels(seed: int) -> tuple[float, float]:
    """Shares of images nearest to their class, without and with neighbours: classes of eight clumps each."""
    rng = np.random.default_rng(seed)
    clumps = rng.normal(size=(3, 1, 40)) + 1.5 * rng.normal(size=(3, 8, 40))
    images = (np.repeat(clumps, 10, axis=1) + 2.5 * rng.normal(size=(3, 80, 40))).reshape(-1, 40)
    class_ids = np.repeat(np.arange(3), 80)
    rows = [rng.permutation(np.flatnonzero(class_ids == number))[:6] for number in range(3)]
    anchors = fit_anchors({str(number): images[each] for number, each in enumerate(rows)})
    plain, averaged = (
        float((anchors.distances_to(responses).argmin(1) == class_ids).mean())
        for responses in (images, over_neighbours(images, anchors.metric, 5))
    )
    return plain, averaged


def test_images_that_look_alike_are_labelled_alike() -> None:
    plain, averaged = np.mean([right_labels(seed) for seed in range(10)], axis=0)
    assert averaged > plain + 0.03


def test_it_says_how_far_it_is() -> None:
    responses = np.random.default_rng(0).normal(size=(5000, 3))
    seen: list[tuple[int, int]] = []
    over_neighbours(
        responses,
        fit_metric("euclidean", responses),
        2,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert len(seen) > 1
    assert seen[-1] == (5000, 5000)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (9, 5), (5, MOST_IMAGES + 1)])
def test_neighbours_that_are_not_there_or_too_many_to_look_for_are_refused(k: int, n: int) -> None:
    with pytest.raises(NeighboursError) as caught:
        require_neighbours(k, n)
    assert caught.value.field == "neighbours"
