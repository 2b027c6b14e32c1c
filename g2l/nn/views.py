"""Two looks at one image, for training without labels: cropped, mirrored, recoloured by chance."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from g2l.nn.augmentation import Augmentation, augment
from g2l.nn.randomness import torch_generator

SMALLEST_AREA = 0.25  # of the image that a view shows
STRETCH = math.log(4 / 3)  # of the logarithm of a view's aspect ratio
BRIGHTNESS = 0.4  # standard deviations of the pool's pixels
CONTRAST = 0.4  # of the logarithm of the contrast
GAIN = 0.2  # of the logarithm of each channel's own gain
GREYED = 0.2  # share of the views whose channels are all their mean


def view(pixels: Tensor, kind: Augmentation, *, seed: int, step: int, number: int) -> Tensor:
    """One look at each image of a batch.

    It shows a part of 25 to 100 % of the area, resized. With "crop-flip" half of the views are mirrored, with
    "affine" the image is first turned and sheared. Then brightness, contrast and the gain of each channel
    change, and a fifth of the views lose their colours: the mean of all channels stands in each.

    Args:
        pixels: (B, C, H, W), normalized; any number of channels.
        kind: how training images may be moved, as for `g2l.nn.augmentation.augment`.
        seed: with `step` and `number` decides every draw; the device does not.
        step: of the training.
        number: which look at the same batch this is.

    Returns:
        (B, C, H, W) on the same device.
    """
    generator = torch_generator(seed, 10, step, number)
    if kind == "affine":
        pixels = augment(pixels, "affine", seed=seed, step=2 * step + number)
    return _recoloured(_cropped(pixels, generator, flip=kind == "crop-flip"), generator)


def _cropped(pixels: Tensor, generator: torch.Generator, *, flip: bool) -> Tensor:
    n = len(pixels)

    def drawn() -> Tensor:
        return torch.rand(n, generator=generator)

    area = SMALLEST_AREA + (1 - SMALLEST_AREA) * drawn()
    half_stretch = torch.exp((drawn() * 2 - 1) * STRETCH / 2)
    width, height = (area.sqrt() * half_stretch).clamp_max(1), (area.sqrt() / half_stretch).clamp_max(1)
    across, down = (1 - width) * (drawn() * 2 - 1), (1 - height) * (drawn() * 2 - 1)
    if flip:
        width = torch.where(drawn() < 0.5, -width, width)
    zero = torch.zeros(n)
    to_source = torch.stack(
        [torch.stack([width, zero, across], dim=1), torch.stack([zero, height, down], dim=1)], dim=1
    ).to(pixels.device, pixels.dtype)
    grid = functional.affine_grid(to_source, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _recoloured(pixels: Tensor, generator: torch.Generator) -> Tensor:
    n, channels = pixels.shape[:2]

    def drawn(bound: float, width: int = 1) -> Tensor:
        draw = (torch.rand(n, width, 1, 1, generator=generator) * 2 - 1) * bound
        return draw.to(pixels.device, pixels.dtype)

    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    gain = torch.exp(drawn(CONTRAST) + drawn(GAIN, channels))
    pixels = (pixels - mean) * gain + mean + drawn(BRIGHTNESS)
    greyed = (torch.rand(n, 1, 1, 1, generator=generator) < GREYED).to(pixels.device)
    return torch.where(greyed, pixels.mean(dim=1, keepdim=True), pixels)
