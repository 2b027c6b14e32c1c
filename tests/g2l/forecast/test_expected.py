"""Forecasts from recorded transfers: values, intervals, ranks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulated_transfers import World, simulated
from g2l.figures import FIGURES, Figure, Figures
from g2l.forecast.expected import MIN_TARGETS, Forecast, forecast
from g2l.forecast.records import Candidate, PastTransfer

approx = pytest.approx


def source(i: int, *, knn: float | None = 0.5, divergence: float | None = 0.1) -> Candidate:
    return Candidate(f"mdl_{i}", 1000, {"jensen_shannon": divergence, "knn": knn})


def history(
    n_targets: int, *, seed: int = 0, each: int = 6, noise: float = 0.2, spread: float = 0.0
) -> list[PastTransfer]:
    """Transfers whose logit accuracy is a line in the logit of kNN accuracy, plus noise."""
    rng = np.random.default_rng(seed)
    records = []
    for target in range(n_targets):
        shift = spread * rng.normal()
        for i in range(each):
            z = 1.5 * rng.normal()
            accuracy = 1 / (1 + np.exp(-(0.5 + z + shift + noise * rng.normal())))
            figures: Figures = {
                "jensen_shannon": float(rng.random()),
                "knn": float(1 / (1 + np.exp(-z))),
            }
            known = Candidate(f"mdl_{i}", int(rng.integers(100, 9999)), figures)
            records.append(PastTransfer(f"target_{target}", known, 10, 10, float(accuracy)))
    return records


def ask(candidates: list[Candidate], past: list[PastTransfer], target_id: str = "new") -> Forecast:
    return forecast(candidates, past, target_id=target_id, label_budget=10)


def test_with_few_targets_it_says_so() -> None:
    result = ask([source(0, knn=0.4), source(1, knn=0.7), source(2, knn=None)], history(MIN_TARGETS - 1))
    assert not result.calibrated
    assert result.n_past_targets == MIN_TARGETS - 1
    assert [s.value for s in result.sources] == [0.4, 0.7, None]
    assert all((s.low, s.high) == (0.0, 1.0) for s in result.sources)
    assert [s.rank for s in result.sources] == [2, 1, 3]


def test_without_labels_the_smaller_divergence_ranks_first() -> None:
    candidates = [source(i, knn=None, divergence=d) for i, d in enumerate([0.3, None, 0.1])]
    assert [s.rank for s in ask(candidates, []).sources] == [2, 3, 1]


def test_with_enough_targets_it_learns_the_line() -> None:
    result = ask([source(0, knn=0.3), source(1, knn=0.8)], history(12))
    assert result.calibrated
    assert result.level == 0.9
    assert (result.n_past_targets, result.n_past_transfers) == (12, 72)
    for forecast_, knn in zip(result.sources, (0.3, 0.8), strict=True):
        expected = 1 / (1 + np.exp(-(0.5 + np.log(knn / (1 - knn)))))
        assert forecast_.value == approx(expected, abs=0.06)  # noise 0.2 over 72 records
        assert forecast_.value is not None
        assert 0.0 < forecast_.low < forecast_.value < forecast_.high < 1.0
    assert [s.rank for s in result.sources] == [2, 1]


def test_a_target_that_is_like_no_other_does_not_bend_the_level() -> None:
    strokes = [PastTransfer("strokes", source(i, knn=0.02), 242, 10, 0.98) for i in range(6)]
    for knn in (0.05, 0.5, 0.9):
        (with_it,), (without,) = (
            ask([source(0, knn=knn)], past).sources for past in (history(12) + strokes, history(12))
        )
        assert with_it.value is not None
        assert with_it.value == approx(without.value, abs=0.05)


def test_a_target_of_many_label_budgets_weighs_as_one() -> None:
    easy = [
        PastTransfer("easy", source(i, knn=0.5), 10, budget, 0.95)
        for i in range(6)
        for budget in range(2, 40)
    ]
    (many,), (one,) = (
        ask([source(0)], past).sources for past in (history(12) + easy, history(12) + easy[:1])
    )
    assert many.value is not None
    assert many.value == approx(one.value, abs=0.03)


def test_transfers_on_the_same_target_are_left_out() -> None:
    past = history(MIN_TARGETS)
    assert ask([source(0)], past).calibrated
    result = ask([source(0)], past, target_id="target_3")
    assert not result.calibrated
    assert (result.n_past_targets, result.n_past_transfers) == (MIN_TARGETS - 1, 6 * (MIN_TARGETS - 1))
    poisoned = [*history(12), PastTransfer("new", source(0), 10, 10, 0.0)]
    assert ask([source(0)], poisoned) == ask([source(0)], history(12))


def test_intervals_hold_new_targets_as_often_as_they_say() -> None:
    held = []
    for seed in range(40):
        *past, new = np.array_split(np.array(history(13, seed=seed, each=4, spread=0.5), dtype=object), 13)
        records = [record for target in past for record in target]
        result = ask([record.source for record in new], records)
        held += [s.low <= record.accuracy <= s.high for s, record in zip(result.sources, new, strict=True)]
    assert 0.84 <= np.mean(held) <= 0.99  # 0.9, less chance in 40 targets, more for 12 + 1


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_unknown_figures_still_give_a_forecast(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def forget(known: Candidate) -> Candidate:
        keep = rng.random(3) < 0.5
        figures: Figures = {
            name: value for name, value in known.figures.items() if keep[0 if name == "knn" else 1]
        }
        return Candidate(known.source_id, known.source_size if keep[2] else None, figures)

    past = [PastTransfer(p.target_id, forget(p.source), 10, None, p.accuracy) for p in history(10, seed=seed)]
    result = ask([forget(source(i)) for i in range(4)], past)
    assert sorted(s.rank for s in result.sources) == [1, 2, 3, 4]
    for s in result.sources:
        assert s.value is not None
        assert 0.0 <= s.low <= s.value <= s.high <= 1.0


def test_accuracies_of_zero_and_one_stay_finite() -> None:
    past = [PastTransfer(f"t{i}", source(0, knn=float(i % 2)), 2, 5, float(i % 2)) for i in range(10)]
    (only,) = ask([source(1, knn=1.0)], past).sources
    assert only.value is not None
    assert only.value > 0.5


def test_a_target_without_labels_is_forecast_from_the_rest() -> None:
    result = forecast([source(0, knn=None)], history(10), target_id="new", label_budget=None)
    assert result.calibrated
    assert result.sources[0].value is not None


def told_apart(n_targets: int, *, known: int, by: Figure) -> list[PastTransfer]:
    """Targets as hard as they come, of which one figure knows all and the nearest neighbours nothing."""
    rng = np.random.default_rng(0)
    records = []
    for target in range(n_targets):
        hardness = 1.5 * rng.normal()
        for i in range(4):
            knn = float(rng.random())
            tells = accuracy_of(hardness - 0.5) if target < known else None
            source = Candidate(f"mdl_{i}", 1000, {"knn": knn, by: tells})
            outcome = accuracy_of(hardness + 0.05 * rng.normal())
            records.append(PastTransfer(f"t{target}", source, 10, 10, outcome))
    return records


def accuracy_of(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


tells = pytest.mark.parametrize("by", ["scratch", "ridge"])


@tells
def test_the_level_follows_from_the_best_accuracy_that_is_known(by: Figure) -> None:
    """What training from scratch reached on the target; or else a linear classifier, not neighbours."""
    past = told_apart(14, known=MIN_TARGETS, by=by)
    knowing, without = (Candidate("new", 1000, {"knn": 0.5, by: known}) for known in (accuracy_of(1.0), None))
    told, (blind,) = ask([knowing], past), ask([without], past).sources
    (sure,) = told.sources
    assert sure.value == approx(accuracy_of(1.5), abs=0.04)
    assert sure.high - sure.low < 0.5 * (blind.high - blind.low)
    assert told.figures[0] == by
    assert told.n_past_targets == MIN_TARGETS  # the other five say nothing of it


@tells
def test_known_of_too_few_targets_is_as_good_as_unknown(by: Figure) -> None:
    past = told_apart(14, known=MIN_TARGETS - 1, by=by)
    knowing, without = (Candidate("new", 1000, {"knn": 0.5, by: known}) for known in (0.7, None))
    assert ask([knowing], past).sources == ask([without], past).sources
    assert ask([knowing], past).n_past_targets == 14
    # Nor are candidates of which one only has it: all are of one target.
    one_without = ask([knowing, without], told_apart(14, known=14, by=by))
    assert by not in one_without.figures


def test_scratch_comes_before_a_linear_classifier() -> None:
    past = told_apart(14, known=14, by="scratch")
    lies: Figures = {"ridge": 0.02}
    past = [replace(r, source=replace(r.source, figures={**r.source.figures, **lies})) for r in past]
    asked = Candidate("new", 1000, {"knn": 0.5, "scratch": accuracy_of(1.0), "ridge": 0.98})
    result = ask([asked], past)
    assert result.figures[0] == "scratch"
    assert result.sources[0].value == approx(accuracy_of(1.5), abs=0.04)


def test_no_candidates() -> None:
    assert ask([], history(10)).sources == ()


@pytest.mark.parametrize("merit", [0.0, 0.8])
def test_scores_tell_sources_apart_by_as_much_as_they_did_before(merit: float) -> None:
    rng = np.random.default_rng(0)

    def scores(seen: float) -> Figures:
        return {"knn": accuracy_of(seen), "ridge": accuracy_of(2 * seen), "logme": 0.1 * seen}

    past = []
    for i in range(200):
        seen = float(rng.normal())
        known = Candidate(f"mdl_{i}", 1000, scores(seen))
        past.append(PastTransfer(f"t{i // 10}", known, 10, 10, accuracy_of(merit * seen)))
    result = ask([Candidate(f"mdl_{seen}", 1000, scores(seen)) for seen in (-1, 0, 1)], past)
    values = np.array([s.value for s in result.sources], np.float64)
    assert np.diff(np.log(values / (1 - values))) == approx([merit, merit], abs=0.1)


def test_one_score_that_errs_is_outvoted() -> None:
    """Of one candidate neighbours say too much, the others agree with each other: so it was, and so it is."""
    rng = np.random.default_rng(1)
    past = []
    for i in range(200):
        truth, error = rng.normal(size=2)
        known: Figures = {"knn": accuracy_of(truth + error), "ridge": accuracy_of(truth), "logme": truth}
        past.append(PastTransfer(f"t{i // 10}", Candidate(f"m{i}", 1000, known), 10, 10, accuracy_of(truth)))
    asked = [
        Candidate("neighbours'", 1000, {"knn": 0.7, "ridge": 0.4, "logme": -0.4}),
        Candidate("the others'", 1000, {"knn": 0.5, "ridge": 0.6, "logme": 0.4}),
    ]
    assert [s.rank for s in ask(asked, past).sources] == [2, 1]


def test_records_of_two_figures_and_of_all_go_together() -> None:
    every: Figures = dict.fromkeys(FIGURES, 0.5)
    new = [PastTransfer(f"new_{i}", Candidate("mdl_9", 1000, every), 10, 10, 0.5) for i in range(4)]
    result = ask([Candidate("a", 1000, every), source(1), Candidate("b", None, {})], [*history(10), *new])
    assert result.n_past_targets == 14
    assert all(s.value is not None and s.low < s.value < s.high for s in result.sources)


def test_a_recipes_record_on_other_targets_ranks_it() -> None:
    """The figures are the same for all: only what each has done before tells them apart."""
    merits = {"good": 0.6, "plain": 0.0, "bad": -0.6}
    past = [
        PastTransfer(f"t{t}", Candidate(f"{name}-{t}", 1000, {"knn": 0.5}, name), 10, 10, accuracy(t, merit))
        for t in range(10)
        for name, merit in merits.items()
        if (t, name) != (0, "good")  # that it was not tried everywhere is no merit
    ]
    asked = [Candidate(f"{name}-new", 1000, {"knn": 0.5}, name) for name in ("bad", "never seen", "good")]
    result = ask(asked, past)
    assert [s.rank for s in result.sources] == [3, 2, 1]
    values = [s.value or 0.0 for s in result.sources]
    assert values[2] - values[0] > 0.15  # 0.29 where nothing is shrunk


@pytest.mark.parametrize(("ahead_on", "least", "most"), [(12, 0.8, 1.0), (7, 0.0, 0.35)])
def test_a_record_counts_for_as_much_as_it_holds_from_target_to_target(
    ahead_on: int, least: float, most: float
) -> None:
    """Ten runs on a target are alike, and say no more than one of what comes on another."""
    past = [
        PastTransfer(
            f"t{t}", Candidate(f"{name}-{t}-{run}", 1000, {"knn": 0.5}, name), 10, 10, accuracy(0, merit)
        )
        for t in range(12)
        for name, merit in (("first", 0.3 if t < ahead_on else -0.3), ("second", 0.0))
        for run in range(10)
    ]
    asked = [Candidate(f"{name}-new", 1000, {"knn": 0.5}, name) for name in ("first", "second")]
    first, second = (float(np.log(s.value / (1 - s.value))) for s in ask(asked, past).sources if s.value)
    mean = 0.3 * (2 * ahead_on - 12) / 12
    assert least <= (first - second) / mean <= most


def accuracy(target: int, merit: float) -> float:
    return float(1 / (1 + np.exp(-(merit + 0.1 * (target - 5)))))


def test_without_target_labels_the_divergences_are_regressed_from_alone() -> None:
    past = simulated(World(targets=10, sources=4))
    asked = [
        Candidate(r.source.source_id, 1000, {"jensen_shannon": r.source.figures["jensen_shannon"]})
        for r in past[:4]
    ]
    result = forecast(asked, past, target_id="new", label_budget=10)
    assert result.calibrated
    assert set(result.figures) <= {"jensen_shannon"}


def test_the_version_names_the_past_and_not_its_order() -> None:
    past = history(MIN_TARGETS)
    version = ask([source(0)], past).version
    assert ask([source(1)], past[::-1]).version == version
    assert ask([source(0)], past[1:]).version != version
    assert ask([source(0)], [*past, PastTransfer("new", source(0), 10, 10, 0.5)]).version == version


def grown(n_targets: int, budgets: tuple[int, ...]) -> list[PastTransfer]:
    """Accuracy as the kNN accuracy has it at 10 labels a class, and half a logit more at e times as many."""
    rng = np.random.default_rng(0)
    records = []
    for target in range(n_targets):
        for i in range(3):
            z = rng.normal()
            for budget in budgets:
                value = z + 0.5 * np.log(budget / 10)
                known = Candidate(f"mdl_{i}", 1000, {"knn": float(1 / (1 + np.exp(-value)))})
                records.append(PastTransfer(f"t{target}", known, 10, budget, known.figures["knn"] or 0.0))
    return records


@pytest.mark.parametrize(("goal", "labels"), [(0.5, 10), (0.5866, 20), (0.01, 5), (0.99, None)])
def test_how_many_labels_an_accuracy_needs(goal: float, labels: int | None) -> None:
    asked = [Candidate("mdl_0", 1000, {"knn": 0.5})]
    made = forecast(asked, grown(10, (5, 20, 40)), target_id="new", label_budget=10, wanted=[goal])
    needed = made.sources[0].needed
    assert needed is not None
    assert (needed.smallest, needed.largest, needed.level) == (5, 40, 0.9)
    assert needed.value == (labels and approx(labels, rel=0.15))
    if labels:
        assert needed.low is not None
        assert needed.low <= (needed.value or 0.0) <= (needed.high or np.inf)


def test_one_budget_says_nothing_of_labels_needed() -> None:
    asked = [Candidate("mdl_0", 1000, {"knn": 0.5})]
    made = forecast(asked, grown(10, (10,)), target_id="new", label_budget=10, wanted=[0.6])
    assert made.sources[0].needed is None
