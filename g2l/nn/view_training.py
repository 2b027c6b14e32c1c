"""A network trained to tell views of its images, under way: the same steps alone and in a team."""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from g2l.nn.augmentation import Augmentation
from g2l.nn.checkpoints import Checkpoint
from g2l.nn.contrast import Method, criterion, matched
from g2l.nn.descent import Descent
from g2l.nn.devices import memory_format, training_precision
from g2l.nn.embedders import Progress
from g2l.nn.heads import pooled
from g2l.nn.images import Images, Indices, Preprocessing
from g2l.nn.randomness import derived_seed, numpy_generator
from g2l.nn.schedule import one_cycle
from g2l.nn.team import Team
from g2l.nn.training import FINITE_EVERY, TrainingDivergedError
from g2l.nn.views import view

PROJECTION = 128  # dimensions that views are compared in; dropped after the training
WEIGHT_DECAY = 0.01
_CRITERION = "criterion."  # before the names of its weights in a checkpoint


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


@dataclass(frozen=True)
class ViewRecipe:
    """How it is trained."""

    method: Method
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    augmentation: Augmentation

    def steps(self, n_images: int) -> int:
        """Steps of an epoch; two images a step, for batch norms have none of one."""
        return max(1, min(round(n_images / self.batch_size), n_images // 2))


@dataclass(frozen=True)
class ViewTask:
    """What is trained on, and how."""

    images: Images
    preprocessing: Preprocessing
    recipe: ViewRecipe


class Projected(nn.Module):
    """A body under a projection of two layers."""

    def __init__(self, start: PreTrainedModel, preprocessing: Preprocessing, *, seed: int) -> None:
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

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, PROJECTION) of (B, C, H, W) preprocessed."""
        projected: Tensor = self.projection(pooled(self.body, pixels))
        return projected


class ViewRun:
    """One training under way."""

    def __init__(
        self, network: Projected, task: ViewTask, team: Team, *, on_progress: Progress | None = None
    ) -> None:
        self.device = team.device
        network.to(device=self.device, memory_format=memory_format(self.device))  # type: ignore[call-overload]
        self._network, self._called = team.wrapped(network)
        recipe = task.recipe
        # Every process has the whole loss, so that the criterion's own weights need no averaging.
        self._criterion = criterion(recipe.method, PROJECTION, seed=recipe.seed).to(self.device)
        self._descent = Descent(
            nn.ModuleList([self._network, self._criterion]),
            learning_rate=recipe.learning_rate,
            weight_decay=WEIGHT_DECAY,
            device=self.device,
        )
        self._task, self._team, self._on_progress = task, team, on_progress
        self._steps = recipe.steps(len(task.images))
        self.records: list[SelfSupervisedRecord] = []

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done."""
        return len(self.records) == self._task.recipe.epochs

    def epoch(self) -> None:
        """Go over the images, and note what was seen."""
        epoch, team, recipe = len(self.records), self._team, self._task.recipe
        n = len(self._task.images)
        # Dropout, where a network has it.
        torch.manual_seed(derived_seed(recipe.seed, 2, epoch * team.size + team.rank))
        self._called.train()
        order = numpy_generator(recipe.seed, 3, epoch).permutation(n)
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)  # loss * images, matched * images
        started, done = time.perf_counter(), 0
        for number, rows in enumerate(np.array_split(order, self._steps)):
            sums += self._step(epoch * self._steps + number, np.sort(rows)) * len(rows)
            done += len(rows)
            if number % FINITE_EVERY == 0 or number == self._steps - 1:
                self._require_finite([sums], "the loss")
            if self._on_progress:
                self._on_progress(epoch * n + done, recipe.epochs * n)
        seconds = time.perf_counter() - started
        team.share_buffers(self._network)
        self._require_finite(self._weights().values(), "a weight")
        loss, share = (sums / done).tolist()
        self.records.append(SelfSupervisedRecord(epoch + 1, loss, share, done / seconds))

    def _step(self, step: int, rows: Indices) -> Tensor:
        task, team = self._task, self._team
        recipe, mine = task.recipe, team.part(rows)
        pixels = task.preprocessing.tensor(task.images[mine], self.device)
        place = step * team.size + team.rank
        looks = [
            view(pixels, recipe.augmentation, seed=recipe.seed, step=place, number=number)
            for number in (0, 1)
        ]
        both = torch.cat(looks).contiguous(memory_format=memory_format(self.device))
        with training_precision(self.device):
            projected = self._called(both).float()
        counts = [len(rows[rank :: team.size]) for rank in range(team.size)]
        projected = torch.cat([team.gathered(side, counts) for side in projected.chunk(2)])
        loss = self._criterion(projected)
        self._descent.step(loss, one_cycle(step, recipe.epochs * self._steps, recipe.learning_rate))
        return torch.stack([loss.detach().double(), matched(projected.detach())])

    def _require_finite(self, values: Iterable[Tensor], what: str) -> None:
        if not all(bool(torch.isfinite(value).all()) for value in values):
            raise TrainingDivergedError(
                f"{what} is not finite in epoch {len(self.records) + 1} at a peak learning rate of "
                f"{self._task.recipe.learning_rate:g}; try a third of it",
                field="learning_rate",
            )

    def projected(self) -> dict[str, Any]:
        """The network's state."""
        return self._network.state_dict()

    def _weights(self) -> dict[str, Any]:
        """The states of network and criterion."""
        return self._network.state_dict() | self._criterion.state_dict(prefix=_CRITERION)

    def state(self, digest: str) -> Checkpoint:
        """What a later attempt goes on from."""
        return Checkpoint(
            training=digest,
            epochs=len(self.records),
            threads=torch.get_num_threads(),
            model=self._weights(),
            optimizer=self._descent.state(),
            history=[asdict(record) for record in self.records],
        )

    def restore(self, state: Checkpoint) -> None:
        """Go on from there."""
        own = {
            k.removeprefix(_CRITERION): value for k, value in state.model.items() if k.startswith(_CRITERION)
        }
        self._criterion.load_state_dict(own)
        self._network.load_state_dict({k: v for k, v in state.model.items() if not k.startswith(_CRITERION)})
        self._descent.restore(state.optimizer)
        self.records = [SelfSupervisedRecord(**record) for record in state.history]


def view_digest(task: ViewTask, network: PreTrainedModel) -> str:
    """What a checkpoint must agree on: settings, network, and the images by sample."""
    images = task.images
    settings = [asdict(task.recipe), asdict(task.preprocessing), list(images.shape), str(images.dtype)]
    about = [network.config.model_type, network.num_parameters()]
    digest = hashlib.sha256(json.dumps([settings, about]).encode())
    digest.update(np.ascontiguousarray(images[:: len(images) // 16 + 1]).tobytes())
    return digest.hexdigest()
