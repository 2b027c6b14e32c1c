"""The tables of a study of transfers in Markdown, from the files of one or several runs of it.

Run: python -m benchmarks.transfer_tables TRANSFERS.parquet… --chosen-on rsscn7 dtd10 trashnet
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from g2l.studies import svg
from g2l.studies.comparison import Difference, differences, mean_accuracies
from g2l.studies.intervals import Interval
from g2l.studies.runs import Run, in_order, label_budgets, read_rows, read_runs

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
    parser.add_argument(
        "--plot", type=Path, help="an SVG of the points ahead of the first of them, with the fewest labels"
    )
    parser.add_argument(
        "--knobs", type=Path, help="a folder for such plots, one a knob: sources called `KNOB: VALUE`"
    )
    parser.add_argument(
        "--by-recipe", action="store_true", help="a row each for the rates, and the probe, of a source"
    )
    given = parser.parse_args()
    runs = runs_by_recipe(*given.files) if given.by_recipe else read_runs(*given.files)
    print(f"{len(runs)} transfers of {len({run.source for run in runs})} sources.")
    for budget in label_budgets(runs):
        here = [run for run in runs if run.label_budget == budget]
        print(f"\nWith {budget or 'all'} labelled images a class:\n\n{accuracies(here, given.chosen_on)}")
        for baseline in given.against:
            print(f"\nPoints ahead of {baseline}, on the targets that only report:\n")
            print(ahead(_on_all(here, given.chosen_on, baseline)))
    of_plots = [run for run in runs if run.label_budget == label_budgets(runs)[0]]
    found = _on_all(of_plots, given.chosen_on, given.against[0])
    title = f"points ahead of {given.against[0]}"
    if given.plot:
        given.plot.write_text(plot(_best_first(found), title))
    if given.knobs:
        given.knobs.mkdir(parents=True, exist_ok=True)
        for knob in in_order(row.source.split(": ")[0] for row in found if ": " in row.source):
            rows = sorted((row for row in found if row.source.startswith(f"{knob}: ")), key=_by_numbers)
            (given.knobs / f"{knob}.svg").write_text(plot(rows, title))


def runs_by_recipe(*files: Path) -> list[Run]:
    """The runs, with the learning rate after the source's name, or that it was frozen."""
    ways = [
        "probed" if row["method"] == "linear-probe" else f"{row['learning_rate']:g}"
        for row in read_rows(*files)
    ]
    return [
        replace(run, source=f"{run.source} ({way})") for run, way in zip(read_runs(*files), ways, strict=True)
    ]


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
    return table(["source", *marked, "mean of all", "of those that report", "transfers"], rows)


def ahead(found: Sequence[Difference]) -> str:
    """A row a source, best first: points, the targets it is ahead on, pairs."""
    return table(
        ["source", "points", "ahead on", "pairs"],
        [
            [row.source, in_words(row.difference), f"{row.wins} of {row.n_targets}", str(row.n_pairs)]
            for row in _best_first(found)
        ],
    )


def plot(found: Sequence[Difference], title: str) -> str:
    """An SVG that stands alone."""
    rows = [(row.source, *_in_points(row.difference)) for row in found]
    start, rest = svg.intervals(rows, title=title, zero=True).split(">", 1)
    return f'{start} xmlns="http://www.w3.org/2000/svg"><style>{STYLE}</style>{rest}\n'


def _on_all(runs: Sequence[Run], chosen_on: Sequence[str], baseline: str) -> list[Difference]:
    """Over the targets that only report together."""
    reported = [run for run in runs if run.target not in chosen_on]
    return [row for row in differences(reported, baseline) if row.target is None]


def _best_first(found: Sequence[Difference]) -> list[Difference]:
    return sorted(found, key=lambda row: -row.difference.value)


def _by_numbers(row: Difference) -> list[str]:
    """K: 32 before K: 128."""
    return [part.zfill(9) if part.isdigit() else part for part in re.split(r"(\d+)", row.source)]


def _mean(each: dict[tuple[str, str | None], float], source: str, targets: Sequence[str]) -> float | None:
    """None where a target is missing: a mean of others would not compare."""
    known = [each[source, target] for target in targets if (source, target) in each]
    return sum(known) / len(known) if known and len(known) == len(targets) else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def in_words(interval: Interval) -> str:
    """In points, with its ends where it has any."""
    value, low, high = _in_points(interval)
    return f"{value:+.1f}" if low is None or high is None else f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def _in_points(interval: Interval) -> tuple[float, float | None, float | None]:
    low, high = interval.low, interval.high
    return (
        100 * interval.value,
        None if low is None else 100 * low,
        None if high is None else 100 * high,
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
