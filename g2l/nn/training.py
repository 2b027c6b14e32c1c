"""The training loop that pretraining and transfer share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from g2l.errors import G2LError
from g2l.nn.augmentation import augment
from g2l.nn.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from g2l.nn.devices import memory_format, pick_device, training_precision
from g2l.nn.images import Images, Indices, Preprocessing
from g2l.nn.randomness import derived_seed
from g2l.nn.recipes import Recipe, Task, epoch_order, training_digest
from g2l.nn.schedule import one_cycle

Progress = Callable[[int, int], None]

GRADIENT_NORM = 1.0  # clipped to
FINITE_EVERY = 16  # steps between looks at the loss, which on CUDA waits for the device
EVALUATION_BATCH = 256


class TrainingDivergedError(G2LError):
    """The loss is not a finite number any more."""

    code: ClassVar[str] = "training-diverged"
    title: ClassVar[str] = "The training diverged"


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch showed.

    Attributes:
        epoch: from 1 on.
        loss: mean over the epoch's augmented images, in nats.
        train_accuracy: share of its augmented images (and positions) that were right while training.
        accuracy: the same on the held-out images; None if there are none.
        images_per_second: training alone, evaluation left out.
    """

    epoch: int
    loss: float
    train_accuracy: float
    accuracy: float | None
    images_per_second: float


def fit(
    model: PreTrainedModel,
    task: Task,
    recipe: Recipe,
    *,
    on_progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> list[EpochRecord]:
    """Train a network in place.

    With the same arguments, thread count and machine the weights are bit-equal on a CPU, also when the
    training was cut between and goes on from its checkpoint.

    Args:
        model: its classifier has `task.objective.n_outputs` outputs; moved to the device and back.
        task: images, targets and which of them to train on.
        recipe: how.
        on_progress: called with images done and in all after every step; may raise to stop.
        checkpoint: file to go on from if it is there, rewritten after every epoch.

    Returns:
        a record for each epoch.

    Raises:
        TrainingDivergedError: the loss is not finite.
        CheckpointMismatchError: the file is of another training.
    """
    state = load_checkpoint(checkpoint, training=training_digest(model, task, recipe)) if checkpoint else None
    device = pick_device()
    model.to(device=device, memory_format=memory_format(device))
    optimizer = adamw(model, learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay)
    records: list[EpochRecord] = []
    if state:
        model.load_state_dict(state.model)
        optimizer.load_state_dict(state.optimizer)
        records = [EpochRecord(**record) for record in state.history]
    run = _Run(model, optimizer, task, recipe, device=device, on_progress=on_progress)
    with isolated(state.threads if state else torch.get_num_threads(), device):
        for epoch in range(len(records), recipe.epochs):
            records.append(run.epoch(epoch))
            if checkpoint:
                save_checkpoint(checkpoint, run.state(records))
    model.to(device="cpu", memory_format=torch.contiguous_format)
    model.eval()
    return records


@contextmanager
def isolated(threads: int, device: torch.device) -> Iterator[None]:
    """Torch's thread count as asked for, and its global generators untouched afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """One training under way."""

    def __init__(
        self,
        model: PreTrainedModel,
        optimizer: torch.optim.Optimizer,
        task: Task,
        recipe: Recipe,
        *,
        device: torch.device,
        on_progress: Progress | None,
    ) -> None:
        self._model, self._optimizer, self._task, self._recipe = model, optimizer, task, recipe
        self._device, self._on_progress = device, on_progress
        self._images = len(task.train) * recipe.repeats
        self._steps = recipe.steps(len(task.train))
        self._digest = training_digest(model, task, recipe)

    def epoch(self, epoch: int) -> EpochRecord:
        torch.manual_seed(derived_seed(self._recipe.seed, 2, epoch))  # dropout, where a network has it
        self._model.train()
        order = epoch_order(self._task, self._recipe, epoch)
        sums = torch.zeros(3, dtype=torch.float64, device=self._device)  # loss * images, hits, positions
        started, done = time.perf_counter(), 0
        for number, rows in enumerate(np.array_split(order, self._steps)):
            sums += self._step(epoch * self._steps + number, rows)
            done += len(rows)
            if number % FINITE_EVERY == 0 or number == self._steps - 1:
                self._require_finite(sums, epoch)
            if self._on_progress:
                self._on_progress(epoch * self._images + done, self._recipe.epochs * self._images)
        seconds = time.perf_counter() - started
        loss, hits, positions = sums.tolist()
        return EpochRecord(
            epoch=epoch + 1,
            loss=loss / done,
            train_accuracy=hits / max(1, positions),
            accuracy=self._held_out_accuracy(),
            images_per_second=done / seconds,
        )

    def _step(self, step: int, rows: Indices) -> Tensor:
        recipe, task = self._recipe, self._task
        rate = one_cycle(step, recipe.epochs * self._steps, recipe.learning_rate)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        pixels = task.preprocessing.tensor(task.images[rows], self._device)
        pixels = augment(pixels, recipe.augmentation, seed=recipe.seed, step=step)
        picked = torch.from_numpy(rows)
        with training_precision(self._device):
            logits = self._model(pixels.contiguous(memory_format=memory_format(self._device))).logits
        loss = task.objective.loss(logits, picked)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._model.parameters(), GRADIENT_NORM)
        self._optimizer.step()
        hits, positions = task.objective.hits(logits.detach(), picked)
        return torch.stack([loss.detach().double() * len(rows), hits.double(), positions.double()])

    def _require_finite(self, sums: Tensor, epoch: int) -> None:
        if not bool(torch.isfinite(sums).all()):
            raise TrainingDivergedError(
                f"the loss is not finite in epoch {epoch + 1} at a peak learning rate of "
                f"{self._recipe.learning_rate:g}; try a third of it",
                field="learning_rate",
            )

    def _held_out_accuracy(self) -> float | None:
        rows = self._task.held_out
        if len(rows) == 0:
            return None
        hits = positions = 0
        for part in np.array_split(rows, -(-len(rows) // EVALUATION_BATCH)):
            logits = predict(self._model, self._task.images[part], self._task.preprocessing)
            right, known = self._task.objective.hits(logits, torch.from_numpy(part))
            hits, positions = hits + int(right), positions + int(known)
        return hits / max(1, positions)

    def state(self, records: list[EpochRecord]) -> Checkpoint:
        return Checkpoint(
            training=self._digest,
            epochs=len(records),
            threads=torch.get_num_threads(),
            model=self._model.state_dict(),
            optimizer=self._optimizer.state_dict(),
            history=[asdict(record) for record in records],
        )


def predict(model: PreTrainedModel, images: Images, preprocessing: Preprocessing) -> Tensor:
    """Logits of one batch in float32, without gradients, on the model's device.

    Args:
        model: a classifier; put into evaluation mode.
        images: (B, H, W, C) uint8 or uint16.
        preprocessing: the model's.

    Returns:
        (B, n_outputs) float32.
    """
    model.eval()
    with torch.inference_mode():
        logits: Tensor = model(preprocessing.tensor(images, model.device)).logits
    return logits.float()


def adamw(model: nn.Module, *, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; biases, norms and lone vectors (at most one axis) do not decay."""
    weights = list(model.parameters())
    return torch.optim.AdamW(
        [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": weight_decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=learning_rate,
        fused=True,
    )
