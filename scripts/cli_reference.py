"""Write docs/cli.md from the commands themselves: `make generate`.

`--check` writes nothing and fails if the page is not up to date.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from g2l.cli.examples import EXAMPLES
from g2l.cli.main import EPILOG, build

PAGE = Path(__file__).parents[1] / "docs/cli.md"
HEAD = """# The command line

<!-- Written by scripts/cli_reference.py from the commands; change those, then `make generate`. -->

`g2l run` does the whole job; the other commands do its parts. {epilog}

Every command that talks to a service takes these options:

{common}
"""
COMMON = ("--json", "--url", "--api-key")


def written() -> str:
    """The page."""
    commands = dict(_commands(typer.main.get_command(build()), ()))
    common = [param for param in commands["run"].params if param.opts[0] in COMMON]
    page = HEAD.format(epilog=EPILOG, common=_table(common))
    return page + "".join(_section(name, command) for name, command in commands.items())


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _section(name: str, command: Any) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    options = [option for option in options if option.opts[0] not in COMMON]
    usage = " ".join(["g2l", name, *(["[OPTIONS]"] if options else []), *map(_metavar, arguments)])
    about = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    parts = [f"\n## g2l {name}\n\n{about}\n\n```\n{usage}\n```\n"]
    if name in EXAMPLES:
        parts.append(f"\nExample: `{EXAMPLES[name]}`\n")
    if arguments or options:
        parts.append(f"\n{_table([*arguments, *options])}\n")
    return "".join(parts)


def _table(params: list[Any]) -> str:
    rows = [f"| {_cell(param)} | {_help(param)} |" for param in params]
    return "\n".join(["| | |", "|---|---|", *rows])


def _help(param: Any) -> str:
    return " ".join((param.help or "").split()).replace("|", r"\|")


def _cell(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{_metavar(param)}`"
    names = ", ".join(f"`{name}`" for name in [*param.opts, *param.secondary_opts])
    takes = "" if param.is_flag else f" {_metavar(param)}"
    known = f" (or `{param.envvar}`)" if param.envvar else ""
    return f"{names}{takes}{known}"


def _metavar(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def main() -> None:
    """Write the page, or check it."""
    text = written()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PAGE.exists() and PAGE.read_text() == text else "docs/cli.md is not up to date")
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
