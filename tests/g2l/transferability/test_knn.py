"""Cross-validated nearest neighbours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import g2l.transferability.knn
from g2l.errors import G2LError
from g2l.metrics import DegenerateResponsesError
from g2l.transferability.inputs import BadLabelsError, SingleImageClassError
from g2l.transferability.knn import knn_accuracy
from tests.g2l.reference import Floats


def separated(each: int = 20, noise: float = 0.1) -> tuple[Floats, list[str]]:
    rng = np.random.default_rng(0)
    return np.repeat(np.eye(4), each, axis=0) + noise * rng.normal(size=(4 * each, 4)), [
        name for name in "abcd" for _ in range(each)
    ]


@pytest.mark.parametrize("neighbours", [1, 5])
def test_separate_classes_are_found(neighbours: int) -> None:
    assert knn_accuracy(*separated(), neighbours=neighbours) == 1.0


def test_noise_is_at_chance() -> None:
    rng = np.random.default_rng(1)
    accuracy = knn_accuracy(rng.normal(size=(2000, 10)), rng.integers(0, 4, size=2000))
    assert accuracy == pytest.approx(0.25, abs=0.05)  # five standard errors


def test_one_neighbour_equals_leave_one_out_when_folds_are_single_images() -> None:
    responses, labels = separated(noise=1.0)
    units = responses / np.linalg.norm(responses, axis=1, keepdims=True)
    distances = ((units[:, None] - units[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    names = np.array(labels)
    expected = float((names[distances.argmin(1)] == names).mean())
    assert knn_accuracy(responses, labels, neighbours=1, folds=len(labels)) == expected


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_size_of_responses_and_names_of_classes_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    responses, labels = rng.normal(size=(60, 5)), np.repeat(np.arange(3), 20)
    accuracy = knn_accuracy(responses, labels, seed=seed)
    assert knn_accuracy(4.0 * responses, np.array(["x", "y", "z"])[labels], seed=seed) == accuracy
    assert 0.0 <= accuracy <= 1.0


def test_an_image_is_never_its_own_neighbour() -> None:
    responses = np.random.default_rng(2).normal(size=(40, 8))
    labels = np.arange(40) // 2  # two images a class, at random places
    assert knn_accuracy(responses, labels, neighbours=1) < 0.3


def test_two_images_a_class_suffice() -> None:
    responses, labels = separated(each=2)
    assert knn_accuracy(responses, labels, neighbours=1) == 1.0


def test_ties_go_to_the_nearer_class() -> None:
    angles = np.radians([0.0, 2.0, 40.0, 41.0])
    responses = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert knn_accuracy(responses, ["a", "a", "b", "b"], neighbours=2, folds=4) == 1.0


def test_large_targets_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(g2l.transferability.knn, "QUERIES", 10)
    accuracy = knn_accuracy(*separated(noise=0.8))
    assert (10 * accuracy) % 1 == pytest.approx(0.0, abs=1e-9)


def test_unusable_labels_are_refused() -> None:
    responses, labels = separated()
    with pytest.raises(SingleImageClassError, match="'lonely'") as caught:
        knn_accuracy(responses, [*labels[:-1], "lonely"])
    assert caught.value.field == "labels"
    with pytest.raises(BadLabelsError, match="80 responses"):
        knn_accuracy(responses, labels[:-1])
    with pytest.raises(BadLabelsError, match="two classes"):
        knn_accuracy(responses, ["a"] * 80)
    with pytest.raises(G2LError, match="folds"):
        knn_accuracy(responses, labels, folds=1)
    with pytest.raises(DegenerateResponsesError):
        knn_accuracy(np.ones((80, 4)), labels)
