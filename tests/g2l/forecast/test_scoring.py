"""Scores of forecasts, on tables whose scores are known."""

import dataclasses
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.simulated_transfers import World, simulated
from g2l.forecast.baselines import Method, Said, Transfers, methods
from g2l.forecast.records import PastTransfer
from g2l.forecast.scoring import SCORED_TARGETS, score, score_budgets, score_forecasts, score_repeats
from g2l.forecast.table import read_transfers
from g2l.studies.intervals import Interval
from g2l.studies.runs import read_rows

approx = pytest.approx
ROOT = Path(__file__).parents[3]
TABLE = simulated(World(targets=SCORED_TARGETS, sources=5, seeds=2))


def value(interval: Interval | None) -> float:
    assert interval is not None
    return interval.value


def knowing(sign: float, off: float) -> Method:
    """It looks at the outcome, says so much more, and ranks by it, or against it."""

    def say(_: Transfers, asked: Transfers) -> Said:
        truth = np.array([record.accuracy for record in asked])
        return Said(truth + off, truth - 0.01, truth + 0.01, sign * truth)

    return Method("knowing", "oracle", say)


def named(transfers: Transfers, name: str) -> Method:
    return next(method for method in methods(transfers) if method.name == name)


def test_who_knows_the_outcome_is_perfect() -> None:
    found = score(knowing(1, 0.0), TABLE)
    assert [value(found.error), value(found.coverage), value(found.regret)] == [0, 1, 0]
    assert value(found.tau) == approx(1)


def test_who_ranks_backwards_is_as_wrong_as_can_be() -> None:
    found = score(knowing(-1, 0.05), TABLE)
    assert value(found.error) == approx(0.05)
    assert value(found.tau) == approx(-1)
    means: dict[str, dict[str, list[float]]] = {}
    for record in TABLE:
        means.setdefault(record.target_id, {}).setdefault(record.source.kin, []).append(record.accuracy)
    spans = [np.ptp([np.mean(each) for each in of_target.values()]) for of_target in means.values()]
    assert value(found.regret) == approx(np.mean(spans))


def test_the_order_of_rows_does_not_matter() -> None:
    mixed = [TABLE[i] for i in np.random.default_rng(0).permutation(len(TABLE))]
    for name in ("forecast", "knn alone", "static ranking"):
        first, second = (score(named(rows, name), rows) for rows in (TABLE, mixed))
        for field in ("error", "coverage", "tau", "regret"):
            assert value(getattr(first, field)) == approx(value(getattr(second, field)), abs=1e-9)


def test_where_the_target_changes_nothing_a_static_ranking_is_perfect() -> None:
    """Accuracies that add up in logits from source and target."""
    alike = [
        dataclasses.replace(record, accuracy=float(1 / (1 + np.exp(-merit - target / 9))))
        for record in TABLE
        for target, merit in [(int(record.target_id[1:]), int(record.source.kin[1:]) / 5)]
    ]
    assert value(score(named(alike, "static ranking"), alike).tau) == approx(1)
    assert value(score(named(alike, "forecast"), alike).tau) == approx(1)


def test_a_constant_does_not_rank() -> None:
    found = {each.method: each for each in score_forecasts(TABLE)}
    assert found["mean of other targets"].tau is None
    assert found["mean of the target"].coverage is None
    assert value(found["mean of the target"].error) < value(found["mean of other targets"].error)
    assert "kl alone" not in found  # that these transfers do not have
    assert value(found["forecast"].error) < value(found["knn alone"].error)
    assert value(found["forecast"].tau) > value(found["knn alone"].tau)


def test_recorded_transfers_know_what_scratch_reached() -> None:
    """On the real ones of the transfer study."""
    path = ROOT / "docs/results/transfers-seed0.parquet"
    transfers = read_transfers(path)
    rows = [row for row in read_rows(path) if row["method"] == "fine-tune"]
    scratch = {row["target"]: row["accuracy"] for row in rows if row["model_id"] is None}
    assert [t.source.figures["scratch"] for t in transfers] == [scratch[t.target_id] for t in transfers]
    assert len(transfers) + len(scratch) == len(rows)
    told = {(each.method, each.kind): each for each in score_forecasts(transfers)}
    before, knowing = told["forecast", "forecast"], told["forecast", "scratch known"]
    assert value(knowing.error) < 0.5 * value(before.error)
    assert value(knowing.tau) == approx(value(before.tau), abs=0.05)  # which source is better it does not say
    assert told["scratch alone", "scratch known"].tau is None
    blind = [
        replace(t, source=replace(t.source, figures={**t.source.figures, "scratch": None})) for t in transfers
    ]
    found = {each.method: each for each in score_forecasts(blind) if each.kind != "oracle"}
    assert value(found["forecast"].error) == value(before.error)
    assert "scratch alone" not in found


def test_files_of_one_target_share_what_scratch_reached(tmp_path: Path) -> None:
    study = pq.read_table(ROOT / "docs/results/transfers-seed0.parquet")
    scratch = pc.is_null(study["model_id"])
    for name, which in (("scratch", scratch), ("sources", pc.invert(scratch))):
        pq.write_table(study.filter(which), tmp_path / f"{name}.parquet")
    beside, also = tmp_path / "sources.parquet", tmp_path / "scratch.parquet"
    assert {each.source.figures["scratch"] for each in read_transfers(beside)} == {None}
    assert read_transfers(beside, also) == read_transfers(ROOT / "docs/results/transfers-seed0.parquet")
    assert read_transfers(beside, also, beside) == read_transfers(beside, also)  # each counts once
    larger = study.filter(scratch).append_column("image_size", pa.array([128] * 10))  # none of these
    pq.write_table(larger, tmp_path / "scratch.parquet")
    assert {each.source.figures["scratch"] for each in read_transfers(beside, also)} == {None}


def test_one_run_of_each_source_tells_as_much_as_runs_are_alike() -> None:
    def run(target: str, kin: str, accuracy: float) -> PastTransfer:
        source = dataclasses.replace(TABLE[0].source, recipe=kin)
        return dataclasses.replace(TABLE[0], target_id=target, source=source, accuracy=accuracy)

    alike = [
        run(t, kin, a) for t in ("x", "y") for kin, a in (("a", 0.5), ("b", 0.6), ("c", 0.8)) for _ in "12"
    ]
    found = score_repeats(alike)
    assert found.coverage is None
    assert [value(found.error), value(found.regret)] == approx([0, 0])
    assert value(found.tau) == approx(1)
    turned = [
        run(t, kin, a) for t in ("x", "y") for kin, a in (("a", 0.5), ("a", 0.8), ("b", 0.8), ("b", 0.5))
    ]
    found = score_repeats(turned)
    assert [value(found.error), value(found.regret)] == approx([0.3, 0.3])
    assert value(found.tau) == approx(-1)
    assert [s.method for s in score_forecasts([*alike, run("x", "d", 0.1)])][-1] == "one run of each source"
    once = list({(record.target_id, record.source.kin): record for record in alike}.values())
    assert score_repeats(once).error is None
    assert "one run of each source" not in [each.method for each in score_forecasts(once)]


def test_with_few_targets_the_forecast_is_the_knn_accuracy_and_has_no_interval() -> None:
    few = [record for record in TABLE if record.target_id in ("t0", "t1", "t2")]
    found = score(named(few, "forecast"), few)
    assert found.coverage is None
    assert value(found.error) == approx(_knn_error(few))
    regressed = score(named(few, "regression, not calibrated"), few)
    assert regressed.coverage is None
    assert value(regressed.error) < value(found.error)
    with pytest.raises(ValueError, match="two targets"):
        score_forecasts([record for record in few if record.target_id == "t0"])


def _knn_error(transfers: list[PastTransfer]) -> float:
    cells: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for record in transfers:
        here = cells.setdefault((record.target_id, record.source.kin), [])
        here.append((record.accuracy, record.source.figures["knn"] or 0.0))
    return float(np.mean([abs(np.subtract(*np.mean(each, 0))) for each in cells.values()]))


def test_label_budgets_are_scored_where_there_are_several() -> None:
    assert score_budgets(TABLE) is None
    found = score_budgets(simulated(World(targets=SCORED_TARGETS, sources=3, seeds=1, budgets=(5, 20))))
    assert found is not None
    assert found.error.value < 1  # two doublings lie between the budgets
    assert found.coverage.value > 0.8
