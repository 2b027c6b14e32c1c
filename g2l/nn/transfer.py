"""Transfer: a source model (or none) and a few labelled images in, a base model and its error out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from transformers import PreTrainedModel

from g2l.errors import G2LError
from g2l.nn.augmentation import Augmentation
from g2l.nn.batch_norms import re_estimate
from g2l.nn.devices import pick_device
from g2l.nn.evaluation import Evaluation, evaluate
from g2l.nn.fine_tune import FineTuned, Start, fine_tune
from g2l.nn.folds import Groups
from g2l.nn.heads import before_head, classifier_on, head
from g2l.nn.images import Images, Indices, Preprocessing, require_images
from g2l.nn.linear_probe import fit_probe
from g2l.nn.recipes import Balance, Recipe
from g2l.nn.records import EpochRecord
from g2l.nn.starts import start_of
from g2l.nn.training import OnEpoch, Progress, predict
from g2l.nn.zoo import DEFAULT_ARCHITECTURE

Method = Literal["fine-tune", "linear-probe"]
BatchNorms = Literal["kept", "re-estimated"]

BATCH = 256  # images at once without gradients


class TransferError(G2LError):
    """The target's images and labels cannot be transferred to."""

    code: ClassVar[str] = "bad-target"
    title: ClassVar[str] = "The target cannot be used for a transfer"


@dataclass(frozen=True)
class Outcome:
    """How a classifier did.

    Attributes:
        evaluation: on the test images, which decided nothing.
        predicted: (M,) the class given to each of them.
        learning_curve: a record an epoch of the final training; empty for a linear probe.
        learning_rate: peak that was used; of a linear probe, None.
        penalty: strength chosen for a linear probe; else None.
        n_train: labelled images used.
        n_test: images tested on.
    """

    evaluation: Evaluation
    predicted: Indices
    learning_curve: list[EpochRecord]
    learning_rate: float | None
    penalty: float | None
    n_train: int
    n_test: int


@dataclass(frozen=True)
class TransferResult(Outcome):
    """A base model and how it did.

    Attributes:
        model: the classifier, on the CPU, in evaluation mode.
        preprocessing: what its input goes through.
        seconds: of it all, choosing the rate and testing too.
        images_per_second: of the final training; of embedding for a linear probe.
    """

    model: PreTrainedModel
    preprocessing: Preprocessing
    seconds: float
    images_per_second: float


def transfer(  # noqa: PLR0913  (each is a field of the request)
    images_train: Images,
    labels_train: Indices,
    images_test: Images,
    labels_test: Indices,
    *,
    class_names: Sequence[str],
    groups_train: Groups | None = None,
    init: Path | None = None,
    arch: str = DEFAULT_ARCHITECTURE,
    image_size: int | None = None,
    method: Method = "fine-tune",
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float | None = None,
    seed: int = 0,
    balance: Balance = "none",
    augmentation: Augmentation = "crop",
    layer_decay: float = 1.0,
    batch_norms: BatchNorms = "kept",
    on_progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
) -> TransferResult:
    """Fit a source model, or a random network, to labelled images and test it.

    A budget of few images has few batches in an epoch. So that it trains at all, each epoch then goes over
    the images several times, until the epochs together make at least `passes.FEWEST_STEPS` steps.

    Args:
        images_train: (N, H, W, C) uint8 or uint16, the labelled images of the budget.
        labels_train: (N,) class ids, 0 to C - 1.
        images_test: (M, H, W, C).
        labels_test: (M,) class ids.
        class_names: of the C classes.
        groups_train: (N,) a number for the group (the patient) of each training image, 0 without one: none is
            on both sides of a cross-validation.
        init: folder of the source model; None starts from scratch.
        arch: of the network from scratch.
        image_size: side in pixels of the images that the network is given, which for convolutions may be
            another than it was trained at; if None, the source's, or from scratch the images' own.
        method: train all weights, or only a logistic regression on what the head is given.
        epochs: of the final training, and of those that choose the rate.
        batch_size: images a step.
        learning_rate: peak; None chooses among `passes.LEARNING_RATES` by stratified
            cross-validation inside the training images.
        seed: decides weights, head, folds, order and augmentation.
        balance: what is done about classes of unequal size, see `Recipe`; a linear probe has only losses to
            weigh, which it does for `sampling` too.
        augmentation: how training images are moved, see `augment`.
        layer_decay: of the learning rate from each layer to the one before it, see `Recipe`; of no effect
            from scratch, where no layer knows anything, and on a linear probe.
        batch_norms: as training left them, or measured anew on the training images, see `re_estimate`:
            after fine-tuning, or before a linear probe.
        on_progress: called with training images (for a probe: embedded images) done and in all.
        on_epoch: called with each epoch's record of the final training.
        checkpoint: file to go on from in the final training, rewritten after each of its epochs.

    Returns:
        the base model with its test scores.

    Raises:
        TransferError: labels and images do not fit each other, or a class has no training image.
        SizeNotTakenError: the source does not take images of `image_size`.
        NotImagesError, ChannelMismatchError, UnknownArchitectureError, ArchitectureTooDeepError,
        NoHeadError: see there.
        TrainingDivergedError: the loss is not finite; a rate that diverges while choosing only loses.
    """
    started = time.perf_counter()
    n_classes = len(class_names)
    require_images(images_train)
    require_images(images_test)
    require_labels(
        labels_train, labels_test, n_train=len(images_train), n_test=len(images_test), n_classes=n_classes
    )
    start = _start(
        images_train,
        labels_train,
        n_classes,
        groups=groups_train,
        init=init,
        arch=arch,
        image_size=image_size,
        seed=seed,
        re_estimates=batch_norms == "re-estimated",
    )
    if method == "linear-probe":
        made, penalty = _probe(start, balanced=balance != "none", seed=seed, on_progress=on_progress)
    else:
        recipe = Recipe(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate or 0.0,
            seed=seed,
            balance=balance,
            augmentation=augmentation,
            layer_decay=1.0 if init is None else layer_decay,
        )
        made = fine_tune(start, recipe, on_progress=on_progress, on_epoch=on_epoch, checkpoint=checkpoint)
        penalty = None
    predicted = classify(made.model, images_test, start.preprocessing)
    return TransferResult(
        model=made.model,
        preprocessing=start.preprocessing,
        evaluation=evaluate(labels_test, predicted, class_names),
        predicted=predicted,
        learning_curve=made.curve,
        learning_rate=made.learning_rate,
        penalty=penalty,
        seconds=time.perf_counter() - started,
        images_per_second=made.images_per_second,
        n_train=len(labels_train),
        n_test=len(labels_test),
    )


def classify(model: PreTrainedModel, images: Images, preprocessing: Preprocessing) -> Indices:
    """The likeliest class of each image.

    Args:
        model: a classifier; on return on the CPU.
        images: (N, H, W, C) uint8 or uint16.
        preprocessing: the model's.

    Returns:
        (N,) class ids.
    """
    model.to(pick_device())
    parts = [
        predict(model, images[i : i + BATCH], preprocessing).argmax(dim=1).cpu()
        for i in range(0, len(images), BATCH)
    ]
    model.to("cpu")
    ids: Indices = torch.cat(parts).numpy()
    return ids


def require_labels(
    labels_train: Indices, labels_test: Indices, *, n_train: int, n_test: int, n_classes: int
) -> None:
    """Refuse labels that do not fit the images, or leave a class without a training image.

    Raises:
        TransferError: says which.
    """
    for part, labels, n_images in (("training", labels_train, n_train), ("test", labels_test, n_test)):
        if labels.shape != (n_images,) or not np.issubdtype(labels.dtype, np.integer):
            raise TransferError(
                f"got {labels.dtype} labels of shape {labels.shape} for {n_images} {part} images"
            )
        if labels.min() < 0 or labels.max() >= n_classes:
            raise TransferError(
                f"{part} labels go from {labels.min()} to {labels.max()}; there are {n_classes} classes"
            )
    if len(np.unique(labels_train)) < n_classes:
        raise TransferError("a class has no training image; every class of the target needs one at least")


def _start(
    images: Images,
    labels: Indices,
    n_classes: int,
    *,
    groups: Groups | None,
    init: Path | None,
    arch: str,
    image_size: int | None,
    seed: int,
    re_estimates: bool,
) -> Start:
    source, preprocessing = start_of(
        images, init=init, arch=arch, image_size=image_size, n_outputs=n_classes, seed=seed
    )
    return Start(
        images,
        labels,
        preprocessing,
        lambda: classifier_on(source, n_classes, seed=seed),
        n_classes,
        groups,
        re_estimates,
    )


def _probe(
    start: Start, *, balanced: bool, seed: int, on_progress: Progress | None
) -> tuple[FineTuned, float]:
    """Features of the frozen body, a logistic regression on them, and its weights as the head."""
    model = start.model().eval()
    if start.re_estimates:
        re_estimate(model, start.images, start.preprocessing)
    started, device = time.perf_counter(), pick_device()
    model.to(device)
    parts = []
    for i in range(0, len(start.images), BATCH):
        with torch.inference_mode():
            pixels = start.preprocessing.tensor(start.images[i : i + BATCH], device)
            parts.append(before_head(model, pixels).float().cpu())
        if on_progress:
            on_progress(min(i + BATCH, len(start.images)), len(start.images))
    speed = len(start.images) / (time.perf_counter() - started)
    model.to("cpu")
    features = torch.cat(parts).numpy()
    probe = fit_probe(
        features, start.labels, start.n_classes, balanced=balanced, seed=seed, groups=start.groups
    )
    with torch.no_grad():
        head(model).weight.copy_(probe.weight)
        head(model).bias.copy_(probe.bias)
    return FineTuned(model, [], None, speed), probe.strength
