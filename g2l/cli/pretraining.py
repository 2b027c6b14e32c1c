"""`g2l pretrain`."""

from typing import Annotated, Any

import typer

from g2l.cli.follow import finish
from g2l.cli.groups import resource_group
from g2l.cli.options import (
    Arch,
    Augmentation,
    Balanced,
    BatchSize,
    Epochs,
    Heads,
    ImageSize,
    Init,
    LearningRate,
    Name,
    Seed,
    Targets,
    given,
)
from g2l.cli.session import Session, Wait, command

group = resource_group(
    "Source models, trained on pseudo-labels or on the images' own labels.",
    lambda client: client.models,
    columns=("id", "name", "arch", "image_size", "labeling_id", "created_at"),
    filters={"role": "source"},
)


@command(group, "create")
def create(  # noqa: PLR0913, PLR0917 (each parameter is an option of the command)
    session: Session,
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A labeling (lab_…), or a labelled dataset (ds_…)."),
    ],
    arch: Arch = None,
    init: Init = None,
    epochs: Epochs = None,
    image_size: ImageSize = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    balanced: Balanced = None,
    augmentation: Augmentation = None,
    heads: Heads = None,
    targets: Targets = None,
    name: Name = None,
    seed: Seed = None,
    wait: Wait = True,
) -> None:
    """Train a source model."""
    what: dict[str, Any]
    if source.startswith("ds_"):
        what = {"objective": "human-labels", "dataset_id": source}
    else:
        what = {"labeling_id": source}
    fields = given(
        name=name,
        arch=arch,
        init_model_id=init,
        epochs=epochs,
        image_size=image_size,
        batch_size=batch_size,
        learning_rate=learning_rate,
        balanced=balanced,
        augmentation=augmentation,
        heads=heads,
        targets=targets,
        seed=seed,
    )
    finish(session, session.client.models.train(**what, **fields), wait_for_it=wait)
