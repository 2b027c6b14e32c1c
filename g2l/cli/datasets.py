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
    images: Annotated[str, typer.Argument(metavar="IMAGES", help="An archive, a folder, or a URI.")],
    name: Name = None,
    wait: Wait = True,
) -> None:
    """Take images in; a folder a class gives labels."""
    with reporting() as reporter:
        job = upload(session.client, images, name, reporter, label=Path(images).name)
    finish(session, job, wait_for_it=wait)
