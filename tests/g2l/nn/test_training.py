"""The loop itself: repeatable, resumable, stoppable, and honest when it fails."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from g2l.nn import descent
from g2l.nn.checkpoints import Checkpoint, CheckpointMismatchError, load_checkpoint, save_checkpoint
from g2l.nn.images import fit_preprocessing
from g2l.nn.objectives import objective
from g2l.nn.recipes import Recipe, Task, epoch_order
from g2l.nn.records import EpochRecord, kept_epoch
from g2l.nn.training import TrainingDivergedError, fit, predict
from g2l.nn.zoo import build
from tests.g2l.nn.samples import Labelled, noise

RECIPE = Recipe(epochs=3, batch_size=32, learning_rate=3e-3, seed=7)
Weights = dict[str, torch.Tensor]


class Stop(Exception):
    """What a cancelled job raises from its progress."""


def task_of(data: Labelled) -> Task:
    rows = np.arange(len(data.labels))
    aim, preprocessing = objective(data.labels, n_classes=10), fit_preprocessing(data.images)
    return Task(data.images, aim, preprocessing, rows[20:], rows[:20])


def train(
    task: Task, recipe: Recipe = RECIPE, *, checkpoint: Path | None = None, stop_at: int = -1
) -> Weights:
    def progress(done: int, total: int) -> None:
        assert 0 < done <= total
        if 0 < stop_at <= done:
            raise Stop

    model = build("resnet-tiny", n_outputs=10, channels=1, image_size=8, seed=recipe.seed)
    fit(model, task, recipe, on_progress=progress, checkpoint=checkpoint)
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_equal_runs_give_equal_weights_whatever_the_global_generator(digits: Labelled) -> None:
    task = task_of(digits.first(120))
    torch.manual_seed(1)
    one = train(task)
    torch.manual_seed(2)
    assert equal(one, train(task))
    assert not equal(one, train(task, replace(RECIPE, seed=8)))


@pytest.mark.parametrize("stop_at", [130, 250])  # images: in the second and in the third epoch of 100
def test_a_resumed_run_gives_bit_equal_weights(digits: Labelled, tmp_path: Path, stop_at: int) -> None:
    task, checkpoint = task_of(digits.first(120)), tmp_path / "checkpoint.pt"
    whole = train(task)
    with pytest.raises(Stop):
        train(task, checkpoint=checkpoint, stop_at=stop_at)
    assert checkpoint.exists()
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # the checkpoint's count is restored: with another, sums round otherwise
    try:
        resumed = train(task, checkpoint=checkpoint)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert equal(whole, resumed)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_finished_checkpoint_gives_the_result_without_training(digits: Labelled, tmp_path: Path) -> None:
    task, checkpoint = task_of(digits.first(60)), tmp_path / "checkpoint.pt"
    whole = train(task, checkpoint=checkpoint)
    assert equal(whole, train(task, checkpoint=checkpoint, stop_at=1))


def test_a_checkpoint_cut_while_it_is_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    good = Checkpoint("a", 1, 1, {"weight": torch.ones(2)}, {}, [])
    save_checkpoint(path, good)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_checkpoint(path, replace(good, epochs=2, optimizer={"cut": lambda: None}))
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    kept = load_checkpoint(path, training="a")
    assert kept is not None
    assert kept.epochs == 1


def test_a_checkpoint_of_another_training_is_refused(digits: Labelled, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    recipe = replace(RECIPE, epochs=1)
    train(task_of(digits.first(60)), recipe, checkpoint=checkpoint)
    with pytest.raises(CheckpointMismatchError):
        train(task_of(digits.first(60)), replace(recipe, learning_rate=1e-3), checkpoint=checkpoint)
    with pytest.raises(CheckpointMismatchError):
        train(task_of(digits.first(61)), recipe, checkpoint=checkpoint)


def test_a_loss_that_is_not_finite_stops_the_training(digits: Labelled) -> None:
    with pytest.raises(TrainingDivergedError, match=r"learning rate of 1e\+30") as caught:
        train(task_of(digits.first(60)), replace(RECIPE, learning_rate=1e30))
    assert caught.value.field == "learning_rate"


def wild(task: Task) -> Task:
    """Labels that nothing can be learned from: the held-out loss soon rises."""
    labels = np.random.default_rng(0).integers(0, 10, len(task.images))
    return replace(task, objective=objective(labels, n_classes=10))


def run_with_patience(
    task: Task, checkpoint: Path | None = None, *, stop_at: int = -1
) -> tuple[list[EpochRecord], list[EpochRecord], Weights]:
    """Records, those that were told while it trained, and the weights kept."""
    recipe = replace(RECIPE, epochs=12, patience=2, learning_rate=1e-2)
    model = build("resnet-tiny", n_outputs=10, channels=1, image_size=8, seed=recipe.seed)
    told: list[EpochRecord] = []

    def on_epoch(record: EpochRecord) -> None:
        told.append(record)
        if record.epoch == stop_at:
            raise Stop

    try:
        records = fit(model, task, recipe, on_epoch=on_epoch, checkpoint=checkpoint)
    except Stop:
        records = []
    return records, told, {name: value.clone() for name, value in model.state_dict().items()}


def test_patience_stops_and_goes_back_to_the_best_epoch(digits: Labelled, tmp_path: Path) -> None:
    task = wild(task_of(digits.first(120)))
    records, told, weights = run_with_patience(task)
    best = kept_epoch(records, 2)
    losses = [record.held_out_loss or 0.0 for record in records]
    assert losses[best - 1] == min(losses)
    assert len(records) == max(best, 3) + 2 < 12  # the rate rises for a fifth of the epochs
    assert told == records
    model = build("resnet-tiny", n_outputs=10, channels=1, image_size=8)
    model.load_state_dict(weights)
    logits = predict(model, task.images[task.held_out], task.preprocessing)
    held_out = float(task.objective.measured(logits, torch.from_numpy(task.held_out)).loss)
    assert held_out == pytest.approx(min(losses), rel=1e-5)


def test_patience_survives_a_cut(digits: Labelled, tmp_path: Path) -> None:
    task, checkpoint = wild(task_of(digits.first(120))), tmp_path / "checkpoint.pt"
    records, _, weights = run_with_patience(task)
    cut_at = len(records) - 1  # what is best lies in the checkpoint alone by then
    run_with_patience(task, checkpoint, stop_at=cut_at)
    again, told, resumed = run_with_patience(task, checkpoint)
    assert equal(weights, resumed)
    assert told == again
    assert [without_speed(record) for record in again] == [without_speed(record) for record in records]
    finished, _, same = run_with_patience(task, checkpoint)
    assert finished == again
    assert equal(weights, same)


def without_speed(record: EpochRecord) -> EpochRecord:
    return replace(record, images_per_second=0.0)


def test_a_loss_far_above_guessing_stops_the_training(digits: Labelled) -> None:
    with pytest.raises(TrainingDivergedError, match=r"where guessing evenly has 2\.3, in epoch 1") as caught:
        train(task_of(digits.first(120)), replace(RECIPE, learning_rate=10.0))
    assert caught.value.field == "learning_rate"


def test_a_weighted_loss_makes_what_is_rare_as_likely() -> None:
    """Of classes that cannot be told apart, the mean likelihood is the share that the loss gives them."""
    images, labels = noise(200, 8, 1), (np.arange(200) % 10 == 0).astype(np.int64)
    task = Task(images, objective(labels), fit_preprocessing(images), np.arange(200), np.arange(0))
    likely = {}
    for balance in ("none", "loss"):
        model = build("resnet-tiny", n_outputs=2, channels=1, image_size=8)
        fit(model, task, replace(RECIPE, epochs=4, learning_rate=2e-3, balance=balance))
        likely[balance] = float(predict(model, images, task.preprocessing).softmax(dim=1)[:, 1].mean())
    assert likely["none"] < 0.25 < 0.35 < likely["loss"] < 0.65


def test_records_tell_what_happened(digits: Labelled) -> None:
    model = build("resnet-tiny", n_outputs=10, channels=1, image_size=8)
    records = fit(model, task_of(digits.first(320)), replace(RECIPE, epochs=4))
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    assert records[-1].loss < records[0].loss
    assert records[-1].train_accuracy > records[0].train_accuracy
    assert all(record.images_per_second > 0 and 0 <= (record.accuracy or 0) <= 1 for record in records)
    assert not model.training


def test_each_epoch_sees_every_image_in_its_own_order(digits: Labelled) -> None:
    task = task_of(digits.first(100))
    orders = [epoch_order(task, replace(RECIPE, repeats=2), epoch) for epoch in range(2)]
    assert all(np.array_equal(np.sort(order), np.repeat(task.train, 2)) for order in orders)
    assert not np.array_equal(orders[0], orders[1])


def test_balanced_epochs_draw_classes_evenly() -> None:
    labels = np.array([0] * 90 + [1] * 8 + [2] * 2)
    images = np.zeros((100, 8, 8, 1), np.uint8)
    task = Task(images, objective(labels), fit_preprocessing(images), np.arange(100), np.arange(0))
    drawn = epoch_order(task, replace(RECIPE, balance="sampling"), 0)
    assert sorted(np.bincount(labels[drawn])) == [33, 33, 34]
    assert np.bincount(drawn, minlength=100)[90:98].min() >= 4  # 33 draws go four times over eight images


@pytest.mark.parametrize("batch_size", [1, 2, 4096])
def test_any_batch_size_trains(digits: Labelled, batch_size: int) -> None:
    """Of one image there is no batch norm, and a batch may be larger than the data."""
    weights = train(task_of(digits.first(25)), replace(RECIPE, epochs=1, batch_size=batch_size))
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())


def test_scaling_gradients_up_and_down_changes_nothing(
    digits: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scale is a power of two; clipping comes after it is taken away."""
    task, checkpoint = task_of(digits.first(120)), tmp_path / "checkpoint.pt"
    plain = train(task)
    monkeypatch.setattr(descent, "needs_scaling", lambda _: True)
    with pytest.raises(Stop):
        train(task, checkpoint=checkpoint, stop_at=250)
    assert torch.load(checkpoint, weights_only=True)["optimizer"]["scaler"]["scale"] == 2.0**16
    scaled = train(task, checkpoint=checkpoint)
    assert all(torch.allclose(plain[name], scaled[name], atol=1e-5) for name in plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_training_on_cuda_learns_and_comes_back(digits: Labelled) -> None:
    model = build("resnet-tiny", n_outputs=10, channels=1, image_size=8)
    records = fit(model, task_of(digits.first(320)), replace(RECIPE, epochs=4))
    assert records[-1].loss < records[0].loss
    assert model.device.type == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_float16_trains_with_scaled_gradients_and_resumes(
    digits: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a card without bfloat16."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    checkpoint, task = tmp_path / "checkpoint.pt", task_of(digits.first(320))
    model = build("resnet-tiny", n_outputs=10, channels=1, image_size=8)
    records = fit(model, task, replace(RECIPE, epochs=4), checkpoint=checkpoint)
    assert records[-1].loss < records[0].loss
    kept = torch.load(checkpoint, weights_only=True)
    assert kept["optimizer"]["scaler"]["scale"] > 1
