"""The tables of a study of transfers in Markdown, from the files of one or several runs of it.

Run: python -m benchmarks.transfer_tables TRANSFERS.parquet… --chosen-on rsscn7 dtd10 trashnet
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from g2l.studies import svg
from g2l.studies.comparison import Difference, differences, mean_accuracies
from g2l.studies.intervals import Interval
from g2l.studies.runs import Run, in_order, read_runs

STYLE = (
    "svg { background: #fff; font: 12px sans-serif; fill: #222; } "
    ".grid { stroke: #ddd; } .zero { stroke: #888; stroke-dasharray: 4 3; } "
    ".span { stroke: #0072b2; stroke-width: 2; } .dot { fill: #0072b2; }"
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="TRANSFERS.parquet")
    parser.add_argument("--chosen-on", nargs="*", default=[], help="targets that recipes were chosen on")
    parser.add_argument(
        "--against", nargs="+", default=["human labels"], help="sources that the others are compared with"
    )
    parser.add_argument("--plot", type=Path, help="an SVG of the points ahead of the first of them")
    given = parser.parse_args()
    runs = [run for path in given.files for run in read_runs(path)]
    reported = [run for run in runs if run.target not in given.chosen_on]
    print(f"{len(runs)} transfers of {len({run.source for run in runs})} sources.\n")
    print(accuracies(runs, given.chosen_on))
    for baseline in given.against:
        print(f"\nPoints ahead of {baseline}, on the targets that only report:\n")
        print(ahead(differences(reported, baseline)))
    if given.plot:
        found = [row for row in differences(reported, given.against[0]) if row.target is None]
        given.plot.write_text(plot(found, f"points ahead of {given.against[0]}"))


def accuracies(runs: Sequence[Run], chosen_on: Sequence[str]) -> str:
    """Sources by targets, in %; then means over all and over those that only report, and the transfers."""
    targets = in_order(run.target for run in runs)
    reporting = [name for name in targets if name not in chosen_on]
    each = {(mean.source, mean.target): mean.accuracy.value for mean in mean_accuracies(runs)}
    rows = [
        [
            source,
            *(_percent(each.get((source, target))) for target in targets),
            *(_percent(_mean(each, source, names)) for names in (targets, reporting)),
            str(sum(run.source == source for run in runs)),
        ]
        for source in in_order(run.source for run in runs)
    ]
    marked = [f"*{name}*" if name in chosen_on else name for name in targets]
    return _table(["source", *marked, "mean of all", "of those that report", "transfers"], rows)


def ahead(found: Sequence[Difference]) -> str:
    """A row a source, best first: points, the targets it is ahead on, pairs."""
    whole = sorted((row for row in found if row.target is None), key=lambda row: -row.difference.value)
    return _table(
        ["source", "points", "ahead on", "pairs"],
        [
            [row.source, _points(row.difference), f"{row.wins} of {row.n_targets}", str(row.n_pairs)]
            for row in whole
        ],
    )


def plot(found: Sequence[Difference], title: str) -> str:
    """An SVG that stands alone."""
    best_first = sorted(found, key=lambda row: -row.difference.value)
    rows = [(row.source, *_in_points(row.difference)) for row in best_first]
    start, rest = svg.intervals(rows, title=title, zero=True).split(">", 1)
    return f'{start} xmlns="http://www.w3.org/2000/svg"><style>{STYLE}</style>{rest}\n'


def _mean(each: dict[tuple[str, str | None], float], source: str, targets: Sequence[str]) -> float | None:
    """None where a target is missing: a mean of others would not compare."""
    known = [each[source, target] for target in targets if (source, target) in each]
    return sum(known) / len(known) if known and len(known) == len(targets) else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _points(interval: Interval) -> str:
    value, low, high = _in_points(interval)
    return f"{value:+.1f}" if low is None or high is None else f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def _in_points(interval: Interval) -> tuple[float, float | None, float | None]:
    low, high = interval.low, interval.high
    return (
        100 * interval.value,
        None if low is None else 100 * low,
        None if high is None else 100 * high,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
