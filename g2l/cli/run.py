"""`g2l run`: the whole job for a folder or an archive."""

from pathlib import Path
from typing import Annotated

import typer

from g2l.cli import options
from g2l.cli.anchor_words import AnchorWord
from g2l.cli.follow import wait_stages
from g2l.cli.options import given
from g2l.cli.run_estimate import estimate_run
from g2l.cli.run_report import check_folder, fetch, show
from g2l.cli.run_request import Request, begin
from g2l.cli.session import Session
from g2l.client.progress import reporting

_ANCHORS, _TARGET = "Anchors", "Target"


def run(  # noqa: PLR0913, PLR0917 (each parameter is an option of the command)
    session: Session,
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES",
            help="A folder or archive; or, in the service, a dataset (ds_…) or an earlier run (job_…).",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(metavar="LABELLED", help="Labelled images to transfer to: a folder, an archive, ds_…."),
    ] = None,
    name: options.Name = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write; by default g2l-NAME.")] = None,
    anchors: Annotated[
        int | None, typer.Option(metavar="K", help="Discover so many anchors.", rich_help_panel=_ANCHORS)
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="A given anchor: its images, or ds_…[:CLASS]; repeat it.",
            rich_help_panel=_ANCHORS,
        ),
    ] = None,
    anchor_set: Annotated[
        str | None,
        typer.Option(metavar="anc_…", help="An anchor set of the service.", rich_help_panel=_ANCHORS),
    ] = None,
    target_anchors: Annotated[
        bool,
        typer.Option(
            "--target-anchors",
            help="The target's classes, by its labelled images; for a pool of the target's own kind.",
            rich_help_panel=_ANCHORS,
        ),
    ] = False,
    embedder: options.Embedders = None,
    metric: options.Metric = None,
    fit_on: options.FitOn = None,
    length: options.Length = None,
    prefer: options.Prefer = None,
    project: options.Project = None,
    ordered: options.Ordered = None,
    min_class_size: options.MinClassSize = None,
    max_classes: options.MaxClasses = None,
    temperature: options.Temperature = None,
    views: options.Views = None,
    neighbours: options.Neighbours = None,
    arch: options.Arch = None,
    init: options.Init = None,
    epochs: options.Epochs = None,
    image_size: options.ImageSize = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    balance: options.Balance = None,
    label_smoothing: options.LabelSmoothing = None,
    augmentation: options.Augmentation = None,
    heads: options.Heads = None,
    targets: options.Targets = None,
    human_labels: options.HumanLabels = None,
    validation_share: options.ValidationShare = None,
    patience: options.Patience = None,
    label_budget: options.LabelBudget = None,
    transfer_epochs: Annotated[
        int | None, typer.Option(help="Passes over the target.", rich_help_panel=_TARGET)
    ] = None,
    transfer_method: options.TransferMethod = None,
    transfer_learning_rate: options.TransferLearningRate = None,
    layer_decay: options.LayerDecay = None,
    batch_norms: options.BatchNorms = None,
    seed: options.Seed = None,
    rounds: options.Rounds = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only send the images, and say what the rest would take.")
    ] = False,
) -> None:
    """Do it all: label the images, train a network on the labels, and fetch its weights.

    With a target it also forecasts how well the weights will do there, fine-tunes them, and trains the same
    network from scratch to compare.
    """
    request = Request(
        images=images,
        target=target,
        anchors=tuple(AnchorWord.parse(word) for word in anchor or ()),
        name=name,
        anchor_options=given(
            anchor_set_id=anchor_set,
            discover=None if anchors is None else {"k": anchors},
            labelled={} if target_anchors else None,
            embedder=options.chosen(embedder),
            metric=metric,
            fit_on=fit_on or None,
            seed=seed,
        ),
        labeling_options=given(
            length=length,
            prefer=prefer,
            project=project,
            ordered=ordered,
            min_class_size=min_class_size,
            max_classes=max_classes,
            temperature=temperature,
            views=views,
            neighbours=neighbours,
        ),
        model_options=given(
            arch=arch,
            init_model_id=init,
            epochs=epochs,
            image_size=image_size,
            batch_size=batch_size,
            learning_rate=learning_rate,
            balance=balance,
            validation_share=validation_share,
            patience=patience,
            augmentation=augmentation,
            heads=heads,
            targets=targets,
            human_labels=human_labels,
            label_smoothing=label_smoothing,
            seed=seed,
        ),
        transfer_options=given(
            label_budget=label_budget,
            epochs=transfer_epochs,
            method=transfer_method,
            augmentation=augmentation if target else None,
            learning_rate=transfer_learning_rate,
            layer_decay=layer_decay,
            batch_norms=batch_norms,
        ),
        seed=seed,
        rounds=rounds,
    )
    request.check()
    if dry_run:
        estimate_run(session, request)
        return
    folder = out or Path(f"g2l-{request.run_name}")
    check_folder(folder)
    client = session.client
    with reporting() as reporter:
        job = begin(client, request, reporter)
        job = wait_stages(job, reporter)
        summary = fetch(client, job, folder, reporter)
    session.show(summary, lambda: show(summary))
