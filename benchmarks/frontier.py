"""What more labels, images, training and pixels are worth, of all recorded transfers: a row a lever.

Run: python -m benchmarks.frontier [--plot docs/results/frontier.svg]

Points are means of paired differences (target and seeds alike) on the six targets that
chose nothing, with 95 % intervals over targets; then the targets on which it is ahead.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.transfer_tables import in_words, plot, table
from g2l.studies.comparison import Difference, differences
from g2l.studies.runs import Run, read_runs

RESULTS = Path("docs/results")
CHOSEN_ON = ("rsscn7", "dtd10", "trashnet", "spoken_digits", "omniglot")
HUMAN, G2L = "human labels", "G2L near, K 64, soft"
FOUR_SEEDS = ("seed0", "seed1", "seed2", "seed3")


@dataclass(frozen=True)
class Arm:
    """Transfers of one source.

    Attributes:
        files: `transfers-NAME.parquet` of the results.
        source: its name there; `{}` stands for human labels or G2L.
        label_budget: images a class.
    """

    files: tuple[str, ...]
    source: str = "{}"
    label_budget: int = 10


@dataclass(frozen=True)
class Lever:
    """Something more, and the same without it."""

    name: str
    more: Arm
    less: Arm


LEVERS = (
    Lever("pretraining at all", Arm(FOUR_SEEDS), Arm(FOUR_SEEDS, "scratch")),
    *(
        Lever(
            f"{more} labels a class, not {less}",
            Arm(("budgets",), label_budget=more),
            Arm(("budgets",), label_budget=less),
        )
        for less, more in ((5, 10), (10, 20), (20, 50))
    ),
    Lever("four times the pool, as long", Arm(("pools",)), Arm(("pools",), "{} of a quarter")),
    Lever(
        "three times the training",
        Arm(("longer-seed2", "longer-seed3"), "{}, 18 epochs"),
        Arm(("seed2", "seed3")),
    ),
    Lever("transfers at 64 px, not 32", Arm(("budgets",)), Arm(("32px",))),
    Lever("the embedder itself, frozen", Arm(("seed0",), "lite0, frozen"), Arm(("seed0",))),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", type=Path, help="an SVG of the same")
    given = parser.parse_args()
    worth = {lever.name: [difference(lever, source) for source in (HUMAN, G2L)] for lever in LEVERS}
    rows = [[name, *(_words(found) for found in pair)] for name, pair in worth.items()]
    print(table(["what", "to human labels", "to soft G2L"], rows))
    if given.plot:
        named = [
            replace(found, source=f"{name}: {short}")
            for name, pair in worth.items()
            for short, found in zip(("human", "G2L"), pair, strict=True)
        ]
        given.plot.write_text(plot(named, "points of accuracy that it is worth"))


def difference(lever: Lever, source: str) -> Difference:
    """How much more accurate a source is by a lever, on the mean over targets."""
    runs = [*_runs(lever.more, source, "more"), *_runs(lever.less, source, "less")]
    return next(row for row in differences(runs, "less") if row.target is None)


def _runs(arm: Arm, source: str, name: str) -> list[Run]:
    wanted = _named(arm.source, source)
    return [
        replace(run, source=name, label_budget=None)
        for run in read_runs(*(RESULTS / f"transfers-{file}.parquet" for file in arm.files))
        if (run.source, run.label_budget) == (wanted, arm.label_budget) and run.target not in CHOSEN_ON
    ]


def _named(pattern: str, source: str) -> str:
    """G2L's own quarter is called otherwise: `G2L near, K 64, soft, of a quarter`."""
    return pattern.format(f"{source}," if source == G2L and pattern.endswith("quarter") else source)


def _words(found: Difference) -> str:
    return f"{in_words(found.difference)}, {found.wins} of {found.n_targets}"


if __name__ == "__main__":
    main()
