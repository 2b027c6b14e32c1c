"""The `g2l` command."""

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from g2l.cli import (
    anchors,
    datasets,
    embedders,
    forecasts,
    jobs,
    labelings,
    models,
    pretraining,
    run,
    studies,
    transfers,
)
from g2l.cli.examples import show_examples
from g2l.cli.output import print_line
from g2l.cli.session import command

OPERATORS = "g2l.commands"  # entry points: `typer.Typer`s whose commands join these
CHECKOUT = Path(__file__).parents[2]  # where the service's code lies too, if this is no installed wheel
EPILOG = (
    "Exit codes: 0 done; 1 the service refused, or the job failed; 2 wrong usage; "
    "3 nobody answers at the service's address; 130 interrupted."
)


def build() -> typer.Typer:
    """The command with all its groups; what serves and keeps the database joins where it is installed."""
    app = typer.Typer(
        name="g2l",
        help="Pseudo-labels by geometry: your unlabelled images in, pretrained weights out.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    command(app, "run")(run.run)
    for name, group in (
        ("datasets", datasets.group),
        ("embedders", embedders.group),
        ("anchors", anchors.group),
        ("label", labelings.group),
        ("pretrain", pretraining.group),
        ("transfer", transfers.group),
        ("forecast", forecasts.group),
        ("study", studies.group),
        ("models", models.group),
        ("jobs", jobs.group),
    ):
        app.add_typer(group, name=name)
    for commands in _operators():
        app.add_typer(commands)
    show_examples(app)
    return app


def main() -> None:
    """Run the command line."""
    build()()


def _root(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=lambda v: _version(v)),
    ] = False,
) -> None:
    pass


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_line(f"g2l {version('g2l')}")
        raise typer.Exit


def _operators() -> list[typer.Typer]:
    """The operators' commands; their modules import what is heavy inside their functions."""
    if (CHECKOUT / "app" / "commands" / "cli.py").is_file():
        if str(CHECKOUT) not in sys.path:  # an editable install puts only g2l there
            sys.path.append(str(CHECKOUT))
        return [importlib.import_module("app.commands.cli").commands]
    from importlib.metadata import entry_points  # a tenth of the time that `g2l --help` takes

    return [entry.load() for entry in entry_points(group=OPERATORS)]
