"""What a network is trained towards: one softmax or one a position, on hard classes or distributions."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from g2l.errors import G2LError

Heads = Literal["flat", "positions"]
Targets = npt.NDArray[Any]
IGNORED = -1


class TargetError(G2LError):
    """The training targets do not fit the images, the heads, or each other."""

    code: ClassVar[str] = "bad-targets"
    title: ClassVar[str] = "The training targets cannot be used"


@dataclass(frozen=True)
class Objective:
    """Targets of N images for P softmaxes over K outcomes each, out of one classifier of P * K outputs.

    Attributes:
        values: (N, P) int64 outcomes, -1 where there is none; or (N, P, K) float32 distributions,
            all zero where there is none.
        n_positions: P; 1 for a flat head.
        n_classes: K.
    """

    values: Tensor
    n_positions: int
    n_classes: int

    @property
    def n_outputs(self) -> int:
        """Width of the classifier."""
        return self.n_positions * self.n_classes

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Mean cross-entropy in nats over the positions that have a target; 0 if none has.

        Args:
            logits: (B, P * K).
            rows: (B,) int64 indices of the images among the N, on the CPU.
        """
        wanted, known, log_p = self._compared(logits, rows)
        if self.values.ndim == 2:
            losses = -log_p.gather(2, wanted.clamp_min(0)[:, :, None])[:, :, 0]
        else:
            losses = -(wanted * log_p).sum(dim=2)
        return torch.where(known, losses, 0).sum() / known.sum().clamp_min(1)

    def hits(self, logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """How many positions have their likeliest outcome right, and how many have a target at all."""
        wanted, known, log_p = self._compared(logits, rows)
        best = wanted if self.values.ndim == 2 else wanted.argmax(dim=2)
        return ((log_p.argmax(dim=2) == best) & known).sum(), known.sum()

    def _compared(self, logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        wanted = self.values[rows].to(logits.device)
        known = wanted >= 0 if wanted.ndim == 2 else wanted.sum(dim=2) > 0
        shaped = logits.float().reshape(-1, self.n_positions, self.n_classes)
        return wanted, known, functional.log_softmax(shaped, dim=2)

    def usable(self) -> npt.NDArray[np.int64]:
        """Indices of the images that have a target at a position at least."""
        known = self.values >= 0 if self.values.ndim == 2 else self.values.sum(dim=2) > 0
        indices: npt.NDArray[np.int64] = torch.nonzero(known.any(dim=1))[:, 0].numpy()
        return indices

    def groups(self) -> npt.NDArray[np.int64]:
        """The likeliest outcome at the first position: what balanced sampling balances; -1 if none."""
        if self.values.ndim == 2:
            firsts: npt.NDArray[np.int64] = self.values[:, 0].numpy()
            return firsts
        first = self.values[:, 0]
        found: npt.NDArray[np.int64] = torch.where(first.sum(dim=1) > 0, first.argmax(dim=1), -1).numpy()
        return found


def objective(targets: Targets, *, heads: Heads = "flat", n_classes: int | None = None) -> Objective:
    """The objective that targets of any allowed form stand for.

    Args:
        targets: hard class ids (N,); hard outcomes a position (N, L), only for `heads="positions"`;
            distributions (N, K) or (N, L, K), floating, non-negative. -1 and all-zero rows have no target.
            A flat head on (N, L, K) takes the mean of the L distributions.
        heads: one softmax in all, or one a position.
        n_classes: outcomes of hard targets; the largest id + 1 if None.

    Returns:
        the objective; distributions are scaled to sum 1.

    Raises:
        TargetError: a shape, a type or a value that is none of these.
    """
    soft = np.issubdtype(targets.dtype, np.floating)
    shapes = {"flat": (2, 3) if soft else (1,), "positions": (2, 3) if soft else (1, 2)}
    if targets.ndim not in shapes[heads] or 0 in targets.shape:
        raise TargetError(
            f'got {targets.dtype} targets of shape {targets.shape} for heads="{heads}"; give class ids (N,), '
            'distributions (N, K) or (N, L, K), or, for heads="positions", ids (N, L)',
            field="targets",
        )
    return _soft(targets, heads) if soft else _hard(targets, n_classes)


def _hard(targets: Targets, n_classes: int | None) -> Objective:
    if not np.issubdtype(targets.dtype, np.integer):
        raise TargetError(f"got targets of type {targets.dtype}; give whole numbers", field="targets")
    classes = n_classes if n_classes is not None else max(1, int(targets.max()) + 1)
    if targets.min() < IGNORED or targets.max() >= classes:
        raise TargetError(
            f"class ids go from {targets.min()} to {targets.max()}; "
            f"with {classes} classes they go from 0 to {classes - 1}, or are -1 for none",
            field="targets",
        )
    values = torch.from_numpy(targets.reshape(len(targets), -1).astype(np.int64))
    return Objective(values, n_positions=values.shape[1], n_classes=classes)


def _soft(targets: Targets, heads: Heads) -> Objective:
    if not np.isfinite(targets).all() or (targets < 0).any():
        raise TargetError("distributions must be finite and not negative", field="targets")
    values = torch.from_numpy(np.asarray(targets, dtype=np.float32).copy())
    if values.ndim == 2:
        values = values[:, None, :]
    values = values / values.sum(dim=2, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    if heads == "flat" and values.shape[1] > 1:
        values = values.sum(dim=1, keepdim=True)  # a step without a target has no say in the mean
        values = values / values.sum(dim=2, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return Objective(values, n_positions=values.shape[1], n_classes=values.shape[2])
