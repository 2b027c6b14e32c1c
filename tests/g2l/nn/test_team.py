"""A training in several processes: the same steps as in one, and no survivor of a lost one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from psutil import Process

from g2l.data.mapped import create_npy
from g2l.errors import TeamLostError
from g2l.nn.images import Images, fit_preprocessing
from g2l.nn.objectives import objective
from g2l.nn.recipes import Recipe, Task
from g2l.nn.records import EpochRecord
from g2l.nn.training import fit
from g2l.nn.zoo import build

CLASSES = 4


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Images of one colour each, which no crop changes, in a file; a few have no target."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=90)
    shades = np.clip(rng.normal(labels[:, None] * 60 + 30, 12, size=(90, 3)), 0, 255).astype(np.uint8)
    images: Images = create_npy(tmp_path_factory.mktemp("team") / "colours.npy", np.uint8, (90, 16, 16, 3))
    images[:] = shades[:, None, None, :]
    labels[::9] = -1
    usable = np.flatnonzero(labels >= 0)
    aim = objective(labels, n_classes=CLASSES)
    return Task(images, aim, fit_preprocessing(images), usable[20:], usable[:20])


RECIPE = Recipe(epochs=2, batch_size=15, learning_rate=1e-3, seed=3)
Trained = tuple[torch.Tensor, list[EpochRecord]]


def trained(task: Task, processes: int, recipe: Recipe = RECIPE, **how: Any) -> Trained:
    """All weights in a row; of a network without batch norms, whose steps do not depend on who takes them."""
    model = build("vit-tiny", n_outputs=CLASSES, channels=3, image_size=16, seed=3)
    records = fit(model, task, recipe, processes=processes, **how)
    return torch.cat([value.flatten() for value in model.state_dict().values()]), records


@pytest.fixture(scope="module")
def together(colours: Task) -> Trained:
    """Trained by two."""
    return trained(colours, 2)


def test_two_processes_take_the_steps_of_one(colours: Task, together: Trained) -> None:
    (theirs, two), (alone, one) = together, trained(colours, 1)
    torch.testing.assert_close(theirs, alone, rtol=1e-3, atol=1e-4)
    assert [r.loss for r in two] == pytest.approx([r.loss for r in one], rel=1e-4)
    assert [r.accuracy for r in two] == [r.accuracy for r in one]
    assert two[-1].held_out_loss == pytest.approx(one[-1].held_out_loss, rel=1e-3)


def test_a_cut_training_of_two_goes_on_to_the_same_weights(
    colours: Task, together: Trained, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "training.pt"
    with pytest.raises(InterruptedError):
        trained(colours, 2, checkpoint=checkpoint, on_epoch=_interrupt)
    resumed, records = trained(colours, 2, checkpoint=checkpoint)
    assert torch.equal(together[0], resumed)
    assert [record.epoch for record in records] == [1, 2]


def _interrupt(_record: EpochRecord) -> None:
    raise InterruptedError


def test_who_loses_a_process_says_so_and_leaves_none_behind(colours: Task) -> None:
    def kill_the_other(_done: int, _total: int) -> None:
        for other in others():
            other.kill()

    with pytest.raises(TeamLostError):
        trained(colours, 2, replace(RECIPE, epochs=1000), on_progress=kill_the_other)
    assert others() == []


def others() -> list[Process]:
    """The processes that a training of ours has started."""
    return [child for child in Process().children() if "spawn_main" in " ".join(child.cmdline())]
