"""A network's body and its head: pooled responses, a new head on an old body."""

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModelForImageClassification, PreTrainedModel

from g2l.errors import G2LError
from g2l.nn.randomness import torch_generator

HEAD_DEVIATION = 0.01  # of a new head's weights: logits start near zero, whatever the body


class NoHeadError(G2LError):
    """The network has no linear classifier that could be trained."""

    code: ClassVar[str] = "no-classifier-head"
    title: ClassVar[str] = "The model has no classifier to train"


def body(model: PreTrainedModel) -> PreTrainedModel:
    """The network without its classifier; the network itself if it has none."""
    inner: PreTrainedModel = model.base_model
    return inner


def pooled(model: PreTrainedModel, pixels: Tensor) -> Tensor:
    """The responses of a body: its map or its tokens, averaged over positions.

    A transformer's pooler is left out, since checkpoints often lack its weights and loading makes them up.

    Args:
        model: classifier or body.
        pixels: (B, C, H, W) preprocessed.

    Returns:
        (B, D).
    """
    output = body(model)(pixels)
    last: Tensor = output.last_hidden_state
    if last.ndim == 3:
        return last.mean(dim=1)
    summary = output.pooler_output  # of a convolutional body: the mean, in some with a trained norm
    return last.mean(dim=(2, 3)) if summary is None else summary.flatten(1)


def head(model: PreTrainedModel) -> nn.Linear:
    """The last linear layer outside the body.

    Raises:
        NoHeadError: there is none.
    """
    inside = set(body(model).modules())
    outside = [m for m in model.modules() if m not in inside and isinstance(m, nn.Linear)]
    if body(model) is model or not outside:
        raise NoHeadError(
            f"{type(model).__name__} has no linear layer outside its body; give an image classifier"
        )
    return outside[-1]


def before_head(model: PreTrainedModel, pixels: Tensor) -> Tensor:
    """What the head is given for a batch.

    Args:
        model: a classifier.
        pixels: (B, C, H, W) preprocessed.

    Returns:
        (B, D) input of the last linear layer.
    """
    seen: list[Tensor] = []
    hook = head(model).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        model(pixels)
    finally:
        hook.remove()
    return seen[0]


def classifier_on(model: PreTrainedModel, n_outputs: int, *, seed: int) -> PreTrainedModel:
    """A classifier of its own weights: the body of a model, copied, under a new head.

    Args:
        model: classifier or body.
        n_outputs: width of the new head.
        seed: decides the head's weights.

    Returns:
        the classifier on the CPU, in training mode.

    Raises:
        NoHeadError: classifiers of this kind have no linear head.
    """
    config = copy.deepcopy(model.config)
    config.num_labels = n_outputs
    config.problem_type = None
    with torch.random.fork_rng(devices=[]):
        fresh: Any = AutoModelForImageClassification.from_config(config)
    classifier: PreTrainedModel = fresh
    weights = {name: value for name, value in body(model).state_dict().items() if "pooler." not in name}
    body(classifier).load_state_dict(weights, strict=False)
    reset_head(classifier, seed=seed)
    return classifier.train()


def reset_head(model: PreTrainedModel, *, seed: int) -> None:
    """Small normal weights and no bias in the head, by seed."""
    layer = head(model)
    with torch.no_grad():
        layer.weight.normal_(0, HEAD_DEVIATION, generator=torch_generator(seed, 5))
        layer.bias.zero_()
