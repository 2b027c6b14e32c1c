"""The networks that can be trained here: transformers configurations, built with random weights."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from transformers import (
    AutoModelForImageClassification,
    ConvNextV2Config,
    PreTrainedConfig,
    PreTrainedModel,
    RegNetConfig,
    ResNetConfig,
    ViTConfig,
)

from g2l.errors import G2LError
from g2l.nn.randomness import derived_seed

ARCHITECTURES = (
    "resnet-tiny",
    "resnet-18",
    "resnet-50",
    "regnet-tiny",
    "convnextv2-atto",
    "vit-tiny",
)
DEFAULT_ARCHITECTURE = "resnet-tiny"


class UnknownArchitectureError(G2LError):
    """The name is not one of `ARCHITECTURES`."""

    code: ClassVar[str] = "unknown-architecture"
    title: ClassVar[str] = "No such architecture"


class ArchitectureTooDeepError(G2LError):
    """The images are smaller than what the network shrinks to one position."""

    code: ClassVar[str] = "architecture-too-deep"
    title: ClassVar[str] = "The architecture is too deep for images of this size"


def _resnet_tiny(_: int) -> PreTrainedConfig:
    """1.2 M parameters; two idle cores take about 2,900 images/s of 32 px from forward pass to step."""
    return ResNetConfig(embedding_size=32, hidden_sizes=[64, 128, 256], depths=[1, 1, 1], layer_type="basic")


def _resnet_18(_: int) -> PreTrainedConfig:
    return ResNetConfig(
        embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"
    )


def _resnet_50(_: int) -> PreTrainedConfig:
    return ResNetConfig(
        embedding_size=64, hidden_sizes=[256, 512, 1024, 2048], depths=[3, 4, 6, 3], layer_type="bottleneck"
    )


def _regnet_tiny(_: int) -> PreTrainedConfig:
    """A stem of stride 2, where ResNet's has 4: slower, for images with fine detail."""
    return RegNetConfig(
        embedding_size=32,
        hidden_sizes=[64, 128, 256],
        depths=[1, 1, 1],
        groups_width=4096,  # one group: grouped convolutions are slow on CPUs
        layer_type="x",
        downsample_in_first_stage=False,
    )


def _convnextv2_atto(image_size: int) -> PreTrainedConfig:
    return ConvNextV2Config(
        hidden_sizes=[40, 80, 160, 320], depths=[2, 2, 6, 2], image_size=image_size, patch_size=4
    )


def _vit_tiny(image_size: int) -> PreTrainedConfig:
    """Patches grow with the image, so that there are 4 to 256 tokens (above 256 px more)."""
    patch_size = 4 if image_size <= 64 else 8 if image_size <= 128 else 16
    return ViTConfig(
        hidden_size=192,
        num_hidden_layers=6,
        num_attention_heads=3,
        intermediate_size=768,
        image_size=image_size,
        patch_size=patch_size,
    )


# Name -> (configuration for an image size, the smallest image in pixels: the network's whole stride).
_RECIPES: dict[str, tuple[Callable[[int], PreTrainedConfig], int]] = {
    "resnet-tiny": (_resnet_tiny, 8),
    "resnet-18": (_resnet_18, 16),
    "resnet-50": (_resnet_50, 16),
    "regnet-tiny": (_regnet_tiny, 8),
    "convnextv2-atto": (_convnextv2_atto, 32),
    "vit-tiny": (_vit_tiny, 8),
}


def configuration(arch: str, *, n_outputs: int, channels: int, image_size: int) -> PreTrainedConfig:
    """The transformers configuration of an architecture.

    Args:
        arch: one of `ARCHITECTURES`.
        n_outputs: width of the classifier (C classes, or L * K for a head a position).
        channels: of the images it takes.
        image_size: side of the square images in pixels.

    Returns:
        a configuration from which the network can be built with random weights.

    Raises:
        UnknownArchitectureError: `arch` is not one of `ARCHITECTURES`.
        ArchitectureTooDeepError: `image_size` is below the network's whole stride.
    """
    if arch not in _RECIPES:
        raise UnknownArchitectureError(
            f"got {arch!r}; choose one of {', '.join(ARCHITECTURES)}", field="arch"
        )
    recipe, smallest = _RECIPES[arch]
    if image_size < smallest:
        fitting = [name for name, (_, least) in _RECIPES.items() if least <= image_size]
        cure = f"or choose {', '.join(fitting)}" if fitting else "no architecture takes less than 8"
        raise ArchitectureTooDeepError(
            f"{arch} needs images of at least {smallest} pixels and image_size is {image_size}; "
            f"raise image_size, {cure}",
            field="image_size",
        )
    config = recipe(image_size)
    config.num_channels = channels
    config.num_labels = n_outputs
    return config


def build(
    arch: str, *, n_outputs: int, channels: int = 3, image_size: int = 32, seed: int = 0
) -> PreTrainedModel:
    """An image classifier of an architecture, with random weights that depend on the seed alone.

    Args:
        arch: one of `ARCHITECTURES`.
        n_outputs: width of the classifier.
        channels: of the images it takes.
        image_size: side of the square images in pixels.
        seed: 0 to 2**32 - 1; torch's global generator is left as it was.

    Returns:
        the network on the CPU, in training mode.

    Raises:
        UnknownArchitectureError: `arch` is not one of `ARCHITECTURES`.
        ArchitectureTooDeepError: `image_size` is below the network's whole stride.
    """
    config = configuration(arch, n_outputs=n_outputs, channels=channels, image_size=image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, 0))
        model: Any = AutoModelForImageClassification.from_config(config)
    trained: PreTrainedModel = model.train()
    return trained
