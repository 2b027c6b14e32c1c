import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from g2l.nn.objectives import TargetError, objective

ALL = torch.arange(6)


def logits(seed: int, width: int) -> torch.Tensor:
    return torch.randn(6, width, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 2**32 - 1), n_classes=st.integers(2, 6))
def test_hard_loss_is_the_cross_entropy(seed: int, n_classes: int) -> None:
    labels = np.random.default_rng(seed).integers(0, n_classes, 6)
    scores = logits(seed, n_classes)
    expected = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels))
    assert torch.allclose(objective(labels, n_classes=n_classes).measured(scores, ALL).loss, expected, atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 3))
def test_one_hot_distributions_lose_what_hard_positions_lose(seed: int, length: int) -> None:
    names = np.random.default_rng(seed).integers(-1, 4, (6, length))
    one_hot = np.where((names >= 0)[..., None], np.eye(4)[names.clip(0)], 0.0)
    scores = logits(seed, 4 * length)
    hard = objective(names, heads="positions", n_classes=4)
    soft = objective(one_hot, heads="positions")
    ours, theirs = hard.measured(scores, ALL), soft.measured(scores, ALL)
    assert torch.allclose(ours.loss, theirs.loss, atol=1e-6)
    assert (ours.hits, ours.known) == (theirs.hits, theirs.known)
    assert hard.n_outputs == soft.n_outputs == 4 * length
    assert hard.usable().tolist() == soft.usable().tolist() == np.flatnonzero((names >= 0).any(1)).tolist()


def test_positions_without_a_name_have_no_say() -> None:
    names = np.array([[0, -1], [1, 1], [-1, -1]])
    scores = torch.randn(3, 4)
    parts = [
        torch.nn.functional.cross_entropy(scores[row, cut], torch.tensor(name))
        for row, cut, name in [(0, slice(0, 2), 0), (1, slice(0, 2), 1), (1, slice(2, 4), 1)]
    ]
    aim = objective(names, heads="positions")
    assert torch.allclose(aim.measured(scores, torch.arange(3)).loss, torch.stack(parts).mean())
    assert float(aim.measured(scores, torch.tensor([2])).loss) == 0.0


def test_a_flat_head_takes_the_mean_of_the_steps() -> None:
    steps = np.random.default_rng(0).dirichlet(np.ones(5), (6, 3))
    scores = logits(0, 5)
    flat = objective(steps)
    assert flat.n_outputs == 5
    mean = objective(steps.mean(axis=1)).measured(scores, ALL).loss
    assert torch.allclose(flat.measured(scores, ALL).loss, mean, atol=1e-6)


def test_the_loss_of_soft_targets_is_least_at_the_targets() -> None:
    wanted = np.random.default_rng(0).dirichlet(np.ones(5), 6)
    aim, best = objective(wanted), torch.from_numpy(wanted).log().float()
    entropy = -(wanted * np.log(wanted)).sum(axis=1).mean()
    assert float(aim.measured(best, ALL).loss) == pytest.approx(entropy, abs=1e-5)
    assert float(aim.measured(best + 0.3 * torch.randn(6, 5), ALL).loss) > entropy


@pytest.mark.parametrize(
    ("targets", "heads"),
    [
        (np.zeros((4, 2), int), "flat"),
        (np.zeros((4, 2, 3), int), "positions"),
        (np.zeros(4), "flat"),
        (np.array(["a", "b"]), "flat"),
        (np.array([0, -2]), "flat"),
        (np.array([[0.5, np.nan]]), "flat"),
        (np.array([[1.5, -0.5]]), "positions"),
    ],
)
def test_targets_of_other_forms_are_refused(targets: np.ndarray, heads: str) -> None:
    with pytest.raises(TargetError):
        objective(targets, heads=heads)  # type: ignore[arg-type]


def test_ids_beyond_the_classes_are_refused() -> None:
    with pytest.raises(TargetError, match="with 3 classes they go from 0 to 2"):
        objective(np.array([0, 3]), n_classes=3)
