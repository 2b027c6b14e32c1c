"""What can be asked of the service; fields that are not given get the service's defaults.

Written by scripts/client_types.py from the service's schemas; change those, then `make client`.
"""

from typing import Literal, NotRequired, Required, TypedDict

# A given anchor: the mean response of a dataset, or of one of its classes.
AnchorSpec = TypedDict(
    "AnchorSpec",
    {
        "name": str,
        "dataset_id": str,
        "class": NotRequired[str | None],
    },
)


class DiscoverSpec(TypedDict, total=False):
    """The same, with the dataset to look in.

    Attributes:
        k: by default 64.
    """

    dataset_id: Required[str]
    k: int
    names: list[str] | None


class AnchorSetSpec(TypedDict, total=False):
    """An anchor-set job: anchors that are given, or discovered.

    Attributes:
        embedder: by default patch-kmeans.
        metric: by default euclidean.
        seed: by default 0.
    """

    name: str | None
    embedder: str
    metric: Literal["euclidean", "hellinger", "jensen-shannon", "energy", "kl"]
    fit_on: list[str] | None
    seed: int
    anchors: list[AnchorSpec] | None
    discover: DiscoverSpec | None


class GeometryLabelingSpec(TypedDict, total=False):
    """A labeling by geometry.

    Attributes:
        length: by default 2.
        prefer: by default explain.
        project: by default False.
        ordered: by default True.
        min_class_size: by default 1.
    """

    dataset_id: Required[str]
    anchor_set_id: Required[str]
    name: str | None
    length: int
    prefer: Literal["far", "near", "explain"]
    project: bool
    ordered: bool
    min_class_size: int
    max_classes: int | None
    temperature: float | None


class KMeansLabelingSpec(TypedDict, total=False):
    """The control of ClusterFit: k-means ids of the same responses.

    Attributes:
        embedder: by default patch-kmeans.
        seed: by default 0.
    """

    dataset_id: Required[str]
    n_classes: Required[int]
    name: str | None
    embedder: str
    seed: int


class ShuffledLabelingSpec(TypedDict, total=False):
    """The control with the same histogram and no meaning.

    Attributes:
        seed: by default 0.
    """

    labeling_id: Required[str]
    name: str | None
    seed: int


class TransferSpec(TypedDict, total=False):
    """A transfer job; `model_id` None trains `arch` from scratch.

    Attributes:
        label_budget: labelled images a class; None: all.
        epochs: by default 30.
        method: by default fine-tune.
        image_size: None: the model's own, or 32 from scratch.
        batch_size: by default 32.
        learning_rate: None: chosen by cross-validation inside the labelled budget.
        augmentation: how training images are moved by chance; by default crop.
        seed: by default 0.
        arch: None: the model's own, or the default from scratch.
    """

    dataset_id: Required[str]
    name: str | None
    label_budget: int | None
    epochs: int
    method: Literal["fine-tune", "linear-probe"]
    image_size: int | None
    batch_size: int
    learning_rate: float | None
    augmentation: Literal["crop", "crop-flip", "affine"]
    seed: int
    model_id: str | None
    arch: (
        Literal["resnet-tiny", "resnet-18", "resnet-50", "regnet-tiny", "convnextv2-atto", "vit-tiny"] | None
    )


class ForecastSpec(TypedDict, total=False):
    """A forecast job over candidate sources."""

    dataset_id: Required[str]
    model_ids: Required[list[str]]
    name: str | None
    label_budget: int | None
    target_accuracy: float | None


class DiscoverOptions(TypedDict, total=False):
    """How many anchors to find among a pool's responses, and what to call them.

    Attributes:
        k: by default 64.
    """

    k: int
    names: list[str] | None


class PipelineAnchors(TypedDict, total=False):
    """An existing anchor set, given anchors, or (by default) anchors discovered in the pool.

    Attributes:
        embedder: by default patch-kmeans.
        metric: by default euclidean.
        seed: by default 0.
    """

    name: str | None
    embedder: str
    metric: Literal["euclidean", "hellinger", "jensen-shannon", "energy", "kl"]
    fit_on: list[str] | None
    seed: int
    anchor_set_id: str | None
    anchors: list[AnchorSpec] | None
    discover: DiscoverOptions | None


class GeometryOptions(TypedDict, total=False):
    """The rule that grows a simplex from an image; docs/method.md gives the terms.

    Attributes:
        length: by default 2.
        prefer: by default explain.
        project: by default False.
        ordered: by default True.
        min_class_size: by default 1.
    """

    name: str | None
    length: int
    prefer: Literal["far", "near", "explain"]
    project: bool
    ordered: bool
    min_class_size: int
    max_classes: int | None
    temperature: float | None


class PseudoLabelOptions(TypedDict, total=False):
    """The same, and what of a labeling is trained on.

    Attributes:
        arch: None: that of an imported model which is trained on; by default resnet-tiny.
        init_model_id: a model whose body is trained on, under a new head; None: random weights.
        epochs: by default 6.
        image_size: by default 32.
        batch_size: by default 128.
        learning_rate: by default 0.004.
        balanced: draw every class equally often; by default False.
        augmentation: how training images are moved by chance; by default crop.
        seed: by default 0.
        heads: by default flat.
        targets: by default soft.
    """

    name: str | None
    arch: (
        Literal["resnet-tiny", "resnet-18", "resnet-50", "regnet-tiny", "convnextv2-atto", "vit-tiny"] | None
    )
    init_model_id: str | None
    epochs: int
    image_size: int
    batch_size: int
    learning_rate: float
    balanced: bool
    augmentation: Literal["crop", "crop-flip", "affine"]
    seed: int
    heads: Literal["flat", "positions"]
    targets: Literal["hard", "soft"]


class TransferOptions(TypedDict, total=False):
    """A fine-tuning recipe; the same for every source that is compared.

    Attributes:
        label_budget: labelled images a class; None: all.
        epochs: by default 30.
        method: by default fine-tune.
        image_size: None: the model's own, or 32 from scratch.
        batch_size: by default 32.
        learning_rate: None: chosen by cross-validation inside the labelled budget.
        augmentation: how training images are moved by chance; by default crop.
        seed: by default 0.
    """

    dataset_id: Required[str]
    name: str | None
    label_budget: int | None
    epochs: int
    method: Literal["fine-tune", "linear-probe"]
    image_size: int | None
    batch_size: int
    learning_rate: float | None
    augmentation: Literal["crop", "crop-flip", "affine"]
    seed: int


class PipelineSpec(TypedDict, total=False):
    """A parent job with a child for each stage; every part has a default.

    Attributes:
        rounds: each later round embeds the pool with the source trained in the one before; by default 1.
    """

    dataset_id: Required[str]
    name: str | None
    rounds: int
    anchors: PipelineAnchors
    labeling: GeometryOptions
    model: PseudoLabelOptions
    transfer: TransferOptions | None


class DatasetUriSpec(TypedDict, total=False):
    """The JSON body: where the images already lie."""

    name: Required[str]
    uri: Required[str]


class TrainModelSpec(TypedDict, total=False):
    """A source model; `objective` says what it is trained for.

    Attributes:
        arch: None: that of an imported model which is trained on; by default resnet-tiny.
        init_model_id: a model whose body is trained on, under a new head; None: random weights.
        epochs: by default 6.
        image_size: by default 32.
        batch_size: by default 128.
        learning_rate: by default 0.004.
        balanced: draw every class equally often; by default False.
        augmentation: how training images are moved by chance; by default crop.
        seed: by default 0.
        heads: by default flat.
        targets: by default soft.
    """

    name: str | None
    arch: (
        Literal["resnet-tiny", "resnet-18", "resnet-50", "regnet-tiny", "convnextv2-atto", "vit-tiny"] | None
    )
    init_model_id: str | None
    epochs: int
    image_size: int
    batch_size: int
    learning_rate: float
    balanced: bool
    augmentation: Literal["crop", "crop-flip", "affine"]
    seed: int
    heads: Literal["flat", "positions"]
    targets: Literal["hard", "soft"]
    objective: Literal["pseudo-labels", "human-labels"]
    labeling_id: str
    dataset_id: str
