"""From stored pixels to what a network takes: scale, channels, size, normalization."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from g2l.errors import G2LError

Images = npt.NDArray[Any]  # (N, H, W, C), uint8 or uint16; a memmap will do
Indices = npt.NDArray[np.int64]

STATISTICS_IMAGES = 4096  # enough for mean and deviation to three digits, and read in a moment
SMALLEST_DEVIATION = 1 / 255  # of a channel that never changes


class ChannelMismatchError(G2LError):
    """Images and network differ in channels, and neither repeating nor averaging helps."""

    code: ClassVar[str] = "channel-mismatch"
    title: ClassVar[str] = "The model takes images of other channels"


class NotImagesError(G2LError):
    """The array is not a batch of 8-bit or 16-bit images."""

    code: ClassVar[str] = "not-images"
    title: ClassVar[str] = "The array holds no images"


def require_images(images: Images) -> None:
    """Raise NotImagesError unless the array is (N, H, W, C) of uint8 or uint16, with N > 0."""
    if images.ndim != 4 or images.dtype not in (np.uint8, np.uint16) or 0 in images.shape:
        raise NotImagesError(
            f"got {images.dtype} of shape {images.shape}; "
            "give a non-empty array (N, H, W, C) of uint8 or uint16"
        )


@dataclass(frozen=True)
class Preprocessing:
    """What is done to every image before a network sees it.

    Attributes:
        size: (height, width) in pixels that the network takes.
        mean: of each channel, on the scale 0 to 1.
        std: standard deviation of each channel, on the same scale; never 0.
        bits: 8 or 16, the depth of the images it was fitted on (either is taken).
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bits: int = 8

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return len(self.mean)

    def tensor(self, images: Images, device: torch.device | None = None) -> Tensor:
        """Normalized input of the network.

        Args:
            images: (B, H, W, C) uint8 or uint16.
            device: where the arithmetic is done; the CPU if None.

        Returns:
            (B, channels, height, width) float32, each channel about zero mean and unit variance.

        Raises:
            ChannelMismatchError: see `match_channels`.
        """
        scale = 1 / 65535 if images.dtype == np.uint16 else 1 / 255
        # torch's uint16 has few operations: 16-bit pixels cross as int32, 8-bit ones as they are
        stored = np.ascontiguousarray(images, dtype=np.int32 if images.dtype == np.uint16 else np.uint8)
        pixels = torch.from_numpy(stored).to(device).permute(0, 3, 1, 2).to(torch.float32)
        pixels = match_channels(pixels.contiguous(), self.channels)
        if tuple(pixels.shape[-2:]) != self.size:
            pixels = functional.interpolate(pixels, size=self.size, mode="bilinear", antialias=True)
        mean = torch.tensor(self.mean, device=device)[:, None, None]
        std = torch.tensor(self.std, device=device)[:, None, None]
        return pixels.mul_(scale).sub_(mean).div_(std)


def match_channels(pixels: Tensor, channels: int) -> Tensor:
    """Grey repeated for a network of 3 channels, or the mean of 3 for one of 1.

    Args:
        pixels: (B, C, H, W).
        channels: that the network takes.

    Returns:
        (B, channels, H, W).

    Raises:
        ChannelMismatchError: any other difference.
    """
    given = pixels.shape[1]
    if given == channels:
        return pixels
    if (given, channels) == (1, 3):
        return pixels.repeat(1, 3, 1, 1)
    if (given, channels) == (3, 1):
        return pixels.mean(dim=1, keepdim=True)
    raise ChannelMismatchError(
        f"the images have {given} channels and the model takes {channels}; "
        f"give images of {channels} channels, or a model trained on images of {given}"
    )


def fit_preprocessing(images: Images, *, image_size: int | None = None) -> Preprocessing:
    """Preprocessing by the mean and deviation of the images' own channels.

    Args:
        images: (N, H, W, C) uint8 or uint16; at most `STATISTICS_IMAGES`, evenly spaced, are read.
        image_size: side in pixels of the network's square input; the images' own size if None.

    Returns:
        the preprocessing, which depends on the images alone.

    Raises:
        NotImagesError: the array holds no images.
    """
    require_images(images)
    picked = np.unique(np.linspace(0, len(images) - 1, min(len(images), STATISTICS_IMAGES)).astype(np.int64))
    top = 65535 if images.dtype == np.uint16 else 255
    channels = images.shape[-1]
    total, squares, count = np.zeros(channels), np.zeros(channels), 0
    for part in np.array_split(picked, max(1, len(picked) // 256)):
        pixels = np.asarray(images[part], dtype=np.float64).reshape(-1, channels) / top
        total += pixels.sum(axis=0)
        squares += (pixels**2).sum(axis=0)
        count += len(pixels)
    mean = total / count
    std = np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0)), SMALLEST_DEVIATION)
    size = (image_size, image_size) if image_size else (images.shape[1], images.shape[2])
    return Preprocessing(
        size=size,
        mean=tuple(float(value) for value in mean),
        std=tuple(float(value) for value in std),
        bits=16 if images.dtype == np.uint16 else 8,
    )
