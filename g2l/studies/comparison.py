"""What a study says: mean accuracies, and paired differences against a baseline, with intervals.

Two runs are a pair if all but their source is the same: target, label budget, transfer seed (so labelled
images, order and start) and pretraining seed. A source without pretraining seeds, such as scratch, is paired
with each.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from g2l.studies.intervals import Interval, clustered_mean
from g2l.studies.runs import Run, in_order, label_budgets

TIE = 1e-9  # a smaller difference of mean accuracies is rounding


@dataclass(frozen=True)
class Mean:
    """The accuracy of a source.

    Attributes:
        source: its name.
        target: on which target; None for the mean over all that the source was measured on.
        label_budget: images a class; None for all.
        accuracy: the mean, all targets weighing alike; of one target, over the seeds.
        n_runs: transfers in it.
        n_targets: targets in it.
    """

    source: str
    target: str | None
    label_budget: int | None
    accuracy: Interval
    n_runs: int
    n_targets: int


@dataclass(frozen=True)
class Difference:
    """How much more accurate a source is than the baseline, in shares of the test images.

    Attributes:
        source: its name.
        baseline: the other's.
        target: on which target; None for the mean over all that both were measured on.
        label_budget: images a class; None for all.
        difference: the mean over pairs, all targets weighing alike.
        n_pairs: pairs in it.
        n_targets: targets in it.
        wins: targets on which the mean difference is positive.
        losses: targets on which it is negative.
    """

    source: str
    baseline: str
    target: str | None
    label_budget: int | None
    difference: Interval
    n_pairs: int
    n_targets: int
    wins: int
    losses: int


def mean_accuracies(runs: Sequence[Run], *, seed: int = 0) -> list[Mean]:
    """A mean for each source, budget and target, and one over the targets; in the order of the runs."""
    found = []
    for budget in label_budgets(runs):
        for source in in_order(run.source for run in runs):
            by_target: dict[str, list[float]] = defaultdict(list)
            for run in runs:
                if (run.source, run.label_budget) == (source, budget):
                    by_target[run.target].append(run.accuracy)
            for target, clusters in _spans(by_target):
                n_runs = sum(map(len, clusters))
                interval = clustered_mean(clusters, seed=seed)
                found.append(Mean(source, target, budget, interval, n_runs, len(clusters)))
    return found


def differences(runs: Sequence[Run], baseline: str, *, seed: int = 0) -> list[Difference]:
    """A difference for each other source, budget and target, and one over the targets.

    Raises:
        ValueError: no run has the baseline as its source.
    """
    others = [name for name in in_order(run.source for run in runs) if name != baseline]
    if len(others) == len({run.source for run in runs}):
        raise ValueError(f"no run is of {baseline!r}")
    found = []
    for budget in label_budgets(runs):
        here = [run for run in runs if run.label_budget == budget]
        for source in others:
            by_target = _paired(here, source, baseline)
            for target, clusters in _spans(by_target):
                means = [sum(pairs) / len(pairs) for pairs in clusters]
                found.append(
                    Difference(
                        source,
                        baseline,
                        target,
                        budget,
                        clustered_mean(clusters, seed=seed),
                        sum(map(len, clusters)),
                        len(clusters),
                        wins=sum(mean > TIE for mean in means),
                        losses=sum(mean < -TIE for mean in means),
                    )
                )
    return found


def _paired(runs: Sequence[Run], source: str, baseline: str) -> dict[str, list[float]]:
    """Differences of the pairs, by target."""
    others: dict[tuple[str, int], list[Run]] = defaultdict(list)
    for run in runs:
        if run.source == baseline:
            others[run.target, run.seed].append(run)
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        if run.source != source:
            continue
        for other in others[run.target, run.seed]:
            seeds = {run.pretraining_seed, other.pretraining_seed} - {None}
            if len(seeds) < 2:
                found[run.target].append(run.accuracy - other.accuracy)
    return found


def _spans(by_target: dict[str, list[float]]) -> list[tuple[str | None, list[list[float]]]]:
    """Each target alone, and all of them."""
    if not by_target:
        return []
    each: list[tuple[str | None, list[list[float]]]] = [
        (name, [values]) for name, values in by_target.items()
    ]
    return [*each, (None, list(by_target.values()))]
