"""Fine-tuning on few images: how long, at what rate, and the training itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from g2l.nn.batch_norms import re_estimate
from g2l.nn.folds import Groups, stratified_folds, stratified_subset
from g2l.nn.images import Images, Indices, Preprocessing
from g2l.nn.objectives import objective
from g2l.nn.recipes import Recipe, Task
from g2l.nn.records import EpochRecord
from g2l.nn.training import (
    EVALUATION_BATCH,
    OnEpoch,
    Progress,
    TrainingDivergedError,
    fit,
    predict,
)
from g2l.passes import FOLDS, LEARNING_RATES, MOST_CHOOSING_IMAGES, enough_steps

DEFAULT_LEARNING_RATE = 1.5e-3  # where a class of one image leaves nothing to choose by


@dataclass(frozen=True)
class Start:
    """Where every training of one transfer starts.

    Attributes:
        images: (N, H, W, C) of the budget.
        labels: (N,) class ids.
        preprocessing: the model's.
        model: makes a fresh copy of one and the same classifier.
        n_classes: of the target.
        groups: (N,) of which images belong together, see `stratified_folds`; None: no groups.
        re_estimates: whether batch norms are measured anew on what was trained on, see `re_estimate`.
    """

    images: Images
    labels: Indices
    preprocessing: Preprocessing
    model: Callable[[], PreTrainedModel]
    n_classes: int
    groups: Groups | None = None
    re_estimates: bool = False


@dataclass(frozen=True)
class FineTuned:
    """A classifier and how it came about.

    Attributes:
        model: on the CPU, in evaluation mode.
        curve: a record an epoch of the final training.
        learning_rate: its peak.
        images_per_second: of the final training.
    """

    model: PreTrainedModel
    curve: list[EpochRecord]
    learning_rate: float | None
    images_per_second: float


def fine_tune(
    start: Start,
    recipe: Recipe,
    *,
    on_progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
) -> FineTuned:
    """Train all weights of a classifier on a budget.

    Args:
        start: data and classifier.
        recipe: how; a learning rate of 0 is chosen here, `repeats` is set here.
        on_progress: called with images done and in all, over all trainings.
        on_epoch: called with each epoch's record of the final training.
        checkpoint: of the final training.

    Returns:
        the classifier.

    Raises:
        TrainingDivergedError: in the final training; a trial that diverges only loses.
    """
    everything = np.arange(len(start.labels))
    trials = [] if recipe.learning_rate else _trials(start, recipe)
    final = with_enough_steps(recipe, len(everything))
    total = sum(_work(with_enough_steps(recipe, len(rows)), rows) for _, rows, _ in trials)
    progress = _Joined(on_progress, total + _work(final, everything))
    rate = recipe.learning_rate or _best_rate(start, recipe, trials, progress)
    model = start.model()
    final = replace(final, learning_rate=rate)
    curve = fit(
        model,
        _task(start, everything),
        final,
        on_progress=progress,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
    if start.re_estimates:
        re_estimate(model, start.images, start.preprocessing)
    speed = float(np.mean([record.images_per_second for record in curve]))
    return FineTuned(model, curve, rate, speed)


def with_enough_steps(recipe: Recipe, n_images: int) -> Recipe:
    """The recipe with batch size and repeats an epoch as `passes.enough_steps` has them.

    Args:
        recipe: with epochs and batch size.
        n_images: that an epoch goes over.
    """
    batch_size, repeats = enough_steps(n_images, epochs=recipe.epochs, batch_size=recipe.batch_size)
    return replace(recipe, batch_size=batch_size, repeats=repeats)


_Trial = tuple[float, Indices, Indices]  # learning rate, rows to train on, rows to check on


def _trials(start: Start, recipe: Recipe) -> list[_Trial]:
    rows = stratified_subset(start.labels, MOST_CHOOSING_IMAGES, seed=recipe.seed)
    groups = None if start.groups is None else start.groups[rows]
    folds = stratified_folds(start.labels[rows], FOLDS, seed=recipe.seed, groups=groups)
    return [(rate, rows[a], rows[b]) for rate in LEARNING_RATES for a, b in folds]


def _best_rate(start: Start, recipe: Recipe, trials: list[_Trial], progress: "_Joined") -> float:
    """Most checked images right; where rates tie, the likelier labels."""
    if not trials:
        return DEFAULT_LEARNING_RATE
    scores = {rate: np.zeros(2) for rate in LEARNING_RATES}
    for rate, rows, checked in trials:
        trial = replace(with_enough_steps(recipe, len(rows)), learning_rate=rate)
        scores[rate] += _score(start, trial, rows, checked, on_progress=progress)
        progress.finish(_work(trial, rows))
    return max(LEARNING_RATES, key=lambda rate: tuple(scores[rate]))


def _score(
    start: Start, recipe: Recipe, rows: Indices, checked: Indices, *, on_progress: Progress
) -> tuple[float, float]:
    """Checked images that a trial gets right, and their log-likelihood."""
    model, task = start.model(), _task(start, rows)
    try:
        fit(model, task, recipe, on_progress=on_progress)
    except TrainingDivergedError:
        return 0.0, -np.inf
    if start.re_estimates:
        re_estimate(model, start.images[rows], start.preprocessing)
    right, log_likelihood = 0.0, 0.0
    for part in np.array_split(checked, -(-len(checked) // EVALUATION_BATCH)):
        logits, picked = predict(model, start.images[part], start.preprocessing), torch.from_numpy(part)
        measured = task.objective.measured(logits, picked)
        right += float(measured.hits.sum())
        log_likelihood -= float(measured.loss) * len(part)
    return right, log_likelihood


def _task(start: Start, rows: Indices) -> Task:
    aim = objective(start.labels, n_classes=start.n_classes)
    return Task(start.images, aim, start.preprocessing, rows, rows[:0])


def _work(recipe: Recipe, rows: Indices) -> int:
    return recipe.epochs * recipe.repeats * len(rows)


class _Joined:
    """One count over several trainings after each other."""

    def __init__(self, on_progress: Progress | None, total: int) -> None:
        self._on_progress, self._total, self._before = on_progress, total, 0

    def __call__(self, done: int, _: int) -> None:
        if self._on_progress:
            self._on_progress(self._before + done, self._total)

    def finish(self, work: int) -> None:
        """Count a training as done, also one that ended early."""
        self._before += work
