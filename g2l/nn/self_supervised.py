"""Training without labels: two views of an image are to be told from the views of all others."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from g2l.nn.augmentation import Augmentation
from g2l.nn.checkpoints import Checkpoint, load_checkpoint
from g2l.nn.contrast import Method
from g2l.nn.embedders import Progress
from g2l.nn.epochs import to_the_end
from g2l.nn.heads import body
from g2l.nn.images import Images, Preprocessing, require_images
from g2l.nn.pretrain import TooFewImagesError
from g2l.nn.starts import start_of
from g2l.nn.team import MappedFile, Team, closed, led, opened, team_size
from g2l.nn.view_training import Projected, SelfSupervisedRecord, ViewRecipe, ViewRun, ViewTask, view_digest
from g2l.nn.zoo import DEFAULT_ARCHITECTURE

DEFAULT_LEARNING_RATE = 2e-3


OnEpoch = Callable[[SelfSupervisedRecord], None]


@dataclass(frozen=True)
class SelfSupervised:
    """A network that was trained without labels.

    Attributes:
        model: a body without classifier, on the CPU, in evaluation mode.
        preprocessing: what its input goes through.
        dim: width of its pooled responses.
        history: a record an epoch.
        n_train: images trained on.
    """

    model: PreTrainedModel
    preprocessing: Preprocessing
    dim: int
    history: list[SelfSupervisedRecord]
    n_train: int


def pretrain_self_supervised(  # noqa: PLR0913  (each is a field of the request)
    images: Images,
    *,
    method: Method = "simclr",
    arch: str = DEFAULT_ARCHITECTURE,
    epochs: int = 20,
    image_size: int | None = None,
    batch_size: int = 128,
    learning_rate: float = DEFAULT_LEARNING_RATE,
    seed: int = 0,
    augmentation: Augmentation = "crop",
    init: Path | None = None,
    on_progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    processes: int | None = None,
) -> SelfSupervised:
    """Train a network's body on unlabelled images.

    With the same arguments, thread count and machine the weights are bit-equal on a CPU, also when the
    training was cut between and goes on from its checkpoint.

    Args:
        images: (N, H, W, C) uint8 or uint16; a memmap will do.
        method: "simclr" tells each view from all others of the batch (NT-Xent; T. Chen and others, arXiv
            2002.05709); "vicreg" pulls views together and keeps the dimensions of the projection spread and
            uncorrelated (A. Bardes and others, arXiv 2105.04906); "swav" guesses from each view to which of
            some prototypes, evenly filled, the other was assigned (M. Caron and others, arXiv 2006.09882;
            two views of one size).
        arch: one of `g2l.nn.zoo.ARCHITECTURES`; of no effect with `init`.
        epochs: passes over the images.
        image_size: side in pixels of the network's input; if None the images' own, or that of `init`.
        batch_size: images a step; `simclr` tells apart twice as many views.
        learning_rate: peak of the one-cycle schedule.
        seed: decides weights, order and views.
        augmentation: how views may be moved, see `g2l.nn.views.view`.
        init: folder of a model whose body is trained on instead of a random one.
        on_progress: called with images done and in all after every step; may raise to stop.
        on_epoch: called with each epoch's record, first with those that the checkpoint has already.
        checkpoint: file to go on from, rewritten after every epoch.
        processes: that train together, each view being told from those of all; one a CUDA device, else one,
            if None.

    Returns:
        the body, without the projection that it was trained through.

    Raises:
        NotImagesError: `images` is no batch of images.
        TooFewImagesError: there are fewer than two.
        UnknownArchitectureError, ArchitectureTooDeepError: see `build`.
        ChannelMismatchError, SizeNotTakenError: the model of `init` takes other images.
        TrainingDivergedError: the loss is not finite.
        CheckpointMismatchError: the checkpoint is of another training.
        TeamLostError: one of several processes has died.
    """
    require_images(images)
    if len(images) < 2:
        raise TooFewImagesError(f"{len(images)} image was given; training without labels needs at least 2")
    start, preprocessing = start_of(
        images, init=init, arch=arch, image_size=image_size, n_outputs=2, seed=seed
    )
    recipe = ViewRecipe(method, epochs, batch_size, learning_rate, seed, augmentation)
    task = ViewTask(images, preprocessing, recipe)
    network = Projected(body(start), preprocessing, seed=seed)
    digest = view_digest(task, network.body)
    state = load_checkpoint(checkpoint, training=digest) if checkpoint else None
    size = team_size(processes, len(images) // recipe.steps(len(images)))
    threads = state.threads if state else max(1, torch.get_num_threads() // size)
    with led(size, _train_along, network, closed(images), preprocessing, recipe, state, threads) as team:
        run = ViewRun(network, task, team, on_progress=on_progress)
        to_the_end(run, state, threads=threads, on_epoch=on_epoch, checkpoint=checkpoint, digest=digest)
    network.load_state_dict(run.projected())
    network.to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    network.eval()
    return SelfSupervised(network.body, preprocessing, network.dim, run.records, len(images))


def _train_along(
    team: Team,
    network: Projected,
    images: Images | MappedFile,
    preprocessing: Preprocessing,
    recipe: ViewRecipe,
    state: Checkpoint | None,
    threads: int,
) -> None:
    """The same training in another process of the team; what comes of it is kept by the first."""
    state = deepcopy(state)  # what was handed over is memory that all share
    run = ViewRun(network, ViewTask(opened(images), preprocessing, recipe), team)
    to_the_end(run, state, threads=threads)
