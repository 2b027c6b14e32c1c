"""Twins in words."""

from g2l.cli.transfers import twins_line


def test_twins_are_told_in_a_line() -> None:
    without = {"value": 0.5, "low": 0.25, "high": 0.75, "level": 0.95}
    twins = {"n_with_pool": 3, "n_with_train": 1, "share": 0.04, "accuracy_without": without}
    assert twins_line(twins) == (
        "4.0% of the test images: 3 with the pool, 1 with the training images; "
        "accuracy without them 50.0% (25.0% to 75.0% at 95%)"
    )
    scratch = twins | {"n_with_pool": None, "share": 1.0, "accuracy_without": None}
    assert twins_line(scratch).endswith("images: 1 with the training images; accuracy without them unknown")
    assert (twins_line(twins | {"share": 0.0}), twins_line(None)) == ("none", "unknown")
