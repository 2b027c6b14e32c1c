"""The commands that every kind of resource has: list, show, delete."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from g2l.cli.output import print_fields, print_json, print_line, print_rows
from g2l.cli.session import Session, command

if TYPE_CHECKING:
    from g2l.client.sync.client import Client
    from g2l.client.sync.resources import Resources

Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")]
SHOWN, LARGEST_PAGE = 50, 200


def resource_group(
    title: str,
    resources: Callable[["Client"], "Resources[Any]"],
    *,
    columns: Sequence[str],
    filters: dict[str, str] | None = None,
    own_show: bool = False,
) -> typer.Typer:
    """A group with list, show and delete; the caller adds what the kind has of its own.

    Args:
        title: the group's help.
        resources: which resources of the client these are.
        columns: the fields that a list shows.
        filters: of the list.
        own_show: the kind's `show` takes more than an id; the caller adds it.
    """
    group = typer.Typer(help=title, no_args_is_help=True)

    @command(group, "list")
    def list_(session: Session, limit: Limit = SHOWN) -> None:
        """List them, newest first."""
        found = resources(session.client).list(**(filters or {}), limit=min(limit, LARGEST_PAGE))
        rows = [each.body for each in islice(found, limit)]
        if session.as_json:
            print_json({"items": rows})
        else:
            print_rows(columns, rows)

    if not own_show:

        @command(group, "show")
        def show(session: Session, id_: Annotated[str, typer.Argument(metavar="ID")]) -> None:
            """Show one."""
            body = resources(session.client).get(id_).body
            session.show(body, lambda: print_fields(body))

    @command(group, "delete")
    def delete(session: Session, ids: Annotated[list[str], typer.Argument(metavar="ID…")]) -> None:
        """Delete one or more; what others need stays."""
        for id_ in ids:
            resources(session.client).delete(id_)
        session.show({"deleted": ids}, lambda: print_line(f"deleted {' '.join(ids)}"))

    return group
