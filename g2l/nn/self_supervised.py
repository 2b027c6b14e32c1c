"""Training without labels: two views of an image are to be told from the views of all others."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from g2l.nn.augmentation import Augmentation
from g2l.nn.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from g2l.nn.contrast import Method, criterion, matched
from g2l.nn.descent import Descent
from g2l.nn.devices import memory_format, pick_device, training_precision
from g2l.nn.embedders import Progress
from g2l.nn.heads import body, pooled
from g2l.nn.images import Images, Indices, Preprocessing, fit_preprocessing, require_images
from g2l.nn.models import load_model
from g2l.nn.pretrain import TooFewImagesError
from g2l.nn.randomness import derived_seed, numpy_generator
from g2l.nn.schedule import one_cycle
from g2l.nn.training import FINITE_EVERY, TrainingDivergedError, isolated
from g2l.nn.views import view
from g2l.nn.zoo import DEFAULT_ARCHITECTURE, build

PROJECTION = 128  # dimensions that views are compared in; dropped after the training
WEIGHT_DECAY = 0.01
DEFAULT_LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class SelfSupervisedRecord:
    """What one epoch of training without labels showed.

    Attributes:
        epoch: from 1 on.
        loss: mean over the epoch's views; in nats for `simclr`.
        matched: share of the views to which the other view of their image was nearest in the batch.
        images_per_second: images, of which each was seen twice.
    """

    epoch: int
    loss: float
    matched: float
    images_per_second: float


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


@dataclass(frozen=True)
class _Recipe:
    method: Method
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    augmentation: Augmentation

    def steps(self, n_images: int) -> int:
        """Steps of an epoch; two images a step, for batch norms have none of one."""
        return max(1, min(round(n_images / self.batch_size), n_images // 2))


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
        image_size: side in pixels of the network's input; the images' own if None.
        batch_size: images a step; `simclr` tells apart twice as many views.
        learning_rate: peak of the one-cycle schedule.
        seed: decides weights, order and views.
        augmentation: how views may be moved, see `g2l.nn.views.view`.
        init: folder of a model whose body is trained on instead of a random one.
        on_progress: called with images done and in all after every step; may raise to stop.
        on_epoch: called with each epoch's record, first with those that the checkpoint has already.
        checkpoint: file to go on from, rewritten after every epoch.

    Returns:
        the body, without the projection that it was trained through.

    Raises:
        NotImagesError: `images` is no batch of images.
        TooFewImagesError: there are fewer than two.
        UnknownArchitectureError, ArchitectureTooDeepError: see `build`.
        ChannelMismatchError: the model of `init` takes other channels.
        TrainingDivergedError: the loss is not finite.
        CheckpointMismatchError: the checkpoint is of another training.
    """
    require_images(images)
    if len(images) < 2:
        raise TooFewImagesError(f"{len(images)} image was given; training without labels needs at least 2")
    if init is None:
        side = image_size or images.shape[1]
        preprocessing = fit_preprocessing(images, image_size=side)
        start = build(arch, n_outputs=2, channels=images.shape[3], image_size=side, seed=seed)
    else:
        loaded = load_model(init)
        preprocessing, start = loaded.preprocessing, loaded.model
    network = _Projected(body(start), preprocessing, method, seed=seed)
    recipe = _Recipe(method, epochs, batch_size, learning_rate, seed, augmentation)
    run = _Run(network, images, preprocessing, recipe, on_progress=on_progress)
    history = run.to_the_end(checkpoint, on_epoch)
    return SelfSupervised(network.body, preprocessing, network.dim, history, len(images))


class _Projected(nn.Module):
    """A body under a projection of two layers, and the loss of what comes out."""

    def __init__(
        self, start: PreTrainedModel, preprocessing: Preprocessing, method: Method, *, seed: int
    ) -> None:
        super().__init__()
        self.body = start.eval()
        with torch.inference_mode():
            blank = torch.zeros(1, preprocessing.channels, *preprocessing.size)
            self.dim = pooled(self.body, blank).shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, 11))
            self.projection = nn.Sequential(
                nn.Linear(self.dim, 2 * self.dim, bias=False),
                nn.BatchNorm1d(2 * self.dim),
                nn.ReLU(),
                nn.Linear(2 * self.dim, PROJECTION),
            )
        self.criterion = criterion(method, PROJECTION, seed=seed)  # trained too where it has weights

    def forward(self, pixels: Tensor) -> Tensor:
        projected: Tensor = self.projection(pooled(self.body, pixels))
        return projected


class _Run:
    """One training under way."""

    def __init__(
        self,
        network: _Projected,
        images: Images,
        preprocessing: Preprocessing,
        recipe: _Recipe,
        *,
        on_progress: Progress | None,
    ) -> None:
        self._device = pick_device()
        network.to(device=self._device, memory_format=memory_format(self._device))  # type: ignore[call-overload]
        self._descent = Descent(
            network, learning_rate=recipe.learning_rate, weight_decay=WEIGHT_DECAY, device=self._device
        )
        self._network, self._images, self._preprocessing = network, images, preprocessing
        self._recipe, self._on_progress = recipe, on_progress
        self._steps = recipe.steps(len(images))
        self._records: list[SelfSupervisedRecord] = []

    def to_the_end(self, checkpoint: Path | None, on_epoch: OnEpoch | None) -> list[SelfSupervisedRecord]:
        digest, tell = self._digest(), on_epoch or (lambda _: None)
        state = load_checkpoint(checkpoint, training=digest) if checkpoint else None
        with isolated(state.threads if state else torch.get_num_threads(), self._device):
            if state:
                self._network.load_state_dict(state.model)
                self._descent.restore(state.optimizer)
                self._records = [SelfSupervisedRecord(**record) for record in state.history]
            for record in self._records:
                tell(record)
            while len(self._records) < self._recipe.epochs:
                self._records.append(self._epoch(len(self._records)))
                if checkpoint:
                    save_checkpoint(checkpoint, self._state(digest))
                tell(self._records[-1])
        self._network.to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._network.eval()
        return self._records

    def _state(self, digest: str) -> Checkpoint:
        return Checkpoint(
            training=digest,
            epochs=len(self._records),
            threads=torch.get_num_threads(),
            model=self._network.state_dict(),
            optimizer=self._descent.state(),
            history=[asdict(record) for record in self._records],
        )

    def _epoch(self, epoch: int) -> SelfSupervisedRecord:
        recipe, n = self._recipe, len(self._images)
        torch.manual_seed(derived_seed(recipe.seed, 2, epoch))  # dropout, where a network has it
        self._network.train()
        order = numpy_generator(recipe.seed, 3, epoch).permutation(n)
        sums = torch.zeros(2, dtype=torch.float64, device=self._device)  # loss * images, matched * images
        started, done = time.perf_counter(), 0
        for number, rows in enumerate(np.array_split(order, self._steps)):
            sums += self._step(epoch * self._steps + number, np.sort(rows)) * len(rows)
            done += len(rows)
            if number % FINITE_EVERY == 0 or number == self._steps - 1:
                self._require_finite([sums], "the loss")
            if self._on_progress:
                self._on_progress(epoch * n + done, recipe.epochs * n)
        seconds = time.perf_counter() - started
        self._require_finite(self._network.state_dict().values(), "a weight")
        loss, share = (sums / done).tolist()
        return SelfSupervisedRecord(epoch + 1, loss, share, done / seconds)

    def _step(self, step: int, rows: Indices) -> Tensor:
        recipe = self._recipe
        pixels = self._preprocessing.tensor(self._images[rows], self._device)
        looks = [
            view(pixels, recipe.augmentation, seed=recipe.seed, step=step, number=number) for number in (0, 1)
        ]
        both = torch.cat(looks).contiguous(memory_format=memory_format(self._device))
        with training_precision(self._device):
            projected = self._network(both).float()
        loss = self._network.criterion(projected)
        self._descent.step(loss, one_cycle(step, recipe.epochs * self._steps, recipe.learning_rate))
        return torch.stack([loss.detach().double(), matched(projected.detach())])

    def _require_finite(self, values: Iterable[Tensor], what: str) -> None:
        if not all(bool(torch.isfinite(value).all()) for value in values):
            raise TrainingDivergedError(
                f"{what} is not finite in epoch {len(self._records) + 1} at a peak learning rate of "
                f"{self._recipe.learning_rate:g}; try a third of it",
                field="learning_rate",
            )

    def _digest(self) -> str:
        """What a checkpoint must agree on: settings, network, and the images by sample."""
        images = self._images
        settings = [asdict(self._recipe), asdict(self._preprocessing), list(images.shape), str(images.dtype)]
        network = [self._network.body.config.model_type, self._network.body.num_parameters()]
        digest = hashlib.sha256(json.dumps([settings, network]).encode())
        digest.update(np.ascontiguousarray(images[:: len(images) // 16 + 1]).tobytes())
        return digest.hexdigest()
