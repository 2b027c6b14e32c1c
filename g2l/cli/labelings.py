"""`g2l label`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from g2l.cli.follow import finish
from g2l.cli.groups import resource_group
from g2l.cli.options import (
    ClassesOf,
    Embedders,
    Length,
    MaxClasses,
    MinClassSize,
    Name,
    Neighbours,
    Ordered,
    Prefer,
    Project,
    Seed,
    Temperature,
    Views,
    chosen,
    given,
)
from g2l.cli.output import print_line
from g2l.cli.session import Session, UsageError, Wait, command

group = resource_group(
    "Pseudo-labels for every image of a dataset.",
    lambda client: client.labelings,
    columns=("id", "name", "method", "n_items", "n_classes", "degenerate_share", "created_at"),
)
FORMATS = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


@command(group, "create")
def create(  # noqa: PLR0913, PLR0917 (each parameter is an option of the command)
    session: Session,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="ds_…")],
    anchors: Annotated[str, typer.Argument(metavar="ANCHORS", help="anc_…")],
    length: Length = None,
    prefer: Prefer = None,
    project: Project = None,
    ordered: Ordered = None,
    min_class_size: MinClassSize = None,
    max_classes: MaxClasses = None,
    temperature: Temperature = None,
    views: Views = None,
    neighbours: Neighbours = None,
    classes_of: ClassesOf = None,
    name: Name = None,
    wait: Wait = True,
) -> None:
    """Label the images of a dataset by the anchors around them."""
    fields = given(
        name=name,
        length=length,
        prefer=prefer,
        project=project,
        ordered=ordered,
        min_class_size=min_class_size,
        max_classes=max_classes,
        temperature=temperature,
        views=views,
        neighbours=neighbours,
        classes_of=classes_of,
    )
    job = session.client.labelings.create(dataset_id=dataset, anchor_set_id=anchors, **fields)
    finish(session, job, wait_for_it=wait)


@command(group, "k-means")
def k_means(
    session: Session,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="ds_…")],
    classes: Annotated[int | None, typer.Option(help="How many clusters.")] = None,
    classes_of: ClassesOf = None,
    embedder: Embedders = None,
    views: Views = None,
    name: Name = None,
    seed: Seed = None,
    wait: Wait = True,
) -> None:
    """A control: label the images by k-means clusters."""
    fields = given(
        name=name,
        embedder=chosen(embedder),
        n_classes=classes,
        views=views,
        classes_of=classes_of,
        seed=seed,
    )
    job = session.client.labelings.k_means(dataset_id=dataset, **fields)
    finish(session, job, wait_for_it=wait)


@command(group, "shuffle")
def shuffle(
    session: Session,
    labeling: Annotated[str, typer.Argument(metavar="LABELING", help="lab_…")],
    name: Name = None,
    seed: Seed = None,
    wait: Wait = True,
) -> None:
    """A control: the labels of a labeling, dealt out at random."""
    fields = given(name=name, seed=seed)
    job = session.client.labelings.shuffled(labeling_id=labeling, **fields)
    finish(session, job, wait_for_it=wait)


@command(group, "labels")
def labels(
    session: Session,
    labeling: Annotated[str, typer.Argument(metavar="LABELING", help="lab_…")],
    out: Annotated[
        Path | None, typer.Option(help="A .jsonl, .csv or .parquet file; stdout, as JSON lines, without.")
    ] = None,
) -> None:
    """Print the labels, or write them to a file."""
    if out is None:
        import json

        for row in session.client.labelings.labels(labeling):
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    format_ = FORMATS.get(out.suffix.lower())
    if format_ is None:
        raise UsageError(f"--out names a .jsonl, .csv or .parquet file; got {out}")
    session.client.labelings.labels(labeling).save(out, format_)
    session.show({"file": str(out)}, lambda: print_line(f"wrote {out}"))
