"""Space evened by how far images of one anchor lie apart, against what it is by definition."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.covariance import OAS

from g2l.anchors import discover_anchors, fit_anchors, load_anchor_set
from g2l.gaussians import shrunk
from g2l.metrics import fit_metric
from g2l.spread import oas_share, spread_within
from tests.g2l.reference import Floats

approx = pytest.approx
seeds = st.integers(0, 2**32 - 1)


def classes(seed: int, *, dims: int, each: int, n: int = 3, long: float = 1.0) -> list[Floats]:
    """Classes whose images differ from each other the most along the first `dims // 2` axes."""
    rng = np.random.default_rng(seed)
    lengths = np.where(np.arange(dims) < dims // 2, long, 1.0)
    return [rng.normal(size=dims) + lengths * rng.normal(size=(each, dims)) for _ in range(n)]


@given(seed=seeds, dims=st.integers(2, 30), each=st.integers(2, 12))
@settings(max_examples=50)
def test_distances_are_mahalanobis_by_the_shrunk_covariance(seed: int, dims: int, each: int) -> None:
    """Of more rows than dimensions and of fewer, up to one factor for all."""
    groups = classes(seed, dims=dims, each=each, long=5.0)
    apart = np.concatenate([group - group.mean(0) for group in groups])
    n = len(apart) - len(groups)
    covariance = shrunk(apart.T @ apart / n, n)
    spread = spread_within(groups)
    assert spread is not None
    points = np.concatenate(groups)
    expected = cdist(points, points, "mahalanobis", VI=np.linalg.inv(covariance))
    evened = spread.evened(points)
    found = cdist(evened, evened)
    assert found / found.max() == approx(expected / expected.max(), rel=1e-6)


@given(seed=seeds, n=st.integers(2, 40), dims=st.integers(2, 20))
def test_the_share_is_that_of_the_reference(seed: int, n: int, dims: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, dims)) * np.arange(1, dims + 1)
    covariance = x.T @ x / n
    share = oas_share(float(np.trace(covariance)) / dims, float((covariance**2).mean()), n=n, dims=dims)
    assert share == approx(OAS(assume_centered=True).fit(x).shrinkage_)


def test_a_direction_in_which_all_images_differ_counts_less() -> None:
    spread = spread_within(classes(0, dims=6, each=200, long=10.0))
    assert spread is not None
    gains = np.linalg.norm(spread.evened(np.eye(6)), axis=1)
    assert gains[:3] / gains[3:] == approx(0.1, rel=0.5)
    assert gains.max() <= 1.0


def test_anchors_of_an_image_each_leave_space_as_it_is() -> None:
    images = np.random.default_rng(0).normal(size=(4, 5))
    assert spread_within(list(images[:, None])) is None
    even = fit_anchors({str(i): image[None] for i, image in enumerate(images)}, "mahalanobis")
    assert even.squared_distances == approx(
        fit_metric("euclidean", images).squared_distances(images, images), abs=1e-12
    )


def held_out(metric: str, seed: int, *, positive: bool) -> float:
    """Share of new images nearest to their own class, of six labelled each in 40 dimensions."""
    all_ = classes(seed, dims=40, each=60, n=5, long=6.0)
    all_ = [np.exp(group / 8) for group in all_] if positive else all_
    anchors = fit_anchors({str(number): group[:6] for number, group in enumerate(all_)}, metric)
    right = [anchors.distances_to(group[6:]).argmin(1) == number for number, group in enumerate(all_)]
    return float(np.mean(right))


@pytest.mark.parametrize("positive", [False, True])
def test_new_images_find_their_class_where_its_images_differ_much_in_other_ways(positive: bool) -> None:
    even, plain = (
        np.mean([held_out(metric, seed, positive=positive) for seed in range(10)])
        for metric in ("mahalanobis", "euclidean")
    )
    assert even > plain + 0.05


def test_discovered_anchors_are_evened_by_their_clusters(tmp_path: Path) -> None:
    images = np.concatenate(classes(1, dims=12, each=80, n=6, long=2.0))
    anchors = discover_anchors(images, 6, "mahalanobis")
    assert anchors.metric.spread is not None
    clusters = discover_anchors(images, 6, "euclidean").distances_to(images).argmin(1)
    assert len(np.unique(clusters)) == 6
    assert anchors.squared_distances == approx(
        anchors.metric.between(anchors.means, anchors.means), abs=1e-12
    )
    anchors.save(tmp_path / "anchors.npz")
    again = load_anchor_set(tmp_path / "anchors.npz")
    assert np.array_equal(again.distances_to(images), anchors.distances_to(images))
    assert discover_anchors(images, 6, anchors.metric).distances_to(images) == approx(
        anchors.distances_to(images)
    )
