"""One step of gradient descent: AdamW, clipped gradients, in the precision that the device is good at."""

import re
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from g2l.nn.devices import needs_scaling

GRADIENT_NORM = 1.0  # clipped to
_NUMBERED = re.compile(r"^.*?\.\d+(?=\.)")  # the name of a numbered block, such as encoder.stages.0


class Descent:
    """An optimizer with what goes around its step.

    Where the device computes in float16, whose small numbers vanish, losses are scaled up before the way back
    and gradients down after it; a step whose gradients overflow is left out, and the scale halved.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float,
        device: torch.device,
        layer_decay: float = 1.0,
    ) -> None:
        self._weights = list(network.parameters())
        layers = [self._weights] if layer_decay == 1 else layers_of(network)
        self._optimizer = adamw(layers, learning_rate=learning_rate, weight_decay=weight_decay)
        # of the learning rate, for each of the optimizer's groups, of which a layer has two
        self._shares = [layer_decay**depth for depth in reversed(range(len(layers))) for _ in range(2)]
        self._scaler = torch.amp.GradScaler(device.type, enabled=needs_scaling(device))

    def step(self, loss: Tensor, rate: float) -> None:
        """Move the weights against the gradient of a loss, at a learning rate: that of the last layer."""
        for group, share in zip(self._optimizer.param_groups, self._shares, strict=True):
            group["lr"] = rate * share
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


def layers_of(network: nn.Module) -> list[list[nn.Parameter]]:
    """The weights, first layer first: what comes before the numbered blocks, each of these, and the rest."""
    named = groupby(network.named_parameters(), key=lambda pair: _NUMBERED.findall(pair[0])[:1])
    return [[weight for _, weight in layer] for _, layer in named]


def adamw(
    layers: list[list[nn.Parameter]], *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW; biases, norms and lone vectors (at most one axis) do not decay: two groups a layer."""
    return torch.optim.AdamW(
        [
            {"params": [w for w in weights if decays == (w.ndim > 1)], "weight_decay": decays * weight_decay}
            for weights in layers
            for decays in (True, False)
        ],
        lr=learning_rate,
        fused=True,
    )
