"""The training loop that pretraining and transfer share."""

import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from g2l.errors import G2LError
from g2l.nn.augmentation import augment
from g2l.nn.checkpoints import Checkpoint, load_checkpoint
from g2l.nn.descent import Descent
from g2l.nn.devices import memory_format, training_precision
from g2l.nn.epochs import to_the_end
from g2l.nn.images import Images, Indices, Preprocessing
from g2l.nn.objectives import Measured
from g2l.nn.randomness import derived_seed
from g2l.nn.recipes import Recipe, Task, epoch_order, training_digest
from g2l.nn.records import EpochRecord, kept_epoch, mean_accuracy, out_of_patience
from g2l.nn.schedule import one_cycle
from g2l.nn.team import MappedFile, Team, closed, led, opened

Progress = Callable[[int, int], None]
OnEpoch = Callable[[EpochRecord], None]

FINITE_EVERY = 16  # steps between looks at the loss, which on CUDA waits for the device
EVALUATION_BATCH = 256
DIVERGED = 10.0  # times the loss of guessing evenly; a rate that is only too high stays far below


class TrainingDivergedError(G2LError):
    """The loss is not a finite number any more, or far above that of guessing."""

    code: ClassVar[str] = "training-diverged"
    title: ClassVar[str] = "The training diverged"


def fit(
    model: PreTrainedModel,
    task: Task,
    recipe: Recipe,
    *,
    on_progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    processes: int = 1,
) -> list[EpochRecord]:
    """Train a network in place.

    With the same arguments, thread count and machine the weights are bit-equal on a CPU, also when the
    training was cut between and goes on from its checkpoint. Several processes share each batch among them;
    a step's gradient is that of the whole batch, but for batch norms on CPUs, which see a part each.

    Args:
        model: its classifier has `task.objective.n_outputs` outputs; moved to the device and back.
        task: images, targets and which of them to train on.
        recipe: how.
        on_progress: called with images done and in all after every step; may raise to stop.
        on_epoch: called with each epoch's record, first with those that the checkpoint has already.
        checkpoint: file to go on from if it is there, rewritten after every epoch.
        processes: that train together, each on a CUDA device of its own or on the CPU; this one among them.

    Returns:
        a record for each epoch; the weights are those after epoch `kept_epoch(records, recipe.patience)`.

    Raises:
        TrainingDivergedError: the loss or a weight is not finite, or the mean loss of an epoch is over
            `DIVERGED` times that of guessing.
        CheckpointMismatchError: the file is of another training.
        TeamLostError: one of several processes has died.
    """
    digest = training_digest(model, task, recipe)
    state = load_checkpoint(checkpoint, training=digest) if checkpoint else None
    threads = state.threads if state else max(1, torch.get_num_threads() // processes)
    pictureless = replace(task, images=task.images[:0])
    handed = (model, pictureless, closed(task.images), recipe, state, threads)
    with led(processes, _train_along, *handed) as team:
        run = _Run(model, task, recipe, team, on_progress=on_progress)
        to_the_end(run, state, threads=threads, on_epoch=on_epoch, checkpoint=checkpoint, digest=digest)
        run.keep_best()
    model.load_state_dict(run.weights())
    model.to(device="cpu", memory_format=torch.contiguous_format)
    model.eval()
    return run.records


def _train_along(
    team: Team,
    model: PreTrainedModel,
    task: Task,
    images: Images | MappedFile,
    recipe: Recipe,
    state: Checkpoint | None,
    threads: int,
) -> None:
    """The same training in another process of the team; what comes of it is kept by the first."""
    state = deepcopy(state)  # what was handed over is memory that all share
    run = _Run(model, replace(task, images=opened(images)), recipe, team)
    to_the_end(run, state, threads=threads)


class _Run:
    """One training under way."""

    def __init__(
        self,
        model: PreTrainedModel,
        task: Task,
        recipe: Recipe,
        team: Team,
        *,
        on_progress: Progress | None = None,
    ) -> None:
        self.device = team.device
        model.to(device=self.device, memory_format=memory_format(self.device))
        self._model, self._called = team.wrapped(model)
        self._descent = Descent(
            self._model,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            device=self.device,
            layer_decay=recipe.layer_decay,
        )
        self._task, self._recipe, self._team, self._on_progress = task, recipe, team, on_progress
        weighted = recipe.balance == "loss"
        self._objective = task.objective.weighted(task.train) if weighted else task.objective
        self._images = len(task.train) * recipe.repeats
        self._steps = recipe.steps(len(task.train))
        self.records: list[EpochRecord] = []
        self._best: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or patience has run out."""
        done = len(self.records)
        return done == self._recipe.epochs or out_of_patience(
            self.records, self._recipe.patience, self._recipe.epochs
        )

    def epoch(self) -> None:
        """Go over the images, look at those held out, and note what was seen."""
        epoch, team = len(self.records), self._team
        # Dropout, where a network has it.
        torch.manual_seed(derived_seed(self._recipe.seed, 2, epoch * team.size + team.rank))
        self._called.train()
        order = epoch_order(self._task, self._recipe, epoch)
        seen, total = self._nothing(), torch.zeros((), dtype=torch.float64, device=self.device)
        started, done = time.perf_counter(), 0
        for number, rows in enumerate(np.array_split(order, self._steps)):
            measured, loss = self._step(epoch * self._steps + number, rows)
            seen, total = seen + measured.detached(), total + loss.detach().double() * len(rows)
            done += len(rows)
            if number % FINITE_EVERY == 0 or number == self._steps - 1:
                self._require_finite([team.sum(total)], "the loss")
            if self._on_progress:
                self._on_progress(epoch * self._images + done, self._recipe.epochs * self._images)
        seconds = time.perf_counter() - started
        seen, total = seen.summed(team.sum), team.sum(total)
        team.share_buffers(self._model)
        self._require_finite(self._model.state_dict().values(), "a weight")
        self._require_low(float(total) / done)
        held_out = self._held_out()
        accuracies = held_out.accuracies() if held_out else ()
        self.records.append(
            EpochRecord(
                epoch=epoch + 1,
                loss=float(total) / done,
                train_accuracy=mean_accuracy(seen.accuracies()) or 0.0,
                accuracy=mean_accuracy(accuracies),
                held_out_loss=float(held_out.loss) if held_out else None,
                head_accuracies=accuracies,
                images_per_second=done / seconds,
            )
        )
        if self._recipe.patience is not None and self._kept() == epoch + 1:
            self._best = {name: value.clone() for name, value in self._model.state_dict().items()}

    def _step(self, step: int, rows: Indices) -> tuple[Measured, Tensor]:
        """Figures of this process's part of a batch, and what it adds to the batch's loss."""
        recipe, task, team = self._recipe, self._task, self._team
        mine = team.part(rows)
        pixels = task.preprocessing.tensor(task.images[mine], self.device)
        pixels = augment(pixels, recipe.augmentation, seed=recipe.seed, step=step * team.size + team.rank)
        with training_precision(self.device):
            logits = self._called(pixels.contiguous(memory_format=memory_format(self.device))).logits
        measured = self._objective.measured(logits, torch.from_numpy(mine))
        loss = measured.loss_among(team.sum(measured.known))
        rate = one_cycle(step, recipe.epochs * self._steps, recipe.learning_rate)
        self._descent.step(loss * team.size, rate)  # gradients are averaged over the team, not summed
        return measured, loss

    def _require_finite(self, values: Iterable[Tensor], what: str) -> None:
        if not all(bool(torch.isfinite(value).all()) for value in values):
            raise self._diverged(f"{what} is not finite")

    def _require_low(self, loss: float) -> None:
        guessing = float(np.mean([head.guessing for head in self._objective.heads]))
        if loss > DIVERGED * guessing:
            raise self._diverged(f"the loss is {loss:.3g}, where guessing evenly has {guessing:.3g},")

    def _diverged(self, what: str) -> TrainingDivergedError:
        return TrainingDivergedError(
            f"{what} in epoch {len(self.records) + 1} at a peak learning rate of "
            f"{self._recipe.learning_rate:g}; try a third of it",
            field="learning_rate",
        )

    def _held_out(self) -> Measured | None:
        rows, task, team = self._task.held_out, self._task, self._team
        if len(rows) == 0:
            return None
        measured = self._nothing()
        for part in np.array_split(rows, -(-len(rows) // EVALUATION_BATCH))[team.rank :: team.size]:
            logits = predict(self._model, task.images[part], task.preprocessing)
            measured += self._objective.measured(logits, torch.from_numpy(part)).detached()
        measured = measured.summed(team.sum)
        self._require_finite([measured.loss], "the held-out loss")
        return measured

    def _nothing(self) -> Measured:
        zeros = torch.zeros(len(self._objective.heads), dtype=torch.float64, device=self.device)
        return Measured(zeros, zeros, zeros)

    def _kept(self) -> int:
        return kept_epoch(self.records, self._recipe.patience)

    def keep_best(self) -> None:
        """Go back to the weights after the best epoch, where that was asked for."""
        if self._best is not None:
            self._model.load_state_dict(self._best)

    def weights(self) -> dict[str, Any]:
        """The network's state."""
        return self._model.state_dict()

    def state(self, digest: str) -> Checkpoint:
        """What a later attempt goes on from."""
        return Checkpoint(
            training=digest,
            epochs=len(self.records),
            threads=torch.get_num_threads(),
            model=self._model.state_dict(),
            optimizer=self._descent.state(),
            history=[asdict(record) for record in self.records],
            best=self._best,
        )

    def restore(self, state: Checkpoint) -> None:
        """Go on from there."""
        self._model.load_state_dict(state.model)
        self._descent.restore(state.optimizer)
        self.records = [EpochRecord(**record) for record in state.history]
        self._best = state.best


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
