"""`g2l transfer`."""

from typing import Annotated, Any

import typer

from g2l.cli.follow import finish
from g2l.cli.groups import resource_group
from g2l.cli.options import (
    Arch,
    Augmentation,
    Balance,
    BatchNorms,
    BatchSize,
    ImageSize,
    LabelBudget,
    LayerDecay,
    LearningRate,
    Name,
    Seed,
    TransferMethod,
    given,
)
from g2l.cli.output import interval, print_fields
from g2l.cli.session import Session, Wait, command

group = resource_group(
    "Models fine-tuned on a target, and the error that was measured.",
    lambda client: client.transfers,
    columns=("id", "dataset_id", "model_id", "label_budget", "seed", "accuracy", "scores", "created_at"),
    own_show=True,
)


@command(group, "show")
def show(session: Session, id_: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one, with the accuracy on test images that its weights were not trained on."""
    body = session.client.transfers.get(id_).body
    session.show(body, lambda: print_fields(body | {"twins": twins_line(body.get("twins"))}))


@command(group, "create")
def create(  # noqa: PLR0913, PLR0917 (each parameter is an option of the command)
    session: Session,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The target, ds_…; it needs labels.")],
    model: Annotated[str | None, typer.Option(metavar="mdl_…", help="The source; none: scratch.")] = None,
    label_budget: LabelBudget = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the target.")] = None,
    method: TransferMethod = None,
    arch: Arch = None,
    image_size: ImageSize = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    balance: Balance = None,
    augmentation: Augmentation = None,
    layer_decay: LayerDecay = None,
    batch_norms: BatchNorms = None,
    name: Name = None,
    seed: Seed = None,
    wait: Wait = True,
) -> None:
    """Fine-tune a model on a target and measure it."""
    fields = given(
        name=name,
        model_id=model,
        label_budget=label_budget,
        epochs=epochs,
        method=method,
        arch=arch,
        image_size=image_size,
        batch_size=batch_size,
        learning_rate=learning_rate,
        balance=balance,
        augmentation=augmentation,
        layer_decay=layer_decay,
        batch_norms=batch_norms,
        seed=seed,
    )
    finish(session, session.client.transfers.create(dataset_id=dataset, **fields), wait_for_it=wait)


def twins_line(twins: dict[str, Any] | None) -> str:
    """How many test images were trained on, in words."""
    if twins is None:
        return "unknown"
    if not twins["share"]:
        return "none"
    pool = "" if twins["n_with_pool"] is None else f"{twins['n_with_pool']} with the pool, "
    without = interval(twins["accuracy_without"])
    return (
        f"{twins['share']:.1%} of the test images: {pool}{twins['n_with_train']} with the training images; "
        f"accuracy without them {without}"
    )
