import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from g2l.nn.objectives import Head, Objective, TargetError, joint, objective

ALL = torch.arange(6)


def logits(seed: int, width: int) -> torch.Tensor:
    return torch.randn(6, width, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 2**32 - 1), n_classes=st.integers(2, 6))
def test_hard_loss_is_the_cross_entropy(seed: int, n_classes: int) -> None:
    labels = np.random.default_rng(seed).integers(0, n_classes, 6)
    scores = logits(seed, n_classes)
    expected = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels))
    loss = objective(labels, n_classes=n_classes).measured(scores, ALL).loss
    assert torch.allclose(loss, expected, atol=1e-6)


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


def test_several_heads_share_one_classifier_and_their_losses_are_averaged() -> None:
    rng = np.random.default_rng(0)
    classes, steps = rng.integers(0, 3, 6), rng.dirichlet(np.ones(4), (6, 2))
    classes[:2] = -1
    parts = [objective(classes, n_classes=3), objective(steps, heads="positions"), objective(steps[:, 0])]
    aim, scores = joint(parts), logits(1, 3 + 8 + 4)
    assert aim.n_outputs == 15
    assert [(cut.start, cut.stop) for cut in aim.outputs()] == [(0, 3), (3, 11), (11, 15)]
    alone = [part.measured(scores[:, cut], ALL) for part, cut in zip(parts, aim.outputs(), strict=True)]
    together = aim.measured(scores, ALL)
    assert torch.allclose(together.loss, torch.stack([part.loss for part in alone]).mean())
    assert together.known.tolist() == [4, 12, 6]
    assert together.accuracies() == tuple(part.accuracies()[0] for part in alone)
    assert aim.usable().tolist() == [0, 1, 2, 3, 4, 5]
    assert aim.groups().tolist() == classes.tolist()
    with pytest.raises(TargetError, match="targets of \\[5, 6\\] images"):
        joint([parts[0], objective(classes[:5])])


def weights(aim: Objective) -> torch.Tensor:
    (head,) = aim.heads
    assert isinstance(head, Head)
    assert head.weights is not None
    return head.weights[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_smoothing_is_that_of_torch(weighted: bool) -> None:
    labels = np.array([0, 0, 0, 0, 1, 2])
    aim, scores = objective(labels, n_classes=4, smoothing=0.1), logits(0, 4)
    aim = aim.weighted(np.arange(6)) if weighted else aim
    expected = torch.nn.functional.cross_entropy(
        scores,
        torch.from_numpy(labels),
        weight=weights(aim) if weighted else None,
        label_smoothing=0.1,
        reduction="none",
    ).mean()
    assert torch.allclose(aim.measured(scores, ALL).loss, expected)


def test_a_weighted_loss_counts_each_class_alike() -> None:
    labels = np.array([0, 0, 0, 0, 1, 2])
    aim, scores = objective(labels, n_classes=4).weighted(np.arange(6)), logits(0, 4)
    each = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels), reduction="none")
    expected = (each[:4].mean() + each[4] + each[5]) / 3
    assert torch.allclose(aim.measured(scores, ALL).loss, expected)
    assert weights(aim).tolist() == pytest.approx([0.5, 2, 2, 2])
    only = objective(labels, n_classes=4).weighted(np.array([0, 4]))
    assert weights(only).tolist() == [1, 1, 1, 1]  # weights are those of the images that are trained on


@given(seed=st.integers(0, 2**32 - 1))
def test_soft_targets_are_weighted_by_their_mass(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, (6, 2))
    scores, rows = logits(seed, 6), np.arange(6)
    hard = objective(labels, heads="positions", n_classes=3).weighted(rows)
    soft = objective(np.eye(3)[labels], heads="positions").weighted(rows)
    assert torch.allclose(hard.measured(scores, ALL).loss, soft.measured(scores, ALL).loss, atol=1e-6)
    faint = np.array([[1 - 1e-9, 1e-9]] * 6)
    frequent, rare = weights(objective(faint).weighted(rows)).tolist()
    assert rare / frequent == pytest.approx(6)  # as if one image had it, not 1e9


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
