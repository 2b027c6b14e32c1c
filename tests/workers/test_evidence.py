"""What is known of a source, as rows tell it."""

from core.db.resources import Transfer
from workers.evidence import Evidence


def test_rows_from_before_the_scores_have_two_figures() -> None:
    old = Evidence.of(Transfer(knn_accuracy=0.4, divergence=0.1, scores=None, divergences=None))
    assert old.figures == {"knn": 0.4, "jensen_shannon": 0.1}
    assert (old.knn_accuracy, old.divergence) == (0.4, 0.1)
    scratch = Evidence.of(Transfer(knn_accuracy=None, divergence=None, scores=None, divergences=None))
    assert scratch.figures == {}
    new = Evidence.of(
        Transfer(
            knn_accuracy=0.4,
            divergence=None,
            scores={"knn": 0.4, "leep": None, "gbc": -1.0},
            divergences=None,
        )
    )
    assert new.figures == {"knn": 0.4, "leep": None, "gbc": -1.0}
    assert (new.knn_accuracy, new.divergence) == (0.4, None)
