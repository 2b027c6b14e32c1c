"""What more labels, images, training and pixels are worth, of all recorded transfers: a row a lever.

Run: python -m benchmarks.frontier [--plot docs/results/frontier.svg]

Points are means of paired differences (target and seeds alike) on the six targets that chose nothing, with
95 % intervals over targets; then the targets on which it is ahead.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.transfer_tables import in_words, plot, table
from g2l.studies.comparison import Difference, differences
from g2l.studies.runs import Run, read_runs

RESULTS = Path("docs/results")
CHOSEN_ON = ("rsscn7", "dtd10", "trashnet", "spoken_digits", "omniglot")
SOURCES = ("human labels", "G2L near, K 64, soft")
OWN = ("own-seed5", "own-seed6")
NAMED = ("named-seed5", "named-seed5-more", "named-seed6")
FOUR_SEEDS = ("seed0", "seed1", "seed2", "seed3")


@dataclass(frozen=True)
class Arm:
    """Transfers of two sources.

    Attributes:
        files: `transfers-NAME.parquet` of the results.
        sources: what human labels and soft G2L are called there.
        label_budget: images a class.
    """

    files: tuple[str, ...]
    sources: tuple[str, str] = SOURCES
    label_budget: int = 10


@dataclass(frozen=True)
class Lever:
    """Something more, and the same without it."""

    name: str
    more: Arm
    less: Arm


LEVERS = (
    Lever("pretraining at all", Arm(FOUR_SEEDS), Arm(FOUR_SEEDS, ("scratch", "scratch"))),
    *(
        Lever(
            f"{more} labels a class, not {less}",
            Arm(("budgets",), label_budget=more),
            Arm(("budgets",), label_budget=less),
        )
        for less, more in ((5, 10), (10, 20), (20, 50))
    ),
    Lever(
        "four times the pool, as long",
        Arm(("pools",)),
        Arm(("pools",), ("human labels of a quarter", "G2L near, K 64, soft, of a quarter")),
    ),
    Lever(
        "three times the training",
        Arm(("longer-seed2", "longer-seed3"), ("human labels, 18 epochs", "G2L near, K 64, soft, 18 epochs")),
        Arm(("seed2", "seed3")),
    ),
    Lever("transfers at 64 px, not 32", Arm(("budgets",)), Arm(("32px",))),
    Lever(
        "a second stage, on the target's kind",
        Arm(OWN, ("human labels, then G2L on own images", "G2L, then G2L on own images")),
        Arm(OWN),
    ),
    Lever(
        "a second stage, by the target's own classes",
        Arm(NAMED, ("human labels, then by the target's classes", "G2L, then by the target's classes")),
        Arm(OWN),
    ),
    Lever(
        "the embedder itself, frozen",
        Arm(("seed0", "seed1-more", "seed2-more", "seed3-more"), ("lite0, frozen", "lite0, frozen")),
        Arm(FOUR_SEEDS),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", type=Path, help="an SVG of the same")
    given = parser.parse_args()
    worth = {lever.name: [difference(lever, which) for which in range(len(SOURCES))] for lever in LEVERS}
    rows = [[name, *(_words(found) for found in pair)] for name, pair in worth.items()]
    print(table(["what", "to human labels", "to soft G2L"], rows))
    if given.plot:
        named = [
            replace(found, source=f"{name}: {short}")
            for name, pair in worth.items()
            for short, found in zip(("human", "G2L"), pair, strict=True)
        ]
        given.plot.write_text(plot(named, "points of accuracy that it is worth"))


def difference(lever: Lever, which: int) -> Difference:
    """How much more accurate a lever makes one of the sources, on the mean over targets."""
    runs = [*_runs(lever.more, which, "more"), *_runs(lever.less, which, "less")]
    return next(row for row in differences(runs, "less") if row.target is None)


def _runs(arm: Arm, which: int, name: str) -> list[Run]:
    wanted = (arm.sources[which], arm.label_budget)
    return [
        replace(run, source=name, label_budget=None)
        for run in read_runs(*(RESULTS / f"transfers-{file}.parquet" for file in arm.files))
        if (run.source, run.label_budget) == wanted and run.target not in CHOSEN_ON
    ]


def _words(found: Difference) -> str:
    return f"{in_words(found.difference)}, {found.wins} of {found.n_targets}"


if __name__ == "__main__":
    main()
