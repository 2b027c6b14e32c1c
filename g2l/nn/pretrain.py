"""Pretraining: images and pseudo-labels in, a source model out."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from transformers import PreTrainedModel

from g2l.errors import G2LError
from g2l.nn.augmentation import Augmentation
from g2l.nn.heads import classifier_on
from g2l.nn.images import Images, Indices, Preprocessing, fit_preprocessing, require_images
from g2l.nn.models import load_model
from g2l.nn.objectives import Heads, Objective, TargetError, Targets, objective
from g2l.nn.randomness import numpy_generator
from g2l.nn.recipes import Recipe, Task
from g2l.nn.training import EpochRecord, Progress, fit
from g2l.nn.zoo import DEFAULT_ARCHITECTURE, build

HELD_OUT_SHARE = 0.1
MOST_HELD_OUT = 5000
FEWEST_TO_HOLD_OUT = 20  # with fewer usable images all are trained on
DEFAULT_LEARNING_RATE = 4e-3


class TooFewImagesError(G2LError):
    """There are not two images to train on."""

    code: ClassVar[str] = "too-few-images"
    title: ClassVar[str] = "Too few images to train on"


@dataclass(frozen=True)
class Pretrained:
    """A source model and how its training went.

    Attributes:
        model: the network, on the CPU, in evaluation mode.
        preprocessing: what its input goes through.
        history: a record an epoch.
        accuracy: source accuracy, the share of held-out images (and positions) whose likeliest outcome is
            the target's; None if there were too few images to hold any out.
        n_positions: softmaxes that the classifier's outputs are cut into.
        n_classes: outcomes of each.
        n_train: images trained on.
        n_held_out: images of the validation part.
    """

    model: PreTrainedModel
    preprocessing: Preprocessing
    history: list[EpochRecord]
    accuracy: float | None
    n_positions: int
    n_classes: int
    n_train: int
    n_held_out: int


def pretrain(  # noqa: PLR0913  (each is a field of the request)
    images: Images,
    targets: Targets,
    *,
    arch: str = DEFAULT_ARCHITECTURE,
    heads: Heads = "flat",
    n_classes: int | None = None,
    epochs: int = 6,
    image_size: int | None = None,
    batch_size: int = 128,
    learning_rate: float = DEFAULT_LEARNING_RATE,
    seed: int = 0,
    balanced: bool = False,
    augmentation: Augmentation = "crop",
    init: Path | None = None,
    on_progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Pretrained:
    """Train a network on pseudo-labels (or any labels) of unlabelled images.

    Args:
        images: (N, H, W, C) uint8 or uint16; a memmap will do.
        targets: what `objective` takes: class ids, ids a position, or distributions.
        arch: one of `g2l.nn.zoo.ARCHITECTURES`; of no effect with `init`.
        heads: one softmax, or one a position.
        n_classes: outcomes of hard targets; the largest id + 1 if None.
        epochs: passes over the images.
        image_size: side in pixels of the network's input; the images' own size if None.
        batch_size: images a step.
        learning_rate: peak of the one-cycle schedule.
        seed: decides weights, split, order and augmentation.
        balanced: draw classes evenly.
        augmentation: how training images are moved, see `augment`.
        init: folder of a model whose body is trained on instead of a random one.
        on_progress: called with images done and in all after every step; may raise to stop.
        checkpoint: file to go on from, rewritten after every epoch.

    Returns:
        the source model.

    Raises:
        NotImagesError: `images` is no batch of images.
        TargetError: the targets fit neither images nor heads.
        TooFewImagesError: fewer than two images have a target.
        UnknownArchitectureError, ArchitectureTooDeepError: see `build`.
        ChannelMismatchError: the model of `init` takes other channels.
        TrainingDivergedError: the loss is not finite.
        CheckpointMismatchError: the checkpoint is of another training.
    """
    require_images(images)
    aim = objective(targets, heads=heads, n_classes=n_classes)
    if len(aim.values) != len(images):
        raise TargetError(f"got {len(aim.values)} targets for {len(images)} images", field="targets")
    train, held_out = _split(aim, seed)
    if init is None:
        side = image_size or images.shape[1]
        preprocessing = fit_preprocessing(images, image_size=side)
        model = build(arch, n_outputs=aim.n_outputs, channels=images.shape[3], image_size=side, seed=seed)
    else:
        loaded = load_model(init)
        preprocessing = loaded.preprocessing
        model = classifier_on(loaded.model, aim.n_outputs, seed=seed)
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        balanced=balanced,
        augmentation=augmentation,
    )
    task = Task(images, aim, preprocessing, train, held_out)
    history = fit(model, task, recipe, on_progress=on_progress, checkpoint=checkpoint)
    return Pretrained(
        model=model,
        preprocessing=preprocessing,
        history=history,
        accuracy=history[-1].accuracy,
        n_positions=aim.n_positions,
        n_classes=aim.n_classes,
        n_train=len(train),
        n_held_out=len(held_out),
    )


def _split(aim: Objective, seed: int) -> tuple[Indices, Indices]:
    """A tenth of the images that have a target, at most `MOST_HELD_OUT`, held out by seed."""
    usable = numpy_generator(seed, 4).permutation(aim.usable())
    if len(usable) < 2:
        raise TooFewImagesError(f"{len(usable)} images have a target; training needs at least 2")
    enough = len(usable) >= FEWEST_TO_HOLD_OUT
    held_out = min(int(len(usable) * HELD_OUT_SHARE), MOST_HELD_OUT) if enough else 0
    return np.sort(usable[held_out:]), np.sort(usable[:held_out])
