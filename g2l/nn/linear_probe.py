"""Multinomial logistic regression on frozen features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from g2l.nn.folds import Groups, Indices, stratified_folds

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the L2 penalty, per image, on standardized features
DEFAULT_STRENGTH = 1e-2  # where classes of one image leave nothing to choose by
FOLDS = 3
ITERATIONS = 200


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe, as the weights of a linear layer on the features as they are.

    Attributes:
        weight: (C, D) float32.
        bias: (C,) float32.
        strength: of the penalty, chosen inside the training images.
    """

    weight: Tensor
    bias: Tensor
    strength: float


def fit_probe(
    features: npt.NDArray[np.float32],
    labels: Indices,
    n_classes: int,
    *,
    balanced: bool = False,
    seed: int,
    groups: Groups | None = None,
) -> LinearProbe:
    """Fit by L-BFGS; the penalty is chosen by stratified cross-validation, ties going to the stronger.

    Args:
        features: (N, D) float32.
        labels: (N,) class ids.
        n_classes: C.
        balanced: weigh losses inversely to the size of their class.
        seed: decides the folds, and nothing else: the problem is convex.
        groups: (N,) of which rows belong together, see `stratified_folds`.

    Returns:
        the probe; the standardization of the features is folded into its weights.
    """
    x, y = torch.from_numpy(features).double(), torch.from_numpy(labels)
    folds = stratified_folds(labels, FOLDS, seed=seed, groups=groups)
    importance = _importance(y, n_classes) if balanced else torch.ones(n_classes, dtype=x.dtype)
    scores = {strength: _score(x, y, importance, strength=strength, folds=folds) for strength in STRENGTHS}
    best = max(STRENGTHS, key=lambda s: (scores[s], s)) if folds else DEFAULT_STRENGTH
    weight, bias = _fit(x, y, importance, strength=best)
    return LinearProbe(weight.float(), bias.float(), best)


def _importance(y: Tensor, n_classes: int) -> Tensor:
    """(C,) inverse to the classes' sizes; 1 on average over the images."""
    sizes = torch.bincount(y, minlength=n_classes).double()
    return len(y) / (sizes.clamp_min(1) * (sizes > 0).sum())


def _score(
    x: Tensor, y: Tensor, importance: Tensor, *, strength: float, folds: list[tuple[Indices, Indices]]
) -> int:
    hits = 0
    for fit_rows, check_rows in folds:
        fit_on, check_on = torch.from_numpy(fit_rows), torch.from_numpy(check_rows)
        weight, bias = _fit(x[fit_on], y[fit_on], importance, strength=strength)
        hits += int(((x[check_on] @ weight.T + bias).argmax(dim=1) == y[check_on]).sum())
    return hits


def _fit(x: Tensor, y: Tensor, importance: Tensor, *, strength: float) -> tuple[Tensor, Tensor]:
    """Minimize mean weighted cross-entropy + strength / 2 * |W|^2 over standardized features, in float64."""
    mean, std = x.mean(dim=0), x.std(dim=0, correction=0)
    scale = torch.where(std > 1e-8, 1 / std.clamp_min(1e-8), 0)  # what never varies is left out
    z = (x - mean) * scale
    weight = torch.zeros(len(importance), x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(len(importance), dtype=x.dtype, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        losses = functional.cross_entropy(z @ weight.T + bias, y, weight=importance, reduction="none")
        loss = losses.mean() + strength / 2 * (weight**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    scaled = weight.detach() * scale
    return scaled, bias.detach() - scaled @ mean
