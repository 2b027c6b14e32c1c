"""Distillation: a network is to say of an image what an embedder says of it, through a linear head."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from g2l.metrics import NonFiniteResponsesError, as_responses
from g2l.nn.images import Indices
from g2l.nn.objectives import TargetError

_ROWS_AT_ONCE = 4096
_DIGESTED_ROWS = 64


@dataclass(frozen=True)
class ResponseHead:
    """Responses of N images that a linear head is to give.

    They are brought to unit length, standardized (each dimension to mean 0 and deviation 1 over the images),
    and brought to unit length again: so what all images share costs nothing. The loss is 1 - cosine, half
    the squared error between unit vectors: what LightlyTrain's distillation has between feature maps
    (docs.lightly.ai/train, methods/distillation), for the one vector that an embedder gives of an image.

    Attributes:
        responses: (M, D) float32; a memory map is read batch by batch.
        items: (N,) which of the M are those of the images.
        mean: (D,) float32 of the unit-length responses of the images.
        scale: (D,) float32, 1 / deviation; 0 where a dimension never changes.
    """

    responses: npt.NDArray[np.float32]
    items: Indices
    mean: Tensor
    scale: Tensor
    n_positions = 1
    guessing = 1.0  # a right angle

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_classes(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def n_outputs(self) -> int:
        """D."""
        return len(self.mean)

    def wanted(self, rows: npt.NDArray[np.int64], device: torch.device) -> Tensor:
        """(B, D) standardized responses of unit length."""
        unit = _unit(self.responses[self.items[rows]]).to(device)
        return functional.normalize((unit - self.mean.to(device)) * self.scale.to(device), dim=1)

    def measured(self, logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Summed 1 - cosine, images nearest to their own response, images.

        Args:
            logits: (B, D).
            rows: (B,) int64 indices of the images among the N, on the CPU.
        """
        wanted = self.wanted(rows.numpy(), logits.device)
        cosines = functional.normalize(logits.float(), dim=1) @ wanted.T
        own = torch.arange(len(rows), device=logits.device)
        right = (cosines.detach().argmax(dim=1) == own).sum()
        return (1 - cosines.diagonal()).sum(), right, torch.tensor(len(rows), device=logits.device)

    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,) all."""
        return np.ones(len(self), dtype=np.bool_)

    def groups(self) -> npt.NDArray[np.int64]:
        """(N,) one group: there are no classes to balance."""
        return np.zeros(len(self), dtype=np.int64)

    def weighted(self, rows: npt.NDArray[np.int64]) -> "ResponseHead":
        """The same: there are no classes to weigh."""
        return self

    def digested(self) -> npt.NDArray[Any]:
        """Mean and scale, which all responses have a part in, and some responses."""
        some = self.responses[self.items[:: len(self) // _DIGESTED_ROWS + 1]]
        return np.concatenate([self.mean.numpy(), self.scale.numpy(), some.ravel()])


def response_head(responses: npt.NDArray[np.float32], items: Indices | None = None) -> ResponseHead:
    """The head for some images' responses.

    Args:
        responses: (M, D); a memory map is read batch by batch.
        items: (N,) which of the M are those of the images; all if None.

    Raises:
        BadResponsesError: no such matrix.
        NonFiniteResponsesError: a response is not finite.
        TargetError: all responses are the same.
    """
    matrix = np.asanyarray(as_responses(responses))
    rows = np.arange(len(matrix)) if items is None else items
    count, total = len(rows), torch.zeros(2, matrix.shape[1], dtype=torch.float64)
    for part in np.array_split(rows, -(-count // _ROWS_AT_ONCE)):
        unit = _unit(matrix[part]).double()
        total += torch.stack([unit.sum(dim=0), (unit**2).sum(dim=0)])
    if not bool(torch.isfinite(total).all()):
        raise NonFiniteResponsesError("responses to learn from are not finite numbers")
    mean, squares = total / count
    deviation = (squares - mean**2).clamp_min(0).sqrt()
    varies = deviation > 1e-6 * squares.sqrt()  # what rounding leaves of a constant is none
    if not bool(varies.any()):
        raise TargetError("the embedder says the same of all images; give another", field="embedder")
    scale = torch.where(varies, 1 / deviation.clamp_min(torch.finfo(torch.float64).tiny), 0)
    return ResponseHead(matrix, rows, mean.float(), scale.float())


def _unit(responses: npt.NDArray[np.float32]) -> Tensor:
    """(B, D) float32 of unit length; zeros stay."""
    return functional.normalize(torch.from_numpy(np.array(responses, dtype=np.float32)), dim=1)
