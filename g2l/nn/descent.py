"""One step of gradient descent: AdamW, clipped gradients, in the precision that the device is good at."""

from typing import Any

import torch
from torch import Tensor, nn

from g2l.nn.devices import needs_scaling

GRADIENT_NORM = 1.0  # clipped to


class Descent:
    """An optimizer with what goes around its step.

    Where the device computes in float16, whose small numbers vanish, losses are scaled up before the way back
    and gradients down after it; a step whose gradients overflow is left out, and the scale halved.
    """

    def __init__(
        self, network: nn.Module, *, learning_rate: float, weight_decay: float, device: torch.device
    ) -> None:
        self._weights = list(network.parameters())
        self._optimizer = adamw(network, learning_rate=learning_rate, weight_decay=weight_decay)
        self._scaler = torch.amp.GradScaler(device.type, enabled=needs_scaling(device))

    def step(self, loss: Tensor, rate: float) -> None:
        """Move the weights against the gradient of a loss, at a learning rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimizer)  # so that the norm is of the gradients themselves
        nn.utils.clip_grad_norm_(self._weights, GRADIENT_NORM)
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # empty where the training began on a device without
            self._scaler.load_state_dict(state["scaler"])


def adamw(network: nn.Module, *, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; biases, norms and lone vectors (at most one axis) do not decay."""
    weights = list(network.parameters())
    return torch.optim.AdamW(
        [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": weight_decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=learning_rate,
        fused=True,
    )
