"""Small plots as inline SVG: intervals, points and lines. No script, no file beside the page."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

WIDTH, ROW, RIGHT = 760, 22, 20  # pixels
LETTER, LONGEST = 6.7, 56  # pixels of one of a name; letters of the longest that is shown whole
HEIGHT, BOTTOM, TOP = 320, 40, 12
# Okabe and Ito's colours, which the colour-blind tell apart too; beyond them the dashes differ.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "currentColor", "#7f7f7f")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
_TICKS = 5

Point = tuple[float, float]


def intervals(
    rows: Sequence[tuple[str, float, float | None, float | None]], *, title: str, zero: bool = False
) -> str:
    """A dot and its interval for each row, below one axis.

    Args:
        rows: name, value, and the ends of the interval where there is one.
        title: what the axis counts; also the plot's description.
        zero: whether a line marks 0.
    """
    values = [x for _, *numbers in rows for x in numbers if x is not None] + ([0.0] if zero else [])
    low, high = _span(values)
    height = TOP + ROW * len(rows) + BOTTOM
    left = 16 + LETTER * max((len(_short(name)) for name, *_ in rows), default=0)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (WIDTH - left - RIGHT)

    parts = [_grid_x(low, high, x, bottom=height - BOTTOM, title=title)]
    if zero:
        parts.append(
            f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>'
        )
    for number, (name, value, start, end) in enumerate(rows):
        y = TOP + ROW * (number + 0.5)
        parts.append(
            f'<text x="{left - 8:.0f}" y="{y + 4:.1f}" text-anchor="end">{escape(_short(name))}</text>'
        )
        if start is not None and end is not None:
            parts.append(
                f'<line class="span" x1="{x(start):.1f}" x2="{x(end):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
        parts.append(f'<circle class="dot" cx="{x(value):.1f}" cy="{y:.1f}" r="4"/>')
    return _figure(parts, height, title)


def scatter(series: Mapping[str, Sequence[Point]], *, x_title: str, y_title: str) -> str:
    """Points in the colour of their series."""
    marks = [
        f'<circle cx="{{x}}" cy="{{y}}" r="3" fill="{_colour(number)}" fill-opacity="0.7"/>'
        for number in range(len(series))
    ]
    return _plot(
        series,
        lambda number, points: "".join(marks[number].format(x=f"{x:.1f}", y=f"{y:.1f}") for x, y in points),
        x_title=x_title,
        y_title=y_title,
    )


def lines(series: Mapping[str, Sequence[Point]], *, x_title: str, y_title: str) -> str:
    """A line for each series, through its points in order."""

    def draw(number: int, points: Sequence[Point]) -> str:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        return f'<polyline fill="none" {_stroke(number)} points="{path}"/>'

    return _plot(series, draw, x_title=x_title, y_title=y_title)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, about five."""
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [round(step * n, 12) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _plot(
    series: Mapping[str, Sequence[Point]],
    draw: Callable[[int, Sequence[Point]], str],
    *,
    x_title: str,
    y_title: str,
) -> str:
    every = [point for points in series.values() for point in points]
    (left, right), (low, high) = _span([x for x, _ in every]), _span([y for _, y in every])
    margin, bottom = 60, HEIGHT - BOTTOM

    def x(value: float) -> float:
        return margin + (value - left) / (right - left) * (WIDTH - margin - RIGHT)

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - TOP)

    parts = [_grid_x(left, right, x, bottom=bottom, title=x_title)]
    for tick in ticks(low, high):
        parts.append(
            f'<line class="grid" x1="{margin}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        )
        parts.append(f'<text x="{margin - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    turned = f'transform="translate(14 {bottom / 2:.0f}) rotate(-90)" text-anchor="middle"'
    parts.append(f"<text {turned}>{escape(y_title)}</text>")
    for number, points in enumerate(series.values()):
        parts.append(draw(number, [(x(a), y(b)) for a, b in points]))
    return _figure(parts, HEIGHT, f"{y_title} by {x_title}") + _legend(list(series))


def _legend(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><svg width="22" height="10" aria-hidden="true"><line x1="0" x2="22" y1="5" y2="5" '
        f'stroke-width="3" {_stroke(number)}/></svg> {escape(name)}</li>'
        for number, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'


def _grid_x(low: float, high: float, x: Callable[[float], float], *, bottom: float, title: str) -> str:
    parts = []
    for tick in ticks(low, high):
        parts.append(_rule("grid", (x(tick), TOP), (x(tick), bottom)))
        parts.append(f'<text x="{x(tick):.1f}" y="{bottom + 15}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{WIDTH / 2:.0f}" y="{bottom + 33}" text-anchor="middle">{escape(title)}</text>')
    return "".join(parts)


def _figure(parts: Sequence[str], height: float, title: str) -> str:
    about = f'viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}"'
    return f"<svg {about}>{''.join(parts)}</svg>"


def _rule(kind: str, start: Point, end: Point) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The values' range with a margin; never empty."""
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _stroke(number: int) -> str:
    dash = DASHES[number // len(COLOURS) % len(DASHES)]
    return f'stroke="{_colour(number)}" stroke-dasharray="{dash}"'


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
