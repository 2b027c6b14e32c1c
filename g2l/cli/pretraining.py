"""`g2l pretrain`."""

from typing import Annotated, Any

import typer

from g2l.cli.follow import finish
from g2l.cli.groups import resource_group
from g2l.cli.options import (
    Arch,
    Augmentation,
    Balance,
    BatchSize,
    Epochs,
    Heads,
    HumanLabels,
    ImageSize,
    Init,
    LabelSmoothing,
    LearningRate,
    Name,
    Patience,
    Seed,
    Targets,
    ValidationShare,
    chosen,
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
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE…",
            help="A labeling (lab_…), or several of one dataset: a head each; or a dataset (ds_…).",
        ),
    ],
    objective: Annotated[
        str | None,
        typer.Option(
            help="What a dataset is trained for: human-labels (its own; the default), self-supervised or "
            "distillation."
        ),
    ] = None,
    method: Annotated[str | None, typer.Option(help="When self-supervised: simclr, vicreg or swav.")] = None,
    embedders: Annotated[
        list[str] | None,
        typer.Option("--embedder", help="Of distillation: what is learnt from; repeat it for several."),
    ] = None,
    arch: Arch = None,
    init: Init = None,
    epochs: Epochs = None,
    image_size: ImageSize = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    balance: Balance = None,
    label_smoothing: LabelSmoothing = None,
    augmentation: Augmentation = None,
    heads: Heads = None,
    targets: Targets = None,
    human_labels: HumanLabels = None,
    validation_share: ValidationShare = None,
    patience: Patience = None,
    name: Name = None,
    seed: Seed = None,
    wait: Wait = True,
) -> None:
    """Train a source model."""
    what: dict[str, Any]
    if len(sources) > 1:
        what = given(labeling_ids=sources, objective=objective)
    elif sources[0].startswith("ds_"):
        what = {"objective": objective or "human-labels", "dataset_id": sources[0]}
    else:
        what = given(labeling_id=sources[0], objective=objective)
    fields = given(
        name=name,
        method=method,
        embedder=chosen(embedders),
        arch=arch,
        init_model_id=init,
        epochs=epochs,
        image_size=image_size,
        batch_size=batch_size,
        learning_rate=learning_rate,
        balance=balance,
        label_smoothing=label_smoothing,
        validation_share=validation_share,
        patience=patience,
        augmentation=augmentation,
        heads=heads,
        targets=targets,
        human_labels=human_labels,
        seed=seed,
    )
    finish(session, session.client.models.train(**what, **fields), wait_for_it=wait)
