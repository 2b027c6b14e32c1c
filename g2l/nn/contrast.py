"""What two views of each image of a batch are trained towards, without labels."""

from collections.abc import Callable
from typing import Final, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

Method = Literal["simclr", "vicreg"]
METHODS: tuple[str, ...] = get_args(Method)

TEMPERATURE = 0.2
ALIKE, SPREAD, UNCORRELATED = 25.0, 25.0, 1.0  # weights of the three parts of `vicreg`


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


LOSSES: Final[dict[Method, Callable[[Tensor], Tensor]]] = {"simclr": nt_xent, "vicreg": vicreg}
