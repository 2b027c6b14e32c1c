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
from g2l.nn.self_supervised import SelfSupervised, pretrain_self_supervised
from g2l.nn.team import Team, led
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


def _interrupt(_record: object) -> None:
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


PROJECTED = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32))


def spread_of_part(team: Team, projected: torch.Tensor, gradients: torch.Tensor) -> None:
    """Write what a process's own rows have to do with a loss of all rows."""
    counts = [len(projected[rank :: team.size]) for rank in range(team.size)]
    mine = projected[team.rank :: team.size].clone().requires_grad_()
    spread(team.gathered(mine, counts)).backward()  # type: ignore[no-untyped-call]
    assert mine.grad is not None
    gradients[team.rank :: team.size] = mine.grad / team.size
    team.sum(torch.zeros(1))  # none leaves before all are done


def spread(projected: torch.Tensor) -> torch.Tensor:
    """A loss in which every row matters to every other."""
    return torch.pdist(projected).log().sum()


def test_a_loss_over_all_views_has_the_gradients_of_one_process() -> None:
    gradients = torch.zeros_like(PROJECTED).share_memory_()  # type: ignore[no-untyped-call]
    with led(2, spread_of_part, PROJECTED, gradients) as team:
        spread_of_part(team, PROJECTED, gradients)
    alone = PROJECTED.clone().requires_grad_()
    spread(alone).backward()  # type: ignore[no-untyped-call]
    assert alone.grad is not None
    torch.testing.assert_close(gradients, alone.grad)


def test_two_processes_learn_to_tell_views(colours: Task, tmp_path: Path) -> None:
    def made(**how: Any) -> SelfSupervised:
        return pretrain_self_supervised(
            colours.images, method="swav", epochs=4, batch_size=30, processes=2, seed=1, **how
        )

    checkpoint = tmp_path / "training.pt"
    with pytest.raises(InterruptedError):
        made(checkpoint=checkpoint, on_epoch=_interrupt)
    cut, whole = made(checkpoint=checkpoint), made()
    weights = whole.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in cut.model.state_dict().items())
    assert whole.history[-1].loss < whole.history[0].loss
    assert others() == []
