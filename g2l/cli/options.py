"""Options that several commands share. None of them has a default here: the service knows the defaults."""

from typing import Annotated, Any

import typer

Name = Annotated[str | None, typer.Option("--name", help="What to call it.")]
Seed = Annotated[int | None, typer.Option("--seed", help="The seed of all that is random.")]

Rounds = Annotated[
    int | None,
    typer.Option("--rounds", help="Each later round embeds the images with the source of the one before."),
]

_ANCHORS, _LABELS, _MODEL, _TARGET = "Anchors", "Labels", "Source model", "Target"

Embedders = Annotated[
    list[str] | None,
    typer.Option(
        "--embedder",
        help="patch-kmeans, anchor-network, self-supervised, identity, or the id of a model (mdl_) or fitted "
        "embedder (emb_); repeat it for several side by side.",
        rich_help_panel=_ANCHORS,
    ),
]
FitOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fit-on",
        metavar="ds_…",
        help="What a built-in embedder is fitted on; repeat it.",
        rich_help_panel=_ANCHORS,
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="euclidean, hellinger, jensen-shannon, mahalanobis, energy or kl.",
        rich_help_panel=_ANCHORS,
    ),
]


def count_or_auto(word: str) -> int | str:
    """The word `auto`, or a number; ValueError if it is neither."""
    return word if word == "auto" else int(word)


Length = Annotated[
    Any,
    typer.Option(
        "--length",
        metavar="N|auto",
        parser=count_or_auto,
        help="Anchors in a label; auto: as many as each add half a bit.",
        rich_help_panel=_LABELS,
    ),
]
Prefer = Annotated[
    str | None,
    typer.Option("--prefer", help="Which anchor comes next: far, near or explain.", rich_help_panel=_LABELS),
]
Project = Annotated[
    bool | None,
    typer.Option(
        "--project/--no-project",
        help="First project images into the anchors' affine hull.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
Ordered = Annotated[
    bool | None,
    typer.Option(
        "--ordered/--unordered",
        help="Whether the order of a label's anchors counts.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
MinClassSize = Annotated[
    int | None,
    typer.Option("--min-class-size", help="Smaller ones back off to fewer anchors.", rich_help_panel=_LABELS),
]
MaxClasses = Annotated[
    int | None, typer.Option("--max-classes", help="At most so many classes.", rich_help_panel=_LABELS)
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", help="How soft the soft targets are.", rich_help_panel=_LABELS),
]
Views = Annotated[
    int | None,
    typer.Option(
        "--views",
        help="Average the responses of an image and of crops of it, so many in all.",
        rich_help_panel=_LABELS,
    ),
]
Neighbours = Annotated[
    int | None,
    typer.Option(
        "--neighbours",
        help="Average the responses of an image and of so many that look alike.",
        rich_help_panel=_LABELS,
    ),
]
ClassesOf = Annotated[
    str | None,
    typer.Option("--classes-of", metavar="lab_…", help="Keep the class ids of an earlier labeling."),
]
Arch = Annotated[
    str | None, typer.Option("--arch", help="The network, such as resnet-tiny.", rich_help_panel=_MODEL)
]
Init = Annotated[
    str | None,
    typer.Option("--init", metavar="mdl_…", help="A model whose body is trained on.", rich_help_panel=_MODEL),
]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the pool.", rich_help_panel=_MODEL)]
ImageSize = Annotated[
    int | None, typer.Option("--image-size", help="Pixels along a side.", rich_help_panel=_MODEL)
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", help="Images in a step.", rich_help_panel=_MODEL)
]
LearningRate = Annotated[
    float | None, typer.Option("--learning-rate", help="The highest of its schedule.", rich_help_panel=_MODEL)
]
Heads = Annotated[
    str | None,
    typer.Option("--heads", help="flat, or one for each of a label's positions.", rich_help_panel=_MODEL),
]
Targets = Annotated[
    str | None, typer.Option("--targets", help="hard or soft pseudo-labels.", rich_help_panel=_MODEL)
]
HumanLabels = Annotated[
    bool | None,
    typer.Option(
        "--human-labels/--no-human-labels",
        help="Train one more head, on the images' own labels.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
Balance = Annotated[
    str | None,
    typer.Option(
        "--balance", help="For classes of unequal size: none, sampling or loss.", rich_help_panel=_MODEL
    ),
]
LabelSmoothing = Annotated[
    float | None,
    typer.Option(
        "--label-smoothing",
        help="Share of every hard target that is spread over all classes.",
        rich_help_panel=_MODEL,
    ),
]
ValidationShare = Annotated[
    float | None,
    typer.Option(
        "--validation-share", help="Share of the images that is held out, up to 0.5.", rich_help_panel=_MODEL
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        "--patience",
        help="Stop after so many epochs without a better held-out loss, and go back to the best.",
        rich_help_panel=_MODEL,
    ),
]
Augmentation = Annotated[
    str | None,
    typer.Option(
        "--augmentation",
        help="How training images are moved: crop, crop-flip or affine.",
        rich_help_panel=_MODEL,
    ),
]
TransferLearningRate = Annotated[
    float | None,
    typer.Option(
        "--transfer-learning-rate",
        help="The highest of its schedule; chosen by cross-validation by default.",
        rich_help_panel=_TARGET,
    ),
]
LabelBudget = Annotated[
    int | None,
    typer.Option("--label-budget", help="Labelled images a class; all by default.", rich_help_panel=_TARGET),
]
LayerDecay = Annotated[
    float | None,
    typer.Option(
        "--layer-decay",
        help="The learning rate of each layer of the source, of that of the next.",
        rich_help_panel=_TARGET,
    ),
]
BatchNorms = Annotated[
    str | None,
    typer.Option(
        "--batch-norms",
        help="kept, or re-estimated: measured anew on the labelled images.",
        rich_help_panel=_TARGET,
    ),
]
TransferMethod = Annotated[
    str | None,
    typer.Option("--transfer-method", help="fine-tune or linear-probe.", rich_help_panel=_TARGET),
]


def chosen(embedders: list[str] | None) -> str | list[str] | None:
    """One embedder by itself, several as a list."""
    return embedders[0] if embedders is not None and len(embedders) == 1 else embedders or None


def given(**fields: object) -> dict[str, Any]:
    """The fields that the user gave."""
    return {name: value for name, value in fields.items() if value is not None}
