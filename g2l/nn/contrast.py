"""What two views of each image of a batch are trained towards, without labels."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from g2l.nn.randomness import torch_generator

Method = Literal["simclr", "vicreg", "swav"]
METHODS: tuple[str, ...] = get_args(Method)

TEMPERATURE = 0.2
ALIKE, SPREAD, UNCORRELATED = 25.0, 25.0, 1.0  # weights of the three parts of `vicreg`
PROTOTYPES = 64  # fewer than the images of a batch: there is no queue of earlier ones
GUESS_TEMPERATURE = 0.2  # of the cosines to the prototypes
CODE_TEMPERATURE, CODE_ROUNDS = 0.03, 3  # of the codes, and how often rows and columns are evened out


def nt_xent(projected: Tensor) -> Tensor:
    """Cross-entropy of finding each view's partner among all others, by cosine.

    Args:
        projected: (2 B, P): the first views of B images, then the second views.
    """
    logits, partner = _similarities(projected)
    return functional.cross_entropy(logits / TEMPERATURE, partner)


def vicreg(projected: Tensor) -> Tensor:
    """Distance of partners, dimensions that shrink below unit deviation, and their correlations.

    Args:
        projected: as for `nt_xent`.
    """
    first, second = projected.chunk(2)
    n, dim = first.shape
    apart = functional.mse_loss(first, second)
    shrunk, correlated = projected.new_zeros(()), projected.new_zeros(())
    for side in (first, second):
        centred = side - side.mean(dim=0)
        covariance = centred.T @ centred / max(1, n - 1)
        deviations = (covariance.diagonal() + 1e-4).sqrt()
        shrunk = shrunk + functional.relu(1 - deviations).mean() / 2
        correlated = correlated + (covariance**2).fill_diagonal_(0).sum() / dim
    return ALIKE * apart + SPREAD * shrunk + UNCORRELATED * correlated


class SwappedCodes(nn.Module):
    """Cross-entropy of guessing, from one view, which prototypes the other view was assigned to.

    The assignments of a batch fill all prototypes evenly (Sinkhorn and Knopp), so they cannot collapse.
    """

    def __init__(self, width: int, *, seed: int) -> None:
        super().__init__()
        drawn = torch.randn(PROTOTYPES, width, generator=torch_generator(seed, 13))
        self.prototypes = nn.Parameter(functional.normalize(drawn, dim=1))

    def forward(self, projected: Tensor) -> Tensor:
        """The loss of (2 B, width) projections, as for `nt_xent`."""
        unit = functional.normalize(projected, dim=1)
        cosines = unit @ functional.normalize(self.prototypes, dim=1).T
        first, second = cosines.chunk(2)
        codes = torch.cat([evenly(second.detach()), evenly(first.detach())])
        return -(codes * functional.log_softmax(cosines / GUESS_TEMPERATURE, dim=1)).sum(dim=1).mean()


def evenly(cosines: Tensor) -> Tensor:
    """Assignments that follow the cosines and fill all prototypes about alike (Sinkhorn and Knopp).

    Args:
        cosines: (B, K) of images to prototypes.

    Returns:
        (B, K) float32; those of an image have the sum 1.
    """
    weights = torch.exp((cosines - cosines.max()).double() / CODE_TEMPERATURE)
    for _ in range(CODE_ROUNDS):
        weights = weights / weights.sum(dim=0).clamp_min(torch.finfo(weights.dtype).tiny)
        weights = weights / weights.sum(dim=1, keepdim=True)
    return weights.float()


class _Weightless(nn.Module):
    """A loss that learns nothing itself."""

    def __init__(self, loss: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._loss = loss

    def forward(self, projected: Tensor) -> Tensor:
        """The loss of (2 B, width) projections."""
        return self._loss(projected)


def criterion(method: Method, width: int, *, seed: int) -> nn.Module:
    """The loss of (2 B, width) projections, with the weights that it has of its own, drawn by `seed`."""
    if method == "swav":
        return SwappedCodes(width, seed=seed)
    return _Weightless(nt_xent if method == "simclr" else vicreg)


def matched(projected: Tensor) -> Tensor:
    """Share of the views to which the other view of their image is nearest."""
    logits, partner = _similarities(projected)
    return (logits.argmax(dim=1) == partner).double().mean()


def _similarities(projected: Tensor) -> tuple[Tensor, Tensor]:
    """(2 B, 2 B) cosines of views, minus infinity to themselves, and the row of each view's partner."""
    unit = functional.normalize(projected, dim=1)
    logits = (unit @ unit.T).fill_diagonal_(-torch.inf)
    rows = torch.arange(len(unit), device=unit.device)
    return logits, (rows + len(unit) // 2) % len(unit)
