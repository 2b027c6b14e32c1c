"""What is compared with what, and what is counted."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2l.studies.comparison import differences, mean_accuracies
from g2l.studies.runs import Run, read_runs


def grid(
    source: str, effect: dict[str, float], *, pretraining_seeds: Any = (None,), **fields: Any
) -> list[Run]:
    """A run a target, pretraining seed and seed; a seed's luck is common to all sources."""
    return [
        Run(source, target, 0.5 + ahead + 0.01 * seed, seed=seed, pretraining_seed=pretraining, **fields)
        for target, ahead in effect.items()
        for pretraining in pretraining_seeds
        for seed in (0, 1, 2)
    ]


def test_pairs_cancel_what_seeds_and_targets_share() -> None:
    runs = grid("human", {"a": 0.0, "b": 0.3}) + grid("g2l", {"a": 0.1, "b": 0.4})
    each = {row.target: row for row in differences(runs, "human")}
    assert set(each) == {"a", "b", None}
    for row in each.values():
        assert row.difference.value == pytest.approx(0.1)
        assert row.difference.low == pytest.approx(0.1)  # no chance is left
    assert (each[None].n_pairs, each[None].n_targets, each["a"].n_pairs) == (6, 2, 3)


def test_targets_are_won_and_lost() -> None:
    runs = grid("human", dict.fromkeys("abcd", 0.0)) + grid("g2l", {"a": 0.1, "b": 0.2, "c": -0.1, "d": 0.0})
    whole = next(row for row in differences(runs, "human") if row.target is None)
    assert (whole.wins, whole.losses, whole.n_targets) == (2, 1, 4)
    assert whole.difference.value == pytest.approx(0.05)


def test_equal_pretraining_seeds_are_paired_and_scratch_with_each() -> None:
    g2l = grid("g2l", {"a": 0.1}, pretraining_seeds=(0, 1))
    human = grid("human", {"a": 0.0}, pretraining_seeds=(1, 2))
    (row, _) = differences(g2l + human, "human")
    assert row.n_pairs == 3  # those of pretraining seed 1
    (row, _) = differences(g2l + grid("scratch", {"a": -0.2}), "scratch")
    assert row.n_pairs == 6
    assert row.difference.value == pytest.approx(0.3)


def test_budgets_are_told_apart_and_what_is_missing_is_left_out() -> None:
    runs = grid("human", {"a": 0.0, "b": 0.0}, label_budget=5) + grid("g2l", {"a": 0.1}, label_budget=5)
    runs += grid("human", {"a": 0.2}) + grid("g2l", {"a": 0.5})
    whole = [row for row in differences(runs, "human") if row.target is None]
    assert [(row.label_budget, row.n_targets) for row in whole] == [(5, 1), (None, 1)]
    assert [row.difference.value for row in whole] == pytest.approx([0.1, 0.3])


def test_a_baseline_must_be_there() -> None:
    with pytest.raises(ValueError, match="'nobody'"):
        differences(grid("g2l", {"a": 0.1}), "nobody")


def test_targets_weigh_alike_in_the_mean() -> None:
    runs = [*grid("g2l", {"a": 0.2}), Run("g2l", "b", 0.1)]
    means = {mean.target: mean for mean in mean_accuracies(runs)}
    assert means["a"].accuracy.value == pytest.approx(0.71)
    assert means[None].accuracy.value == pytest.approx((0.71 + 0.1) / 2)
    assert (means[None].n_runs, means["b"].accuracy.low) == (4, None)


def test_the_file_of_a_study_can_be_read_alone(tmp_path: Path) -> None:
    """As docs/studies.md shows it."""
    rows = [("human", "ds_1", "tiles", 0.5), ("g2l", "ds_1", "tiles", 0.75), ("g2l", "ds_2", "tiles", 0.25)]
    table = [
        {"source": s, "target": t, "target_name": n, "accuracy": a, "seed": 0, "label_budget": 5}
        for s, t, n, a in rows
    ]
    pq.write_table(
        pa.Table.from_pylist([row | {"pretraining_seed": None} for row in table]), tmp_path / "t.parquet"
    )
    runs = read_runs(tmp_path / "t.parquet")
    assert runs[0] == Run("human", "ds_1", 0.5, label_budget=5)  # two targets have one name
    assert next(iter(differences(runs, "human"))).difference.value == 0.25


def test_what_the_documentation_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"source": s, "accuracy": a, "label_budget": 5} for s, a in (("human labels", 0.5), ("G2L", 0.75))
    ]
    common = {"target": "ds_1", "target_name": "tiles", "seed": 0, "pretraining_seed": None}
    pq.write_table(pa.Table.from_pylist([row | common for row in rows]), tmp_path / "transfers.parquet")
    page = (Path(__file__).parents[3] / "docs/studies.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert capsys.readouterr().out == "G2L 5 Interval(value=0.25, low=None, high=None, level=0.95)\n"
