"""Pretraining: images and pseudo-labels in, a source model out."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedModel

from g2l.errors import G2LError
from g2l.nn.augmentation import Augmentation
from g2l.nn.heads import classifier_on
from g2l.nn.images import Images, Indices, Preprocessing, require_images
from g2l.nn.objectives import Heads, Objective, TargetError, Targets, objective
from g2l.nn.randomness import numpy_generator
from g2l.nn.recipes import Balance, Recipe, Task
from g2l.nn.records import EpochRecord, kept_epoch
from g2l.nn.starts import start_of
from g2l.nn.team import team_size
from g2l.nn.training import OnEpoch, Progress, fit
from g2l.nn.zoo import DEFAULT_ARCHITECTURE

VALIDATION_SHARE = 0.1
MOST_HELD_OUT = 5000
FEWEST_TO_HOLD_OUT = 20  # with fewer usable images all are trained on
DEFAULT_LEARNING_RATE = 4e-3


class TooFewImagesError(G2LError):
    """There are not two images to train on."""

    code: ClassVar[str] = "too-few-images"
    title: ClassVar[str] = "Too few images to train on"


@dataclass(frozen=True)
class TrainedHead:
    """Outputs of the classifier that were trained towards one kind of targets.

    Attributes:
        first: number of its first output.
        n_positions: softmaxes that its outputs are cut into.
        n_classes: outcomes of each.
        accuracy: its source accuracy; None if no held-out image has a target.
    """

    first: int
    n_positions: int
    n_classes: int
    accuracy: float | None


@dataclass(frozen=True)
class Pretrained:
    """A source model and how its training went.

    Attributes:
        model: the network, on the CPU, in evaluation mode.
        preprocessing: what its input goes through.
        history: a record an epoch.
        best_epoch: the one whose weights these are: with patience the best on held-out images, else the last.
        accuracy: source accuracy, the share of held-out images (and positions) whose likeliest outcome is
            the target's, the mean over the heads; None if there were too few images to hold any out.
        heads: what the classifier's outputs are, in order.
        n_train: images trained on.
        n_held_out: images of the validation part.
    """

    model: PreTrainedModel
    preprocessing: Preprocessing
    history: list[EpochRecord]
    best_epoch: int
    accuracy: float | None
    heads: tuple[TrainedHead, ...]
    n_train: int
    n_held_out: int


def pretrain(  # noqa: PLR0913  (each is a field of the request)
    images: Images,
    targets: Targets | Objective,
    *,
    arch: str = DEFAULT_ARCHITECTURE,
    heads: Heads = "flat",
    n_classes: int | None = None,
    epochs: int = 6,
    image_size: int | None = None,
    batch_size: int = 128,
    learning_rate: float = DEFAULT_LEARNING_RATE,
    seed: int = 0,
    balance: Balance = "none",
    augmentation: Augmentation = "crop",
    validation_share: float = VALIDATION_SHARE,
    groups: npt.NDArray[np.integer] | None = None,
    patience: int | None = None,
    init: Path | None = None,
    on_progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    processes: int | None = None,
) -> Pretrained:
    """Train a network on pseudo-labels (or any labels) of unlabelled images.

    Args:
        images: (N, H, W, C) uint8 or uint16; a memmap will do.
        targets: what `objective` takes: class ids, ids a position, or distributions; or an objective, such
            as a `joint` one of several heads.
        arch: one of `g2l.nn.zoo.ARCHITECTURES`; of no effect with `init`.
        heads: one softmax, or one a position; of no effect with an objective.
        n_classes: outcomes of hard targets; the largest id + 1 if None; of no effect with an objective.
        epochs: passes over the images.
        image_size: side in pixels of the network's input; if None the images' own, or that of `init`.
        batch_size: images a step.
        learning_rate: peak of the one-cycle schedule.
        seed: decides weights, split, order and augmentation.
        balance: what is done about classes of unequal size, see `Recipe`.
        augmentation: how training images are moved, see `augment`.
        validation_share: of the images, held out; at most `MOST_HELD_OUT`, none of fewer than
            `FEWEST_TO_HOLD_OUT`.
        groups: (N,) a number for the group of each image, 0 without one; images of one group are all
            trained on or all held out. None: no image has one.
        patience: epochs without a better held-out loss after which training stops and goes back to the best
            epoch; None trains to the end. Of no effect where nothing is held out.
        init: folder of a model whose body is trained on instead of a random one.
        on_progress: called with images done and in all after every step; may raise to stop.
        on_epoch: called with each epoch's record.
        checkpoint: file to go on from, rewritten after every epoch.
        processes: that train together; one a CUDA device, else one, if None.

    Returns:
        the source model.

    Raises:
        NotImagesError: `images` is no batch of images.
        TargetError: the targets fit neither images nor heads.
        TooFewImagesError: fewer than two images have a target.
        UnknownArchitectureError, ArchitectureTooDeepError: see `build`.
        ChannelMismatchError, SizeNotTakenError: the model of `init` takes other images.
        TrainingDivergedError: the loss is not finite.
        CheckpointMismatchError: the checkpoint is of another training.
        TeamLostError: one of several processes has died.
    """
    require_images(images)
    aim = targets
    if not isinstance(aim, Objective):
        aim = objective(aim, heads=heads, n_classes=n_classes)
    if len(aim) != len(images):
        raise TargetError(f"got {len(aim)} targets for {len(images)} images", field="targets")
    train, held_out = split(aim.usable(), validation_share, groups, seed=seed)
    model, preprocessing = start_of(
        images, init=init, arch=arch, image_size=image_size, n_outputs=aim.n_outputs, seed=seed
    )
    if init is not None:
        model = classifier_on(model, aim.n_outputs, seed=seed)
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        balance=balance,
        augmentation=augmentation,
        patience=patience,
    )
    task = Task(images, aim, preprocessing, train, held_out)
    history = fit(
        model,
        task,
        recipe,
        on_progress=on_progress,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        processes=team_size(processes, len(train) // recipe.steps(len(train))),
    )
    best = history[kept_epoch(history, patience) - 1]
    return Pretrained(
        model=model,
        preprocessing=preprocessing,
        history=history,
        best_epoch=best.epoch,
        accuracy=best.accuracy,
        heads=tuple(
            TrainedHead(outputs.start, head.n_positions, head.n_classes, accuracy)
            for head, outputs, accuracy in zip(
                aim.heads, aim.outputs(), best.head_accuracies or (None,) * len(aim.heads), strict=True
            )
        ),
        n_train=len(train),
        n_held_out=len(held_out),
    )


def split(
    usable: Indices, share: float, groups: npt.NDArray[np.integer] | None, *, seed: int
) -> tuple[Indices, Indices]:
    """The images to train on, and those held out.

    Args:
        usable: (N,) indices of images that have a target.
        share: of them to hold out; at most `MOST_HELD_OUT`, none of fewer than `FEWEST_TO_HOLD_OUT`.
        groups: a number for the group of every image, 0 without one; groups are whole on one side, and one
            at least is trained on.
        seed: decides which.

    Returns:
        two arrays of ascending indices.
    """
    if len(usable) < 2:
        raise TooFewImagesError(f"{len(usable)} images have a target; training needs at least 2")
    usable = numpy_generator(seed, 4).permutation(usable)
    wanted = min(int(len(usable) * share), MOST_HELD_OUT) if len(usable) >= FEWEST_TO_HOLD_OUT else 0
    if groups is None or wanted == 0:
        return np.sort(usable[wanted:]), np.sort(usable[:wanted])
    _, named = np.unique(groups[usable], return_inverse=True)
    own = np.where(groups[usable] == 0, len(usable) + np.arange(len(usable)), named)
    _, first, group, sizes = np.unique(own, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)  # by seed, since the images are
    ends = np.cumsum(sizes[order])[:-1]  # a group stays for training
    n_groups = 1 + int(np.abs(ends - wanted).argmin()) if len(ends) else 0
    held_out = np.isin(group, order[:n_groups])
    return np.sort(usable[~held_out]), np.sort(usable[held_out])
