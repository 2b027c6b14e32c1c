"""What a network is trained towards: heads of one softmax or one a position, on classes or distributions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from g2l.errors import G2LError

Heads = Literal["flat", "positions"]
Targets = npt.NDArray[Any]
IGNORED = -1
_COUNTED_AT_ONCE = 1 << 24  # entries of distributions


class TargetError(G2LError):
    """The training targets do not fit the images, the heads, or each other."""

    code: ClassVar[str] = "bad-targets"
    title: ClassVar[str] = "The training targets cannot be used"


class AnyHead(Protocol):
    """Targets of N images for outputs of the classifier that stand side by side."""

    def __len__(self) -> int:
        """N."""

    @property
    def n_positions(self) -> int:
        """Parts that its outputs are cut into."""

    @property
    def n_classes(self) -> int:
        """Outputs of each."""

    @property
    def n_outputs(self) -> int:
        """Its part of the classifier's width."""

    @property
    def guessing(self) -> float:
        """The loss of knowing nothing."""

    def measured(self, logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Summed loss, positions that are right, positions with a target.

        Args:
            logits: (B, n_outputs).
            rows: (B,) int64 indices of the images among the N, on the CPU.
        """

    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,) whether an image has a target at a position at least."""

    def groups(self) -> npt.NDArray[np.int64]:
        """(N,) what balanced sampling balances."""

    def weighted(self, rows: npt.NDArray[np.int64]) -> "AnyHead":
        """The same with weights inverse to how often an outcome is expected among some images."""

    def digested(self) -> npt.NDArray[Any]:
        """What two trainings must agree on to be the same one."""


@dataclass(frozen=True)
class Head:
    """Targets of N images for P softmaxes over K outcomes each, out of P * K outputs of the classifier.

    Attributes:
        values: (N, P) int64 outcomes, -1 where there is none; or (N, P, K) float32 distributions,
            all zero where there is none.
        n_positions: P; 1 for a flat head.
        n_classes: K.
        weights: (P, K) float32 that an outcome's loss is multiplied by; None: all alike.
        smoothing: share of every hard target that is spread evenly over all K outcomes.
    """

    values: Tensor
    n_positions: int
    n_classes: int
    weights: Tensor | None = None
    smoothing: float = 0.0

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_outputs(self) -> int:
        """Its part of the classifier's width."""
        return self.n_positions * self.n_classes

    @property
    def guessing(self) -> float:
        """Cross-entropy of guessing evenly in nats, 1 at least."""
        return max(1.0, float(np.log(self.n_classes)))

    def measured(self, logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Summed cross-entropy in nats, positions with the likeliest outcome right, positions with a target.

        Args:
            logits: (B, P * K).
            rows: (B,) int64 indices of the images among the N, on the CPU.
        """
        wanted = self.values[rows].to(logits.device)
        known = _known(wanted)
        log_p = functional.log_softmax(logits.float().reshape(-1, self.n_positions, self.n_classes), dim=2)
        weights = None if self.weights is None else self.weights.to(logits.device).expand_as(log_p)
        if wanted.ndim == 2:
            best, picked = wanted, wanted.clamp_min(0)[:, :, None]
            losses = -log_p.gather(2, picked)[:, :, 0]
            if weights is not None:
                losses = losses * weights.gather(2, picked)[:, :, 0]
            if self.smoothing:
                evenly = -(log_p if weights is None else weights * log_p).mean(dim=2)
                losses = (1 - self.smoothing) * losses + self.smoothing * evenly
        else:
            best = wanted.argmax(dim=2)
            losses = -(wanted * log_p if weights is None else weights * wanted * log_p).sum(dim=2)
        right = (log_p.detach().argmax(dim=2) == best) & known
        return torch.where(known, losses, 0).sum(), right.sum(), known.sum()

    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,) whether an image has a target at a position at least."""
        found: npt.NDArray[np.bool_] = _known(self.values).any(dim=1).numpy()
        return found

    def groups(self) -> npt.NDArray[np.int64]:
        """The likeliest outcome at the first position: what balanced sampling balances; -1 if none."""
        if self.values.ndim == 2:
            firsts: npt.NDArray[np.int64] = self.values[:, 0].numpy()
            return firsts
        first = self.values[:, 0]
        found: npt.NDArray[np.int64] = torch.where(first.sum(dim=1) > 0, first.argmax(dim=1), -1).numpy()
        return found

    def weighted(self, rows: npt.NDArray[np.int64]) -> "Head":
        """The same with weights inverse to how often each outcome is expected among some images.

        At each position, outcome k has the expected count n_k (the mass of its distributions) and the weight
        w_k, proportional to 1 / max(1, n_k), such that the mean weight of a target is 1. So of hard classes
        each counts alike, and of soft targets what has less mass than one image in all is not blown up.

        Args:
            rows: indices of the images that are trained on.
        """
        counts = torch.zeros(self.n_positions, self.n_classes, dtype=torch.float64)
        if self.values.ndim == 2:
            for position, outcomes in enumerate(self.values[torch.from_numpy(rows)].T):
                counts[position] = torch.bincount(outcomes[outcomes >= 0], minlength=self.n_classes)
        else:
            for part in np.array_split(rows, -(-len(rows) * self.n_outputs // _COUNTED_AT_ONCE)):
                counts += self.values[torch.from_numpy(part)].sum(dim=0, dtype=torch.float64)
        weights = 1 / counts.clamp_min(1)
        total = (weights * counts).sum(dim=1, keepdim=True)
        scale = counts.sum(dim=1, keepdim=True) / total.clamp_min(torch.finfo(torch.float64).tiny)
        return replace(self, weights=(weights * scale).float())

    def digested(self) -> npt.NDArray[Any]:
        """The targets."""
        values: npt.NDArray[Any] = self.values.numpy()
        return values


@dataclass(frozen=True)
class Measured:
    """What logits are worth on some images: a figure a head.

    Attributes:
        losses: (H,) summed cross-entropy in nats.
        hits: (H,) positions whose likeliest outcome is right.
        known: (H,) positions that have a target.
    """

    losses: Tensor
    hits: Tensor
    known: Tensor

    @property
    def loss(self) -> Tensor:
        """Mean over the heads of the mean over their positions that have a target; 0 where none has."""
        return self.loss_among(self.known)

    def loss_among(self, known: Tensor) -> Tensor:
        """What these images add to the loss of a batch that has so many positions with a target, by head."""
        return (self.losses / known.clamp_min(1)).mean()

    def accuracies(self) -> tuple[float | None, ...]:
        """Share of each head's positions that are right; None where none has a target."""
        pairs = zip(self.hits.tolist(), self.known.tolist(), strict=True)
        return tuple(hits / known if known else None for hits, known in pairs)

    def detached(self) -> "Measured":
        """The figures alone, wide enough to be summed over an epoch."""
        return Measured(self.losses.detach().double(), self.hits.double(), self.known.double())

    def summed(self, total: Callable[[Tensor], Tensor]) -> "Measured":
        """The same over all that `total` sums up."""
        return Measured(total(self.losses), total(self.hits), total(self.known))

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(self.losses + other.losses, self.hits + other.hits, self.known + other.known)


@dataclass(frozen=True)
class Objective:
    """Targets of N images for a classifier whose outputs are those of one head or more, side by side.

    Attributes:
        heads: of the same N images.
    """

    heads: tuple[AnyHead, ...]

    def __len__(self) -> int:
        return len(self.heads[0])

    @property
    def n_outputs(self) -> int:
        """Width of the classifier."""
        return sum(head.n_outputs for head in self.heads)

    def outputs(self) -> list[slice]:
        """Which outputs of the classifier are each head's."""
        ends = np.cumsum([head.n_outputs for head in self.heads]).tolist()
        return [slice(end - head.n_outputs, end) for head, end in zip(self.heads, ends, strict=True)]

    def measured(self, logits: Tensor, rows: Tensor) -> Measured:
        """Loss and hits of each head.

        Args:
            logits: (B, n_outputs).
            rows: (B,) int64 indices of the images among the N, on the CPU.
        """
        figures = [
            head.measured(logits[:, mine], rows)
            for head, mine in zip(self.heads, self.outputs(), strict=True)
        ]
        return Measured(*(torch.stack(column) for column in zip(*figures, strict=True)))

    def usable(self) -> npt.NDArray[np.int64]:
        """Indices of the images that have a target at a position of a head at least."""
        return np.flatnonzero(np.any([head.usable() for head in self.heads], axis=0))

    def groups(self) -> npt.NDArray[np.int64]:
        """What balanced sampling balances: the first head's outcomes."""
        return self.heads[0].groups()

    def weighted(self, rows: npt.NDArray[np.int64]) -> "Objective":
        """The same, each head weighted as `Head.weighted` says."""
        return Objective(tuple(head.weighted(rows) for head in self.heads))


def joint(objectives: Sequence[Objective]) -> Objective:
    """One objective of all heads of several: their losses are averaged, their outputs stand side by side.

    Args:
        objectives: of the same images.

    Raises:
        TargetError: they are of different numbers of images.
    """
    sizes = {len(each) for each in objectives}
    if len(sizes) != 1:
        raise TargetError(f"the heads have targets of {sorted(sizes)} images; give the same to all")
    return Objective(tuple(head for each in objectives for head in each.heads))


def objective(
    targets: Targets, *, heads: Heads = "flat", n_classes: int | None = None, smoothing: float = 0.0
) -> Objective:
    """The objective that targets of any allowed form stand for.

    Args:
        targets: hard class ids (N,); hard outcomes a position (N, L), only for `heads="positions"`;
            distributions (N, K) or (N, L, K), floating, non-negative. -1 and all-zero rows have no target.
            A flat head on (N, L, K) takes the mean of the L distributions.
        heads: one softmax in all, or one a position.
        n_classes: outcomes of hard targets; the largest id + 1 if None.
        smoothing: of hard targets, 0 to below 1: the share that is spread evenly over all outcomes
            (C. Szegedy and others, arXiv 1512.00567).

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
    return _soft(targets, heads) if soft else _hard(targets, n_classes, smoothing)


def _hard(targets: Targets, n_classes: int | None, smoothing: float) -> Objective:
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
    return Objective((Head(values, values.shape[1], classes, smoothing=smoothing),))


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
    return Objective((Head(values, n_positions=values.shape[1], n_classes=values.shape[2]),))


def _known(values: Tensor) -> Tensor:
    """(B, P) whether there is a target."""
    return values >= 0 if values.ndim == 2 else values.sum(dim=2) > 0
