"""What can be asked of the service; fields that are not given get the service's defaults.

Written by scripts/client_types.py from the service's schemas; change those, then `make generate`.
"""

from typing import Literal, NotRequired, Required, TypedDict

from g2l.client.values import JsonObject

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
        k: how many anchors to find; by default 64.
        names: what to call them; None: words from a fixed list.
    """

    dataset_id: Required[str]
    k: int
    names: list[str] | None


class LabelledSpec(TypedDict, total=False):
    """The classes of a labelled dataset, by the images that a transfer of this budget and seed is given.

    Attributes:
        label_budget: labelled training images a class; None: all.
        seed: of all that is random; by default 0.
    """

    dataset_id: Required[str]
    label_budget: int | None
    seed: int


class AnchorSetSpec(TypedDict, total=False):
    """An anchor-set job: anchors that are given, discovered, or the classes of labelled images.

    Attributes:
        embedder: a built-in's name, or the id of a model or fitted embedder; or several; by default
            patch-kmeans.
        metric: in which anchors and images lie apart; of `labelled` mahalanobis, if none is given; by default
            euclidean.
        fit_on: the datasets that a built-in embedder is fitted on.
        seed: of all that is random; by default 0.
    """

    name: str | None
    embedder: str | list[str]
    metric: Literal["euclidean", "hellinger", "jensen-shannon", "mahalanobis", "energy", "kl"]
    fit_on: list[str] | None
    seed: int
    anchors: list[AnchorSpec] | None
    discover: DiscoverSpec | None
    labelled: LabelledSpec | None


class GeometryLabelingSpec(TypedDict, total=False):
    """A labeling by geometry; with `classes_of` under the class ids of a labeling made before.

    Attributes:
        length: anchors in a label; auto: while each adds half a bit, and classes stay large enough; by
            default 2.
        prefer: which anchor comes next; by default explain.
        project: first project images into the anchors' affine hull; by default False.
        ordered: whether the order of a label's anchors counts; by default True.
        min_class_size: images of smaller classes back off to labels of fewer anchors; by default 1.
        max_classes: back off until there are no more; None: any.
        temperature: how soft the soft targets are, in the metric's squared units; None: by their spread.
        views: whose responses are averaged: the image as it is, then crops, half of them mirrored; by default
            1.
        neighbours: whose responses are averaged with an image's own, which counts half: those most alike; by
            default 0.
        classes_of: a labeling whose class ids are kept.
    """

    dataset_id: Required[str]
    anchor_set_id: Required[str]
    name: str | None
    length: int | Literal["auto"]
    prefer: Literal["far", "near", "explain"]
    project: bool
    ordered: bool
    min_class_size: int
    max_classes: int | None
    temperature: float | None
    views: int
    neighbours: int
    classes_of: str | None


class KMeansLabelingSpec(TypedDict, total=False):
    """The control of ClusterFit: k-means ids of the same responses; with `classes_of`, of kept clusters.

    Attributes:
        embedder: by default patch-kmeans.
        classes_of: a labeling whose class ids are kept.
        n_classes: how many clusters.
        views: whose responses are averaged: the image as it is, then crops, half of them mirrored; by default
            1.
        seed: of all that is random; by default 0.
    """

    dataset_id: Required[str]
    name: str | None
    embedder: str | list[str]
    classes_of: str | None
    n_classes: int | None
    views: int
    seed: int


class ShuffledLabelingSpec(TypedDict, total=False):
    """The control with the same histogram and no meaning.

    Attributes:
        seed: of all that is random; by default 0.
    """

    labeling_id: Required[str]
    name: str | None
    seed: int


class ImportRequest(TypedDict, total=False):
    """An import whose file was sent in pieces before.

    Attributes:
        image_size: pixels a side; None: the network's own, or 224.
        image_mean: of every channel or of all; None: ImageNet's for 3 channels, else 0.5.
        image_std: likewise.
        rescale_factor: what 8-bit pixels are multiplied with first; by default 0.00392156862745098.
    """

    name: Required[str]
    upload_id: Required[str]
    image_size: int | None
    image_mean: list[float] | None
    image_std: list[float] | None
    rescale_factor: float


class TransferSpec(TypedDict, total=False):
    """A transfer job; `model_id` None trains `arch` from scratch.

    Attributes:
        epochs: passes over the images; by default 30.
        method: by default fine-tune.
        image_size: None: the model's own, or 32 from scratch; a convolutional source may be given larger
            images than it was trained on.
        batch_size: images in a step; by default 32.
        learning_rate: None: chosen by cross-validation inside the labelled budget.
        balance: sampling draws every class equally often; loss weighs each inversely to its size; by default
            none.
        augmentation: how training images are moved by chance; by default crop.
        layer_decay: the learning rate of each layer of a source, of that of the next; the head has all; by
            default 1.0.
        batch_norms: as training left them, or measured anew on the labelled images; by default kept.
        label_budget: labelled images a class; None: all.
        seed: of all that is random; by default 0.
        arch: None: the model's own, or the default from scratch.
    """

    dataset_id: Required[str]
    epochs: int
    method: Literal["fine-tune", "linear-probe"]
    image_size: int | None
    batch_size: int
    learning_rate: float | None
    balance: Literal["none", "sampling", "loss"]
    augmentation: Literal["crop", "crop-flip", "affine"]
    layer_decay: float
    batch_norms: Literal["kept", "re-estimated"]
    name: str | None
    label_budget: int | None
    seed: int
    model_id: str | None
    arch: (
        Literal["resnet-tiny", "resnet-18", "resnet-50", "regnet-tiny", "convnextv2-atto", "vit-tiny"] | None
    )


class ForecastSpec(TypedDict, total=False):
    """A forecast job over candidate sources.

    Attributes:
        image_size: pixels that the transfers will run at, where sources are measured; None: each one's own.
    """

    dataset_id: Required[str]
    model_ids: Required[list[str]]
    name: str | None
    label_budget: int | None
    image_size: int | None
    target_accuracy: float | None


class DiscoverOptions(TypedDict, total=False):
    """How many anchors to find among a pool's responses, and what to call them.

    Attributes:
        k: how many anchors to find; by default 64.
        names: what to call them; None: words from a fixed list.
    """

    k: int
    names: list[str] | None


class LabelledOptions(TypedDict, total=False):
    """Whose classes the anchors are, by labelled images: the target's, or a dataset's that is named.

    Attributes:
        dataset_id: None: the target, under its label budget and seed.
        label_budget: of a dataset that is named; None: all.
        seed: of a dataset that is named; None: 0.
    """

    dataset_id: str | None
    label_budget: int | None
    seed: int | None


class PipelineAnchors(TypedDict, total=False):
    """Anchors that are there, given, or the target's classes; by default discovered in the pool.

    Attributes:
        embedder: a built-in's name, or the id of a model or fitted embedder; or several; by default
            patch-kmeans.
        metric: in which anchors and images lie apart; of `labelled` mahalanobis, if none is given; by default
            euclidean.
        fit_on: the datasets that a built-in embedder is fitted on.
        seed: of all that is random; by default 0.
    """

    name: str | None
    embedder: str | list[str]
    metric: Literal["euclidean", "hellinger", "jensen-shannon", "mahalanobis", "energy", "kl"]
    fit_on: list[str] | None
    seed: int
    anchor_set_id: str | None
    anchors: list[AnchorSpec] | None
    discover: DiscoverOptions | None
    labelled: LabelledOptions | None


class GeometryOptions(TypedDict, total=False):
    """The rule that grows a simplex from an image; docs/method.md gives the terms.

    Attributes:
        length: anchors in a label; auto: while each adds half a bit, and classes stay large enough; by
            default 2.
        prefer: which anchor comes next; by default explain.
        project: first project images into the anchors' affine hull; by default False.
        ordered: whether the order of a label's anchors counts; by default True.
        min_class_size: images of smaller classes back off to labels of fewer anchors; by default 1.
        max_classes: back off until there are no more; None: any.
        temperature: how soft the soft targets are, in the metric's squared units; None: by their spread.
        views: whose responses are averaged: the image as it is, then crops, half of them mirrored; by default
            1.
        neighbours: whose responses are averaged with an image's own, which counts half: those most alike; by
            default 0.
    """

    name: str | None
    length: int | Literal["auto"]
    prefer: Literal["far", "near", "explain"]
    project: bool
    ordered: bool
    min_class_size: int
    max_classes: int | None
    temperature: float | None
    views: int
    neighbours: int


class PseudoLabelOptions(TypedDict, total=False):
    """The same, and what of a labeling is trained on.

    Attributes:
        arch: None: that of an imported model which is trained on; by default resnet-tiny.
        init_model_id: a model whose body is trained on, under a new head; None: random weights.
        epochs: passes over the images; by default 6.
        image_size: pixels along a side; by default 32.
        batch_size: images in a step; by default 128.
        learning_rate: the highest of its schedule; by default 0.004.
        augmentation: how training images are moved by chance; by default crop.
        seed: of all that is random; by default 0.
        validation_share: of the images, held out: at most 5,000, none of fewer than 20; groups stay together;
            by default 0.1.
        patience: epochs without a better held-out loss until training stops and goes back to the best.
        balance: sampling draws every class equally often; loss weighs each inversely to its size; by default
            none.
        label_smoothing: share of every hard target that is spread evenly over all classes; by default 0.0.
        heads: by default flat.
        human_labels: one more head, on the dataset's own labels; by default False.
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
    augmentation: Literal["crop", "crop-flip", "affine"]
    seed: int
    validation_share: float
    patience: int | None
    balance: Literal["none", "sampling", "loss"]
    label_smoothing: float
    heads: Literal["flat", "positions"]
    human_labels: bool
    targets: Literal["hard", "soft"]


class TransferOptions(TypedDict, total=False):
    """The same on a target, under a label budget.

    Attributes:
        epochs: passes over the images; by default 30.
        method: by default fine-tune.
        image_size: None: the model's own, or 32 from scratch; a convolutional source may be given larger
            images than it was trained on.
        batch_size: images in a step; by default 32.
        learning_rate: None: chosen by cross-validation inside the labelled budget.
        balance: sampling draws every class equally often; loss weighs each inversely to its size; by default
            none.
        augmentation: how training images are moved by chance; by default crop.
        layer_decay: the learning rate of each layer of a source, of that of the next; the head has all; by
            default 1.0.
        batch_norms: as training left them, or measured anew on the labelled images; by default kept.
        label_budget: labelled images a class; None: all.
        seed: of all that is random; by default 0.
    """

    dataset_id: Required[str]
    epochs: int
    method: Literal["fine-tune", "linear-probe"]
    image_size: int | None
    batch_size: int
    learning_rate: float | None
    balance: Literal["none", "sampling", "loss"]
    augmentation: Literal["crop", "crop-flip", "affine"]
    layer_decay: float
    batch_norms: Literal["kept", "re-estimated"]
    name: str | None
    label_budget: int | None
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


class LabelsRecipe(TypedDict, total=False):
    """Pseudo-labels to be made for a source: by anchors, or by a control.

    Attributes:
        anchors: as of a pipeline.
        labeling: as of POST /v1/labelings, less the ids.
    """

    anchors: PipelineAnchors | None
    labeling: JsonObject | None


class StudySource(TypedDict, total=False):
    """One arm: a model that is there, a recipe to train one by, or, without either, random weights.

    Attributes:
        anchors: as of a pipeline.
        labeling: as of POST /v1/labelings, less the ids.
        model_id: a model that is there.
        pool: the dataset to train on; None: the study's.
        on_target_pools: trained for each target apart, on its dataset of the study's `target_pools`; by
            default False.
        labelings: several, a head each.
        model: as of POST /v1/models; trained once a pretraining seed.
        method: another than the study's.
    """

    name: Required[str]
    anchors: PipelineAnchors | None
    labeling: JsonObject | None
    model_id: str | None
    pool: str | None
    on_target_pools: bool
    labelings: list[LabelsRecipe] | None
    model: JsonObject | None
    method: Literal["fine-tune", "linear-probe"] | None


class StudyModels(TypedDict, total=False):
    """What all trainings of a study share, unless a source says otherwise.

    Attributes:
        arch: by default resnet-tiny.
        epochs: passes over the images; by default 6.
        image_size: pixels along a side; by default 32.
        batch_size: images in a step; by default 128.
        learning_rate: the highest of its schedule; by default 0.004.
        learning_rates: a sweep, the same for every source: at the first pretraining seed the rate of the
            lowest held-out loss is chosen (of the lowest training loss where nothing is held out).
        augmentation: by default crop.
    """

    arch: Literal["resnet-tiny", "resnet-18", "resnet-50", "regnet-tiny", "convnextv2-atto", "vit-tiny"]
    epochs: int
    image_size: int
    batch_size: int
    learning_rate: float
    learning_rates: list[float] | None
    augmentation: Literal["crop", "crop-flip", "affine"]


class TransferRecipe(TypedDict, total=False):
    """How a source is put to use; the same for every source that is compared.

    Attributes:
        epochs: passes over the images; by default 30.
        method: by default fine-tune.
        image_size: None: the model's own, or 32 from scratch; a convolutional source may be given larger
            images than it was trained on.
        batch_size: images in a step; by default 32.
        learning_rate: None: chosen by cross-validation inside the labelled budget.
        balance: sampling draws every class equally often; loss weighs each inversely to its size; by default
            none.
        augmentation: how training images are moved by chance; by default crop.
        layer_decay: the learning rate of each layer of a source, of that of the next; the head has all; by
            default 1.0.
        batch_norms: as training left them, or measured anew on the labelled images; by default kept.
    """

    epochs: int
    method: Literal["fine-tune", "linear-probe"]
    image_size: int | None
    batch_size: int
    learning_rate: float | None
    balance: Literal["none", "sampling", "loss"]
    augmentation: Literal["crop", "crop-flip", "affine"]
    layer_decay: float
    batch_norms: Literal["kept", "re-estimated"]


class StudySpec(TypedDict, total=False):
    """A parent job with a child for each labeling, model and transfer; equal ones are made once.

    Attributes:
        targets: labelled datasets to transfer to.
        sources: what to compare; a model's id alone and None (from scratch) are sources too.
        pool: the dataset that sources are trained on.
        target_pools: for each target, in their order, unlabelled images of its kind: what sources with
            `on_target_pools` are trained on.
        pretraining_seeds: each source with a recipe is trained once a seed; by default [0].
        seeds: of the transfers; by default [0].
        label_budgets: labelled images a class; None: all; by default [10].
        baseline: the source that the others are compared with; None: the first.
    """

    targets: Required[list[str]]
    sources: Required[list[StudySource | str | None]]
    name: str | None
    pool: str | None
    target_pools: list[str] | None
    pretraining_seeds: list[int]
    seeds: list[int]
    label_budgets: list[int | None]
    model: StudyModels
    transfer: TransferRecipe
    baseline: str | None


class Procedural(TypedDict, total=False):
    """Labelled images by formula, which need no data at all; docs/method.md says how they are drawn.

    Attributes:
        n_classes: of as many images each; by default 100.
        n_items: images in all; by default 10000.
        image_size: pixels along a side; by default 32.
        seed: of all that is random; by default 0.
    """

    n_classes: int
    n_items: int
    image_size: int
    seed: int


class DatasetRequest(TypedDict, total=False):
    """The JSON body: where the images lie already, the uploads that brought them, or what to draw.

    Attributes:
        procedural: images by formula.
    """

    name: Required[str]
    label_by: str | None
    group_by: str | None
    extends: str | None
    uri: str | None
    upload_ids: list[str] | None
    procedural: Procedural | None


class TrainModelSpec(TypedDict, total=False):
    """A source model; `objective` says what it is trained for.

    Attributes:
        arch: None: that of an imported model which is trained on; by default resnet-tiny.
        init_model_id: a model whose body is trained on, under a new head; None: random weights.
        epochs: passes over the images; by default 6 (pseudo-labels) or 6 (human-labels) or 20
            (self-supervised) or 6 (distillation).
        image_size: pixels along a side; by default 32.
        batch_size: images in a step; by default 128.
        learning_rate: the highest of its schedule; by default 0.004 (pseudo-labels) or 0.004 (human-labels)
            or 0.002 (self-supervised) or 0.004 (distillation).
        augmentation: how training images are moved by chance; by default crop.
        seed: of all that is random; by default 0.
        validation_share: of the images, held out: at most 5,000, none of fewer than 20; groups stay together;
            by default 0.1.
        patience: epochs without a better held-out loss until training stops and goes back to the best.
        balance: sampling draws every class equally often; loss weighs each inversely to its size; by default
            none.
        label_smoothing: share of every hard target that is spread evenly over all classes; by default 0.0.
        heads: by default flat.
        human_labels: one more head, on the dataset's own labels; by default False.
        targets: of all labelings, or of each in order; by default soft.
        method: what two views of an image are trained towards; by default simclr.
        embedder: a built-in's name, or the id of a model or fitted embedder; or several.
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
    augmentation: Literal["crop", "crop-flip", "affine"]
    seed: int
    validation_share: float
    patience: int | None
    balance: Literal["none", "sampling", "loss"]
    label_smoothing: float
    heads: Literal["flat", "positions"]
    human_labels: bool
    objective: Literal["pseudo-labels", "human-labels", "self-supervised", "distillation"]
    labeling_id: str | None
    labeling_ids: list[str] | None
    targets: Literal["hard", "soft"] | list[Literal["hard", "soft"]]
    dataset_id: str
    method: Literal["simclr", "vicreg", "swav"]
    embedder: str | list[str]
