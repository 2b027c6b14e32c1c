"""What the commands print: tables for people, plain lines for pipes, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from g2l.client.values import JsonObject, Problem

LONGEST_FIELD = 400  # characters
_INTERVAL = {"value", "low", "high", "level"}


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_line(text: str) -> None:
    """A line on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line for the person at the terminal, on stderr."""
    sys.stderr.write(text + "\n")


def print_rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """A table; without a terminal, one line a row with tabs between its cells and no heading."""
    cells = [[_shown(row.get(column)) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        for line in cells:
            print_line("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "id")  # whole, to be copied
    for line in cells:
        table.add_row(*map(Text, line))  # a name in brackets is no markup
    Console().print(table)


def print_fields(fields: Mapping[str, Any]) -> None:
    """Names and values, one a line."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        text = _shown(value)
        cut = f"{text[:LONGEST_FIELD]} … (--json shows all)" if len(text) > LONGEST_FIELD else text
        print_line(f"{name:<{width}}  {cut}")


def print_problem(problem: Problem, *, as_json: bool, hint: str | None = None) -> None:
    """Why a command fails: a problem object on stdout for programs, else words on stderr."""
    if as_json:
        print_json(problem.to_json())
    else:
        note(f"error: {problem}")
    if hint is not None:
        note(f"hint: {hint}")


def interval(value: JsonObject | None) -> str:
    """An estimate with its interval, in percent."""
    if not value or value.get("value") is None:
        return "unknown"
    return f"{value['value']:.1%} ({value['low']:.1%} to {value['high']:.1%} at {value['level']:.0%})"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict) and set(value) == _INTERVAL:
        return interval(value)
    if isinstance(value, dict) and value and all(map(_is_figure, value.values())):
        return ", ".join(f"{name} {_shown(figure)}" for name, figure in value.items())
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _is_figure(value: object) -> bool:
    return value is None or isinstance(value, float)
