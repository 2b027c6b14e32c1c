"""Control labels: k-means ids and shuffled ones."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from g2l.anchors import TooFewDistinctImagesError
from g2l.controls import fit_k_means, load_k_means, shuffled_labels
from g2l.metrics import DegenerateResponsesError


def k_means_labels(responses: NDArray[np.float64], n_classes: int, seed: int = 0) -> NDArray[np.int64]:
    return fit_k_means(responses, n_classes, seed).ids(responses)


def test_k_means_labels_find_separate_groups() -> None:
    rng = np.random.default_rng(0)
    directions = np.repeat(np.eye(6), 30, axis=0)
    ids = k_means_labels(directions + 0.05 * rng.normal(size=directions.shape), 6, seed=1)
    groups = ids.reshape(6, 30)
    assert (groups == groups[:, :1]).all()
    assert sorted(groups[:, 0].tolist()) == list(range(6))


def test_k_means_labels_are_all_in_use_and_repeatable() -> None:
    responses = np.random.default_rng(1).normal(size=(400, 10))
    ids = k_means_labels(responses, 50, seed=3)
    assert np.unique(ids).tolist() == list(range(50))
    assert np.array_equal(ids, k_means_labels(responses, 50, seed=3))


def test_length_of_a_response_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    responses = rng.normal(size=(200, 10))
    stretched = responses * 2.0 ** rng.integers(-3, 4, size=(200, 1))  # powers of two round alike
    assert np.array_equal(k_means_labels(responses, 5), k_means_labels(stretched, 5))


@pytest.mark.parametrize("n_classes", [0, 11])
def test_more_classes_than_images_are_refused(n_classes: int) -> None:
    with pytest.raises(TooFewDistinctImagesError) as caught:
        k_means_labels(np.random.default_rng(0).normal(size=(10, 3)), n_classes)
    assert caught.value.field == "n_classes"


def test_more_classes_than_distinct_images_are_refused() -> None:
    with pytest.raises(TooFewDistinctImagesError, match="only 3 of 30") as caught:
        k_means_labels(np.repeat(np.eye(3), 10, axis=0), 4)
    assert caught.value.field == "n_classes"
    with pytest.raises(DegenerateResponsesError):
        k_means_labels(np.ones((10, 3)), 2)


@given(seed=st.integers(0, 2**32 - 1))
def test_shuffling_keeps_the_histogram(seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 7, size=500)
    shuffled = shuffled_labels(ids, seed)
    assert np.array_equal(np.bincount(shuffled), np.bincount(ids))
    assert not np.array_equal(shuffled, ids)
    assert np.array_equal(shuffled, shuffled_labels(ids, seed))


def test_kept_clusters_label_further_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    responses = rng.normal(size=(200, 6))
    fitted = fit_k_means(responses, 7)
    fitted.save(tmp_path / "clusters.npz")
    kept = load_k_means(tmp_path / "clusters.npz")
    assert np.array_equal(kept.ids(responses), fitted.ids(responses))
    assert np.array_equal(kept.ids(responses[3:9]), fitted.ids(responses)[3:9])
