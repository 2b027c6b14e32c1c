"""What labelled images say of labels by their own classes, each asked of anchors made without it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from g2l.label_accuracy import right_labels
from g2l.metrics import METRICS, fit_metric
from g2l.nn.folds import stratified_folds

CLASSES, EACH, WIDTH = 4, 6, 12


def labelled(seed: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    class_ids = np.repeat(np.arange(CLASSES), EACH)
    centres = apart * rng.normal(size=(CLASSES, WIDTH))
    return np.exp(centres[class_ids] + rng.normal(size=(CLASSES * EACH, WIDTH))), class_ids


@pytest.mark.parametrize("name", METRICS)
def test_classes_that_lie_apart_are_told_and_noise_is_not(name: str) -> None:
    shares = []
    for apart in (4.0, 0.0):
        hits = asks = 0
        for seed in range(20):
            responses, class_ids = labelled(seed, apart)
            folds = stratified_folds(class_ids, EACH, seed=0)
            right, asked = right_labels(responses, class_ids, fit_metric(name, responses), folds)
            assert asked == len(class_ids)
            hits, asks = hits + right, asks + asked
        shares.append(hits / asks)
    assert shares[0] > 0.9
    assert 0.1 < shares[1] < 0.4  # a quarter by chance; of anchors that had the image itself it is much more


@given(seed=st.integers(0, 999), apart=st.floats(0, 2), shift=st.integers(1, 50))
def test_it_counts_as_nearest_class_means_leaving_each_image_out_do(
    seed: int, apart: float, shift: int
) -> None:
    responses, class_ids = labelled(seed, apart)
    names = class_ids * shift + 3  # ids need not be 0 to C-1
    folds = [(np.delete(np.arange(len(names)), row), np.array([row])) for row in range(len(names))]
    unit = responses / np.linalg.norm(responses, axis=1, keepdims=True)
    expected = 0
    for rows, (row,) in folds:
        means = np.stack([unit[rows][class_ids[rows] == number].mean(0) for number in range(CLASSES)])
        expected += int(cdist(unit[[row]], means).argmin() == class_ids[row])
    metric = fit_metric("euclidean", responses)
    assert right_labels(responses, names, metric, folds) == (expected, len(names))
