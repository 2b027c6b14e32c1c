"""`g2l datasets`."""

from pathlib import Path
from typing import Annotated

import typer

from g2l.cli.follow import finish, upload
from g2l.cli.groups import resource_group
from g2l.cli.options import Name
from g2l.cli.session import Session, Wait, command
from g2l.client.progress import reporting

group = resource_group(
    "Images that were taken in.",
    lambda client: client.datasets,
    columns=("id", "name", "n_items", "n_rejected", "channels", "created_at"),
)


@command(group, "create")
def create(
    session: Session,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...",
            help="An archive, a folder, or a URI; or several tars or parquet files, shards of one dataset.",
        ),
    ],
    name: Name = None,
    label_by: Annotated[
        str | None,
        typer.Option(help="The column, JSON field or array of the classes, where it has no usual name."),
    ] = None,
    wait: Wait = True,
) -> None:
    """Take images in; a folder a class gives labels."""
    with reporting() as reporter:
        label = Path(images[0]).name if len(images) == 1 else f"{len(images)} files"
        job = upload(session.client, images, name, reporter, label=label, label_by=label_by)
    finish(session, job, wait_for_it=wait)
