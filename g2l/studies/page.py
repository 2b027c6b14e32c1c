"""A study as one page: HTML that needs nothing beside itself."""

import base64
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

from g2l.forecast.baselines import Kind
from g2l.forecast.scoring import Score
from g2l.studies import svg
from g2l.studies.comparison import Difference, Mean
from g2l.studies.intervals import Interval

Row = TypeVar("Row", Mean, Difference)
_STYLE = """
:root { color-scheme: light dark; --soft: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; }
tr { border-bottom: 1px solid var(--soft); }
th:first-child, td:first-child { text-align: left; }
small { opacity: .7; }
svg { width: 100%; height: auto; font-size: 12px; } svg text { fill: currentColor; }
.grid { stroke: var(--soft); } .zero { stroke: currentColor; } .span { stroke: #0072B2; stroke-width: 2; }
.dot { fill: #0072B2; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; font-size: 13px; }
.legend svg { width: 22px; }
.class { display: flex; align-items: center; gap: 4px; margin: 4px 0; }
.class b { width: 16rem; overflow: hidden; text-overflow: ellipsis; font-weight: normal; }
.class img { width: 48px; height: 48px; object-fit: cover; }
dt { float: left; clear: left; width: 11rem; opacity: .7; } dd { margin-left: 11rem; }
"""


@dataclass(frozen=True)
class Gallery:
    """What the labels of a source look like.

    Attributes:
        title: whose labels.
        about: a sentence on them.
        classes: name, number of images, and JPEGs of some, of the largest classes.
    """

    title: str
    about: str
    classes: Sequence[tuple[str, int, Sequence[bytes]]]


@dataclass(frozen=True)
class Outcome:
    """What was expected of a source on a target by all transfers on other targets, and what came out.

    Attributes:
        source: its name.
        target: its name.
        label_budget: images a class; None for all.
        expected: accuracy with its interval; None if nothing is known.
        accuracy: the mean measured.
        calibrated: whether there were targets enough for the interval to mean something.
    """

    source: str
    target: str
    label_budget: int | None
    expected: Interval | None
    accuracy: float
    calibrated: bool


@dataclass(frozen=True)
class Content:
    """What the page shows.

    Attributes:
        title: of the page.
        facts: what was compared, and on what, by name.
        means: accuracies.
        differences: from the baseline.
        divergences: (divergence, error) of each transfer, by target.
        curves: (epoch, training loss) of the transfers' mean, by source.
        outcomes: forecasts beside what came out.
        scores: how good forecasts are on this study's targets; empty where they are too few.
        galleries: what the labels look like.
        missing: what was asked for and is not there, in words.
    """

    title: str
    facts: Mapping[str, str]
    means: Sequence[Mean]
    differences: Sequence[Difference]
    divergences: Mapping[str, Sequence[svg.Point]]
    curves: Mapping[str, Sequence[svg.Point]]
    outcomes: Sequence[Outcome]
    scores: Sequence[Score]
    galleries: Sequence[Gallery]
    missing: Sequence[str]


def page(content: Content) -> str:
    """The HTML."""
    sections = [
        _missing(content.missing),
        *_accuracies(content.means),
        *_differences(content.differences),
        _budgets(content.means),
        _divergences(content.divergences),
        _outcomes(content.outcomes),
        _scores(content.scores),
        _curves(content.curves),
        *map(_gallery, content.galleries),
    ]
    title = escape(content.title)
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in content.facts.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1><dl>{facts}</dl>{''.join(filter(None, sections))}</body></html>\n"
    )


def percent(value: float, *, signed: bool = False) -> str:
    """A share in percent, or a difference of shares in points."""
    return f"{100 * value:{'+' if signed else ''}.1f}"


def budget_words(label_budget: int | None) -> str:
    """A label budget in words."""
    return "all labels" if label_budget is None else f"{label_budget} labels a class"


def _missing(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    items = "".join(f"<li>{escape(words)}</li>" for words in missing)
    return f"<h2>Missing</h2><p>The figures below are of what there is.</p><ul>{items}</ul>"


def _accuracies(means: Sequence[Mean]) -> list[str]:
    """A table a budget: sources by targets."""
    sections = []
    for budget, here in _by_budget(means).items():
        targets = list(dict.fromkeys(mean.target for mean in here if mean.target is not None))
        columns: list[str | None] = [None, *targets]
        found = {(mean.source, mean.target): mean.accuracy for mean in here}
        head = "".join(f"<th>{escape(target or 'mean')}</th>" for target in columns)
        rows = "".join(
            f"<tr><td>{escape(source)}</td>"
            + "".join(f"<td>{_interval(found.get((source, target)))}</td>" for target in columns)
            + "</tr>"
            for source in dict.fromkeys(mean.source for mean in here)
        )
        sections.append(
            f"<h2>Accuracy, {budget_words(budget)}</h2>"
            "<p>Percent of the test images, with 95 % intervals over targets and seeds.</p>"
            f'<div class="wide"><table><tr><th>source</th>{head}</tr>{rows}</table></div>'
        )
    return sections


def _differences(differences: Sequence[Difference]) -> list[str]:
    sections = []
    for budget, here in _by_budget(differences).items():
        whole = [row for row in here if row.target is None]
        title = f"Points ahead of {whole[0].baseline}, {budget_words(budget)}"
        plot = svg.intervals(
            [
                (row.source, 100 * row.difference.value, *_in_points(row.difference))
                for row in sorted(whole, key=lambda row: -row.difference.value)
            ],
            title="points",
            zero=True,
        )
        rows = "".join(
            f"<tr><td>{escape(row.source)}</td><td>{_interval(row.difference, signed=True)}</td>"
            f"<td>{row.wins} of {row.n_targets}</td><td>{row.losses}</td><td>{row.n_pairs}</td></tr>"
            for row in whole
        )
        sections.append(
            f"<h2>{escape(title)}</h2><p>Means of paired differences: the same target, labelled images and "
            "seeds. Intervals by drawing targets anew, then the pairs on each.</p>"
            f'{plot}<div class="wide"><table><tr><th>source</th><th>points</th><th>ahead on</th>'
            f"<th>behind on</th><th>pairs</th></tr>{rows}</table></div>"
        )
    return sections


def _budgets(means: Sequence[Mean]) -> str:
    """Accuracy by label budget, where there are several."""
    series: dict[str, list[svg.Point]] = defaultdict(list)
    for mean in means:
        if mean.target is None and mean.label_budget is not None:
            series[mean.source].append((float(mean.label_budget), 100 * mean.accuracy.value))
    if max(map(len, series.values()), default=0) < 2:
        return ""
    plot = svg.lines(series, x_title="labels a class", y_title="accuracy, %")
    return f"<h2>Accuracy by label budget</h2>{plot}"


def _divergences(series: Mapping[str, Sequence[svg.Point]]) -> str:
    if not any(series.values()):
        return ""
    plot = svg.scatter(series, x_title="Jensen-Shannon divergence, pool to target", y_title="error, %")
    return f"<h2>Divergence and error</h2><p>A point a transfer.</p>{plot}"


def _outcomes(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return ""
    rows = "".join(
        f"<tr><td>{escape(row.source)}</td><td>{escape(row.target)}</td><td>{budget_words(row.label_budget)}</td>"
        f"<td>{_interval(row.expected)}{'' if row.calibrated else ' <small>not calibrated</small>'}</td>"
        f"<td>{percent(row.accuracy)}</td></tr>"
        for row in outcomes
    )
    return (
        "<h2>Forecast and outcome</h2><p>Each forecast leaves out all transfers on its target.</p>"
        '<div class="wide"><table><tr><th>source</th><th>target</th><th>budget</th><th>forecast</th>'
        f"<th>outcome</th></tr>{rows}</table></div>"
    )


def _scores(scores: Sequence[Score]) -> str:
    if not scores:
        return ""
    rows = "".join(
        f"<tr><td>{escape(row.method)}{_knowing(row.kind)}</td>"
        f"<td>{_interval(row.error)}</td><td>{_interval(row.coverage)}</td>"
        f"<td>{'-' if row.tau is None else f'{row.tau.value:.2f}'}</td><td>{_interval(row.regret)}</td></tr>"
        for row in scores
    )
    return (
        "<h2>How good forecasts are</h2><p>Each target told from this study's transfers on the others, "
        "with 90 % intervals over targets: points of accuracy that the expected value is off; percent of "
        "transfers in the forecast's interval; weighted Kendall tau of the ranking (1: perfect, 0: chance); "
        "points lost by taking the source ranked first.</p>"
        '<div class="wide"><table><tr><th>method</th><th>error</th><th>in the interval</th><th>tau</th>'
        f"<th>regret</th></tr>{rows}</table></div>"
    )


def _knowing(kind: Kind) -> str:
    """What a method knows beyond a source and some labels of the target."""
    return f" <small>{kind}</small>" if kind in ("oracle", "scratch known") else ""


def _curves(series: Mapping[str, Sequence[svg.Point]]) -> str:
    if not any(series.values()):
        return ""
    plot = svg.lines(series, x_title="epoch of the transfer", y_title="training loss, nats")
    return f"<h2>Learning curves</h2><p>The mean over a source's transfers.</p>{plot}"


def _gallery(gallery: Gallery) -> str:
    rows = "".join(
        f'<div class="class"><b title="{escape(name)}">{escape(name)} <small>{count:,}</small></b>'
        + "".join(
            f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(image).decode()}">'
            for image in images
        )
        + "</div>"
        for name, count, images in gallery.classes
    )
    return f"<h2>Labels of {escape(gallery.title)}</h2><p>{escape(gallery.about)}</p>{rows}"


def _interval(interval: Interval | None, *, signed: bool = False) -> str:
    if interval is None:
        return "-"
    words = percent(interval.value, signed=signed)
    if interval.low is None or interval.high is None:
        return words
    ends = f"{percent(interval.low, signed=signed)} to {percent(interval.high, signed=signed)}"
    return f"{words} <small>{ends}</small>"


def _in_points(interval: Interval) -> tuple[float | None, float | None]:
    low, high = interval.low, interval.high
    return (None, None) if low is None or high is None else (100 * low, 100 * high)


def _by_budget(rows: Sequence[Row]) -> dict[int | None, list[Row]]:
    found: dict[int | None, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.label_budget].append(row)
    return found
