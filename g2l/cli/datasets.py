"""`g2l datasets`."""

from pathlib import Path
from typing import Annotated

import typer

from g2l.cli.follow import finish, upload
from g2l.cli.groups import resource_group
from g2l.cli.options import ImageSize, Name, Seed, given
from g2l.cli.output import print_fields, print_line, print_rows
from g2l.cli.session import Session, Wait, command
from g2l.client.progress import reporting
from g2l.client.values import JsonObject

group = resource_group(
    "Images that were taken in.",
    lambda client: client.datasets,
    columns=("id", "name", "n_items", "n_rejected", "channels", "created_at"),
    own_show=True,
)


@command(group, "show")
def show(
    session: Session,
    dataset: Annotated[str, typer.Argument(metavar="ID", help="ds_…")],
    anchor_set: Annotated[
        str | None,
        typer.Option("--anchor-set", metavar="anc_…", help="Say what the dataset is like, by these anchors."),
    ] = None,
) -> None:
    """Show one; with an anchor set, its pseudo-label too."""
    body = session.client.datasets.get(dataset, anchor_set_id=anchor_set).body
    session.show(body, lambda: _print(body))


def _print(body: JsonObject) -> None:
    """The fields, the pseudo-label in words."""
    label = body.get("pseudo_label")
    print_fields({name: value for name, value in body.items() if name != "pseudo_label"})
    if label:
        print_line(f"\nlike {label['label']} (margin {label['margin']:.2f}) under {label['anchor_set_id']}")
        print_rows(("name", "squared_distance"), label["anchors"])


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
    group_by: Annotated[
        str | None,
        typer.Option(
            help="What stays together in a split: 'folder' (that above the image), or a column, field, array."
        ),
    ] = None,
    extends: Annotated[
        str | None,
        typer.Option(metavar="ds_…", help="Add the images to this dataset, as a new version of it."),
    ] = None,
    wait: Wait = True,
) -> None:
    """Take images in; a folder a class gives labels."""
    with reporting() as reporter:
        label = Path(images[0]).name if len(images) == 1 else f"{len(images)} files"
        options = {"label_by": label_by, "group_by": group_by, "extends": extends}
        job = upload(session.client, images, name, reporter, label=label, **options)
    finish(session, job, wait_for_it=wait)


@command(group, "draw")
def draw(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    n_classes: Annotated[int | None, typer.Option("--classes", help="Of as many images each.")] = None,
    n_items: Annotated[int | None, typer.Option("--items", help="Images in all.")] = None,
    image_size: ImageSize = None,
    seed: Seed = None,
    wait: Wait = True,
) -> None:
    """Draw labelled images by formula, fractals, to train on without any photographs."""
    fields = given(n_classes=n_classes, n_items=n_items, image_size=image_size, seed=seed)
    finish(session, session.client.datasets.draw(name, **fields), wait_for_it=wait)
