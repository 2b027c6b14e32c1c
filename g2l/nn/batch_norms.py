"""Batch norms that know the target: their statistics measured anew on its images."""

import torch
from torch import nn
from transformers import PreTrainedModel

from g2l.nn.devices import pick_device
from g2l.nn.images import Images, Preprocessing

AT_ONCE = 256  # images


def re_estimate(model: PreTrainedModel, images: Images, preprocessing: Preprocessing) -> None:
    """Replace the running means and variances by their averages over batches of images, which are not moved.

    Source: Y. Li and others, *Revisiting Batch Normalization for Practical Domain Adaptation*, arXiv
    1603.04779.

    Args:
        model: on return on the CPU, in evaluation mode; one without batch norms stays as it is.
        images: (N, H, W, C) uint8 or uint16, N > 1; batches differ by one image at most.
        preprocessing: the model's.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    model.eval()
    if not norms or len(images) < 2:
        return
    momenta = [norm.momentum for norm in norms]
    model.to(pick_device())
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over batches
        norm.train()
    n_batches = -(-len(images) // AT_ONCE)
    with torch.no_grad():
        for number in range(n_batches):
            part = images[len(images) * number // n_batches : len(images) * (number + 1) // n_batches]
            model(preprocessing.tensor(part, model.device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.to("cpu").eval()
