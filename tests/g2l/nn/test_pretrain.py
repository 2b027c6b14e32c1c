from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from g2l.nn.models import load_model, save_network
from g2l.nn.objectives import TargetError, joint, objective
from g2l.nn.pretrain import TooFewImagesError, TrainedHead, pretrain, split
from g2l.nn.training import predict
from tests.g2l.nn.samples import Labelled, noise, save_random_model

EPOCHS = 5


def soft(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Four fifths on the class and the rest on its neighbour."""
    one_hot = np.eye(10)
    mixed: npt.NDArray[np.float64] = 0.8 * one_hot[labels] + 0.2 * one_hot[(labels + 1) % 10]
    return mixed


def test_hard_classes_are_learned_and_held_out_images_are_not_trained_on(digits: Labelled) -> None:
    data = digits.first(900)
    trained = pretrain(data.images, data.labels, epochs=EPOCHS, batch_size=32, seed=1)
    assert (trained.n_train, trained.n_held_out) == (810, 90)
    assert trained.heads == (TrainedHead(0, 1, 10, trained.accuracy),)
    assert trained.accuracy is not None
    assert trained.accuracy > 0.5  # chance is 0.1
    assert trained.accuracy == trained.history[-1].accuracy
    assert len(trained.history) == EPOCHS


def test_distributions_are_learned(digits: Labelled) -> None:
    data = digits.first(900)
    trained = pretrain(data.images, soft(data.labels), epochs=EPOCHS, batch_size=32)
    assert (trained.accuracy or 0) > 0.5
    likely = predict(trained.model, data.images[:300], trained.preprocessing).softmax(dim=1).mean(dim=0)
    assert torch.allclose(likely, torch.from_numpy(soft(data.labels[:300]).mean(axis=0)).float(), atol=0.06)


@pytest.mark.parametrize("hard", [True, False])
def test_a_head_a_position_is_learned_in_one_classifier(digits: Labelled, hard: bool) -> None:
    data = digits.first(900)
    steps = np.stack([data.labels, (data.labels * 3) % 10], axis=1)  # two names an image
    steps[::7, 1] = -1 if hard else steps[::7, 1]
    targets = steps if hard else np.stack([soft(steps[:, 0]), soft(steps[:, 1])], axis=1)
    trained = pretrain(data.images, targets, heads="positions", epochs=EPOCHS, batch_size=32)
    assert (trained.heads[0].n_positions, trained.heads[0].n_classes) == (2, 10)
    assert trained.model.config.num_labels == 20
    logits = predict(trained.model, data.images, trained.preprocessing).reshape(-1, 2, 10)
    right = logits.argmax(dim=2).numpy() == np.stack([data.labels, (data.labels * 3) % 10], axis=1)
    assert (right.mean(axis=0) > 0.5).all()


def test_images_without_a_target_are_left_out(digits: Labelled) -> None:
    data = digits.first(60)
    labels = data.labels.copy()
    labels[:30] = -1
    trained = pretrain(data.images, labels, n_classes=10, epochs=1)
    assert (trained.n_train, trained.n_held_out) == (27, 3)


def test_a_handful_of_images_is_all_trained_on() -> None:
    trained = pretrain(noise(5, 8, 3), np.array([0, 1, 0, 1, 0]), epochs=2)
    assert (trained.n_train, trained.n_held_out, trained.accuracy) == (5, 0, None)


def test_any_number_of_channels_and_either_depth_trains() -> None:
    trained = pretrain(noise(6, 8, 5, dtype=np.uint16), np.arange(6) % 2, epochs=1)
    assert (trained.preprocessing.channels, trained.preprocessing.bits) == (5, 16)


def test_training_goes_on_from_a_model(tmp_path: Path) -> None:
    folder = save_random_model(tmp_path / "model", channels=3, side=16)
    trained = pretrain(noise(6, 16, 1), np.arange(6) % 3, epochs=1, init=folder)
    assert (trained.model.config.num_labels, trained.preprocessing.channels) == (3, 3)


def test_training_goes_on_at_another_size(tmp_path: Path) -> None:
    folder = save_random_model(tmp_path / "model", channels=3, side=16)
    images = noise(6, 32, 3)
    larger = pretrain(images, np.arange(6) % 2, epochs=1, init=folder, image_size=32)
    same = pretrain(images, np.arange(6) % 2, epochs=1, init=folder, image_size=16)
    assert (larger.preprocessing.size, same.preprocessing.size) == ((32, 32), (16, 16))
    assert same.preprocessing.mean == larger.preprocessing.mean  # the model's own, whatever the images
    assert larger.history[0].loss != same.history[0].loss
    save_network(tmp_path / "larger", larger.model, larger.preprocessing)
    assert load_model(tmp_path / "larger").preprocessing.size == (32, 32)


def test_two_heads_and_their_accuracies(digits: Labelled) -> None:
    data = digits.first(900)
    aim = joint([objective(data.labels % 2, n_classes=2), objective(soft(data.labels))])
    trained = pretrain(data.images, aim, epochs=EPOCHS, batch_size=32)
    parity, digit = trained.heads
    assert (parity.first, parity.n_classes, digit.first, digit.n_classes) == (0, 2, 2, 10)
    assert (parity.accuracy or 0) > 0.75
    assert (digit.accuracy or 0) > 0.5
    assert trained.accuracy == pytest.approx(((parity.accuracy or 0) + (digit.accuracy or 0)) / 2)
    logits = predict(trained.model, data.images, trained.preprocessing)
    assert float((logits[:, :2].argmax(dim=1).numpy() == data.labels % 2).mean()) > 0.75
    assert float((logits[:, 2:].argmax(dim=1).numpy() == data.labels).mean()) > 0.5


@pytest.mark.parametrize(("share", "held_out"), [(0.0, 0), (0.25, 25), (0.5, 50)])
def test_the_share_that_is_held_out(share: float, held_out: int) -> None:
    images, labels = noise(100, 8, 1), np.arange(100) % 2
    trained = pretrain(images, labels, epochs=1, validation_share=share, patience=1)
    assert (trained.n_train, trained.n_held_out) == (100 - held_out, held_out)


def test_groups_are_on_one_side() -> None:
    usable = np.arange(100)
    groups = np.concatenate([np.repeat(np.arange(1, 13), 6), np.zeros(28)]).astype(np.uint64)
    for seed in range(5):
        train, held_out = split(usable, 0.3, groups, seed=seed)
        assert sorted([*train, *held_out]) == usable.tolist()
        assert 24 <= len(held_out) <= 36
        shared = set(groups[train].tolist()) & set(groups[held_out].tolist())
        assert shared <= {0}  # those without a group stand alone
    assert len(split(usable, 0.3, np.ones(100, np.uint64), seed=0)[1]) == 0


def test_too_few_images_and_foreign_targets_are_refused() -> None:
    with pytest.raises(TooFewImagesError, match="1 images have a target"):
        pretrain(noise(3, 8, 3), np.array([0, -1, -1]), epochs=1)
    with pytest.raises(TargetError, match="2 targets for 3 images"):
        pretrain(noise(3, 8, 3), np.array([0, 1]), epochs=1)
