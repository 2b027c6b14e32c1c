"""The page of a study: whole in itself, and proof against names."""

import re
from html.parser import HTMLParser

import pytest

from g2l.forecast.scoring import Score
from g2l.studies import svg
from g2l.studies.comparison import differences, mean_accuracies
from g2l.studies.intervals import Interval
from g2l.studies.page import Content, Gallery, Outcome, page
from g2l.studies.runs import Run

NASTY = "<script>alert('x')</script> & \"co\""


class Reader(HTMLParser):
    """Notes tags, attributes and text, and that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def content() -> Content:
    runs = [
        Run(source, target, accuracy + 0.01 * seed, seed=seed, label_budget=budget)
        for source, accuracy in (("human", 0.5), (NASTY, 0.625))
        for target in ("tiles", NASTY)
        for seed in (0, 1)
        for budget in (5, 20)
    ]
    return Content(
        title=NASTY,
        facts={"baseline": NASTY},
        means=mean_accuracies(runs),
        differences=differences(runs, "human"),
        divergences={NASTY: [(0.1, 40.0), (0.2, 50.0)]},
        curves={NASTY: [(1.0, 2.5), (2.0, 1.5)]},
        outcomes=[Outcome(NASTY, "tiles", None, Interval(0.5, 0.25, 0.75, 0.9), 0.625, calibrated=False)],
        scores=[Score("knn alone", "baseline", Interval(0.0625, 0.05, 0.075, 0.9), None, None, None)],
        galleries=[Gallery(NASTY, "2 classes", [(NASTY, 12, [b"\xff\xd8jpeg"])])],
        missing=[NASTY],
    )


def test_a_page_shows_figures_and_runs_nothing() -> None:
    found = Reader(page(content()))
    assert found.open == []
    assert "script" not in found.tags
    assert all(link.startswith("data:image/jpeg;base64,") for link in found.links)
    assert len(found.links) == 1
    words = "".join(found.words)
    assert NASTY in words
    assert "+12.5" in words  # points ahead
    assert "2 of 2" in words
    assert "25.0 to 75.0" in words
    assert found.tags.count("svg") >= 5  # two budgets' intervals, budgets, divergences, curves


def test_what_is_empty_is_left_out() -> None:
    bare = Content("s", {}, [], [], {}, {}, [], [], [], [])
    assert "<h2>" not in page(bare)


@pytest.mark.parametrize("values", [(0.0, 1.0), (-3.0, 1e6), (0.499, 0.501), (7.0, 7.0)])
def test_what_is_drawn_lies_inside_the_picture(values: tuple[float, float]) -> None:
    drawn = svg.intervals([("a", values[0], None, None), ("b", *values, values[1])], title="t", zero=True)
    drawn += svg.lines({"a": [(values[0], values[1]), (values[1], values[0])]}, x_title="x", y_title="y")
    places = [float(number) for number in re.findall(r'c?[xy][12]?="(-?[\d.]+)"', drawn)]
    assert places
    assert all(0 <= place <= svg.WIDTH for place in places)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (12.3, 98.7), (-0.02, 0.03), (0.0, 40_000.0)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = svg.ticks(low, high)
    assert 3 <= len(ticks) <= 7
    assert low <= ticks[0] < ticks[-1] <= high
    assert all(len(f"{abs(tick):g}".replace(".", "").strip("0")) <= 2 for tick in ticks)


def test_a_plot_of_no_intervals_is_an_empty_one() -> None:
    assert svg.intervals([], title="points", zero=True).startswith("<svg ")
