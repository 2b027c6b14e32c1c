import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, precision_score, recall_score

from g2l.nn.evaluation import evaluate, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: score interval without correction
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_has_the_published_values(hits: int, n: int, low: float, high: float) -> None:
    interval = wilson(hits, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)
    assert interval.level == 0.95


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_interval_holds_the_share_and_stays_in_range(n: int, share: float) -> None:
    interval = wilson(round(share * n), n)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high


@given(seed=st.integers(0, 2**32 - 1))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.permutation(np.arange(60) % 4), rng.integers(0, 4, 60)
    scores = evaluate(truth, predicted, ["a", "b", "c", "d"])
    asked = {"average": None, "zero_division": 0}
    assert scores.confusion == confusion_matrix(truth, predicted).tolist()
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert scores.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    assert [c.precision for c in scores.per_class] == pytest.approx(
        precision_score(truth, predicted, **asked)
    )
    assert [c.recall for c in scores.per_class] == pytest.approx(recall_score(truth, predicted, **asked))
    assert scores.accuracy.value == pytest.approx((truth == predicted).mean())


def test_a_class_without_test_images_is_left_out_of_the_means() -> None:
    scores = evaluate(np.array([0, 0, 1]), np.array([0, 2, 1]), ["a", "b", "never"])
    assert scores.balanced_accuracy == pytest.approx((0.5 + 1.0) / 2)
    assert [c.n_images for c in scores.per_class] == [2, 1, 0]
