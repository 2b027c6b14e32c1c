"""Distillation: what is learnt, for any responses, repeatable and resumable."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from g2l.metrics import NonFiniteResponsesError
from g2l.nn.distillation import response_head
from g2l.nn.objectives import Objective, TargetError, joint, objective
from g2l.nn.patch_kmeans import fit_patch_kmeans
from g2l.nn.pretrain import Pretrained, pretrain
from tests.g2l.nn.samples import Labelled


class Stop(Exception):
    """What a cancelled job raises from its progress."""


def distilled(images: Any, aim: Objective, *, stop_at: int = -1, **settings: Any) -> Pretrained:
    def progress(done: int, total: int) -> None:
        if 0 < stop_at <= done:
            raise Stop

    recipe: dict[str, Any] = {"epochs": 3, "batch_size": 32, "seed": 7, "on_progress": progress} | settings
    return pretrain(images, aim, **recipe)


def test_the_loss_is_half_the_squared_error_of_standardized_unit_vectors() -> None:
    rng = np.random.default_rng(0)
    responses = rng.normal(3, [1, 2, 0], (50, 3)).astype(np.float32)
    items = np.arange(5, 45)
    unit = responses[items] / np.linalg.norm(responses[items], axis=1, keepdims=True)
    expected = (unit - unit.mean(axis=0)) / unit.std(axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    said = rng.normal(size=(40, 3)).astype(np.float32)
    loss, right, known = response_head(responses, items).measured(torch.from_numpy(said), torch.arange(40))
    said /= np.linalg.norm(said, axis=1, keepdims=True)
    assert float(loss) == pytest.approx(((said - expected) ** 2).sum() / 2, rel=1e-4)
    assert int(right) == ((said @ expected.T).argmax(axis=1) == np.arange(40)).sum()
    assert int(known) == 40


def test_a_network_learns_what_an_embedder_says(digits: Labelled, tmp_path: Path) -> None:
    images = digits.images[:300]
    np.save(tmp_path / "responses.npy", fit_patch_kmeans(images, seed=0).embed(images))
    mapped = np.load(tmp_path / "responses.npy", mmap_mode="r")
    made = distilled(images, Objective((response_head(mapped),)), epochs=8)
    assert made.history[-1].loss < made.history[0].loss < 1.1  # at a right angle it is 1
    assert made.accuracy is not None
    assert made.accuracy > 0.3  # nearest to its own response among 30; chance is 0.033


def test_a_resumed_run_gives_bit_equal_weights_beside_human_labels(digits: Labelled, tmp_path: Path) -> None:
    images, checkpoint = digits.images[:96], tmp_path / "checkpoint.pt"
    responses = np.random.default_rng(0).normal(size=(96, 20)).astype(np.float32)
    aim = joint([Objective((response_head(responses),)), objective(digits.labels[:96], smoothing=0.1)])
    whole = distilled(images, aim)
    with pytest.raises(Stop):
        distilled(images, aim, checkpoint=checkpoint, stop_at=150)
    resumed = distilled(images, aim, checkpoint=checkpoint)
    states = zip(whole.model.state_dict().items(), resumed.model.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in states)
    assert [head.n_classes for head in whole.heads] == [20, 10]


def test_what_nothing_can_be_learnt_from_is_refused() -> None:
    with pytest.raises(TargetError):
        response_head(np.full((9, 4), 2, np.float32))
    with pytest.raises(NonFiniteResponsesError):
        response_head(np.array([[1, np.nan], [0, 1]], np.float32))
