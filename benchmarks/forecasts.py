"""Forecasts scored on targets left out, beside what people use.

Run: OMP_NUM_THREADS=1 python -m benchmarks.forecasts TRANSFERS.parquet…
     OMP_NUM_THREADS=1 python -m benchmarks.forecasts TRANSFERS.parquet… --enter yours:say
     OMP_NUM_THREADS=1 python -m benchmarks.forecasts --simulated 12
"""

import argparse
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.simulated_transfers import World, simulated
from g2l.forecast.baselines import Method, before_any_training
from g2l.forecast.expected import forecast
from g2l.forecast.records import PastTransfer
from g2l.forecast.scoring import SCORED_TARGETS, Score, score, score_budgets, score_forecasts
from g2l.forecast.table import read_transfers
from g2l.studies.intervals import Interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", type=Path, metavar="TRANSFERS.parquet")
    parser.add_argument("--simulated", type=int, metavar="TARGETS", help="simulated transfers instead")
    parser.add_argument("--budgets", type=int, nargs="+", default=[10], help="of the simulated transfers")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated transfers")
    parser.add_argument(
        "--enter",
        type=_method,
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="a method of your own: past transfers and those asked for in, g2l.forecast.baselines.Said out",
    )
    parser.add_argument("--told", metavar="TARGET", help="also what was expected there, and what came out")
    given = parser.parse_args()
    if bool(given.tables) == bool(given.simulated):
        parser.error("give tables of transfers, or --simulated")
    transfers = read_transfers(*given.tables)
    if given.simulated:
        world = World(targets=given.simulated, budgets=given.budgets)
        transfers = simulated(world, seed=given.seed)
    print(f"{describe()}\n")
    report(transfers, given.enter)
    if given.told:
        report_target(transfers, given.told)


def report(transfers: Sequence[PastTransfer], entered: Sequence[Method] = ()) -> None:
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
    scores = [*(score(method, transfers) for method in entered), *score_forecasts(transfers)]
    for each in sorted(scores, key=_order):
        known = "" if each.kind in ("forecast", "baseline") else f" ({each.kind})"
        figures = (
            _shown(each.error, 100, 2),
            _shown(each.coverage, 100, 0),
            _shown(each.tau, 1, 2),
            _shown(each.regret, 100, 2),
        )
        print(f"| {each.method}{known} | {' | '.join(figures)} |")
    print()
    for knowing, asked in (("", before_any_training(transfers)), (", scratch known", transfers)):
        budgets = score_budgets(asked)
        if budgets is None:
            print(
                "Of the labels an accuracy needs nothing can be said: too few targets have several budgets."
            )
            return
        print(
            f"Labels a class for an accuracy{knowing}: off by {_shown(budgets.error, 1, 2)} doublings, "
            f"{_shown(budgets.coverage, 100, 0)} % in the 90 % interval."
        )


def report_target(transfers: Sequence[PastTransfer], target: str) -> None:
    """Print what is told of each transfer on a target from the others, and what it came to."""
    asked = [record for record in transfers if record.target_id == target]
    print(f"\n| on {target} | before any training | scratch known | came out |\n|---|---|---|---|")
    for known, knowing, record in zip(before_any_training(asked), asked, asked, strict=True):
        expected = " | ".join(_expected(each, transfers) for each in (known, knowing))
        print(f"| {record.source.kin} | {expected} | {100 * record.accuracy:.1f} |")


def _expected(asked: PastTransfer, transfers: Sequence[PastTransfer]) -> str:
    made = forecast(
        [asked.source], transfers, target_id=asked.target_id, label_budget=asked.label_budget
    ).sources[0]
    return (
        "-"
        if made.value is None
        else f"{100 * made.value:.1f} ({100 * made.low:.0f} to {100 * made.high:.0f})"
    )


def _method(word: str) -> Method:
    try:
        return Method(word, "forecast", pkgutil.resolve_name(word))
    except (ImportError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{word} is not there: {error}") from None


def _order(found: Score) -> int:
    return ["forecast", "baseline", "scratch known", "without labels", "oracle"].index(found.kind)


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
