"""Forecasts scored on targets left out, beside what people use.

Run: OMP_NUM_THREADS=1 python -m benchmarks.forecasts TRANSFERS.parquet…
     OMP_NUM_THREADS=1 python -m benchmarks.forecasts --simulated 12
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.simulated_transfers import World, simulated
from g2l.forecast.records import PastTransfer
from g2l.forecast.scoring import SCORED_TARGETS, Score, score_budgets, score_forecasts
from g2l.forecast.table import read_transfers
from g2l.studies.intervals import Interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", type=Path, metavar="TRANSFERS.parquet")
    parser.add_argument("--simulated", type=int, metavar="TARGETS", help="simulated transfers instead")
    parser.add_argument("--budgets", type=int, nargs="+", default=[10], help="of the simulated transfers")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated transfers")
    given = parser.parse_args()
    if bool(given.tables) == bool(given.simulated):
        parser.error("give tables of transfers, or --simulated")
    transfers = [record for path in given.tables for record in read_transfers(path)]
    if given.simulated:
        world = World(targets=given.simulated, budgets=given.budgets)
        transfers = simulated(world, seed=given.seed)
    print(f"{describe()}\n")
    report(transfers)


def report(transfers: Sequence[PastTransfer]) -> None:
    """Print the tables, and what cannot be said."""
    n_targets = len({record.target_id for record in transfers})
    recipes = {record.source.kin for record in transfers}
    print(f"{len(transfers)} fine-tunings of {len(recipes)} sources on {n_targets} targets.\n")
    if n_targets < 2:
        print("Nothing can be said: a target is told from others, and there are none.")
        return
    if n_targets < SCORED_TARGETS:
        print(
            f"With fewer than {SCORED_TARGETS} targets no forecast is calibrated: it is the kNN accuracy, "
            "and there are no intervals to score.\n"
        )
    print("| method | error, points | in 90 % interval | weighted Kendall tau | regret, points |")
    print("|---|---|---|---|---|")
    for score in sorted(score_forecasts(transfers), key=_order):
        known = "" if score.kind in ("forecast", "baseline") else f" ({score.kind})"
        figures = (
            _shown(score.error, 100, 2),
            _shown(score.coverage, 100, 0),
            _shown(score.tau, 1, 2),
            _shown(score.regret, 100, 2),
        )
        print(f"| {score.method}{known} | {' | '.join(figures)} |")
    budgets = score_budgets(transfers)
    print()
    if budgets is None:
        print(
            "Of the labels that an accuracy needs nothing can be said: too few targets have several budgets."
        )
    else:
        print(
            f"Labels a class for an accuracy: off by {_shown(budgets.error, 1, 2)} doublings, "
            f"{_shown(budgets.coverage, 100, 0)} % in the 90 % interval."
        )


def _order(score: Score) -> int:
    return ["forecast", "baseline", "without labels", "oracle"].index(score.kind)


def _shown(interval: Interval | None, factor: float, digits: int) -> str:
    if interval is None:
        return "-"
    value, low, high = (
        None if each is None else f"{factor * each:.{digits}f}"
        for each in (interval.value, interval.low, interval.high)
    )
    return f"{value} ({low} to {high})" if low and high else str(value)


if __name__ == "__main__":
    main()
