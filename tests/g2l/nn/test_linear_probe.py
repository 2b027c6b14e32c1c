import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from g2l.nn.folds import stratified_folds, stratified_subset
from g2l.nn.linear_probe import DEFAULT_STRENGTH, STRENGTHS, fit_probe


def blobs(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    return (rng.normal(size=(n, 6)) + 1.5 * np.eye(6)[labels]).astype(np.float32) * 7 + 3, labels


def test_it_finds_the_optimum_that_scikit_learn_finds() -> None:
    features, labels = blobs()
    probe = fit_probe(features, labels, 3, seed=0)
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    # scikit-learn minimizes C * sum of losses + |W|^2 / 2, ours the mean loss + strength * |W|^2 / 2
    reference = LogisticRegression(C=1 / (probe.strength * len(labels)), tol=1e-10, max_iter=2000)
    expected = reference.fit(scaled, labels).predict_log_proba(scaled)
    ours = (torch.from_numpy(features) @ probe.weight.T + probe.bias).log_softmax(dim=1)
    assert np.allclose(ours, expected, atol=1e-3)


def test_the_penalty_is_one_of_the_grid_or_the_default() -> None:
    features, labels = blobs()
    assert fit_probe(features, labels, 3, seed=0).strength in STRENGTHS
    assert fit_probe(features[:3], labels[:3], 3, seed=0).strength == DEFAULT_STRENGTH


def test_features_that_never_vary_do_no_harm() -> None:
    features, labels = blobs()
    features[:, 0] = 5
    probe = fit_probe(features, labels, 3, seed=0)
    assert torch.isfinite(probe.weight).all()
    assert (probe.weight[:, 0] == 0).all()


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_folds_check_every_row_once_and_spread_every_class(n_folds: int) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [10, 20, 7]))
    folds = stratified_folds(labels, n_folds, seed=0)
    assert np.array_equal(np.sort(np.concatenate([check for _, check in folds])), np.arange(37))
    for fit, check in folds:
        assert np.intersect1d(fit, check).size == 0
        shares = np.bincount(labels[check], minlength=3) - np.bincount(labels) / n_folds
        assert np.abs(shares).max() < 1


def test_folds_are_fewer_for_a_small_class_and_none_for_a_single_image() -> None:
    assert len(stratified_folds(np.array([0, 0, 0, 1, 1]), 3, seed=0)) == 2
    assert stratified_folds(np.array([0, 0, 1]), 3, seed=0) == []


def test_a_subset_keeps_every_class() -> None:
    labels = np.repeat([0, 1, 2], [900, 95, 5])
    rows = stratified_subset(labels, 100, seed=0)
    assert np.bincount(labels[rows]).tolist() == [90, 10, 2]
    assert np.array_equal(stratified_subset(labels, 1000, seed=0), np.arange(1000))


@pytest.mark.parametrize("seed", range(5))
def test_folds_keep_groups_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(12), 5).astype(np.uint64)  # 0: five images of no group
    labels = rng.integers(0, 3, 60)
    folds = stratified_folds(labels, 3, seed=seed, groups=groups)
    assert folds
    for fit, check in folds:
        assert sorted([*fit, *check]) == list(range(60))
        assert not set(groups[fit]) & set(groups[check]) - {0}
        assert set(labels[fit]) == {0, 1, 2}
        assert 10 <= len(check) <= 30
    assert stratified_folds(np.repeat([0, 1], 5), 3, seed=seed, groups=np.repeat([1, 2], 5)) == []
