"""What a training image goes through by chance: a function of the seed and the step, on every device."""

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from g2l.nn.randomness import torch_generator

Augmentation = Literal["crop", "crop-flip", "affine"]
AUGMENTATIONS: tuple[str, ...] = get_args(Augmentation)

ROTATION = 0.2  # radians either way
STRETCH = 0.15  # of the logarithm of the aspect ratio
SHEAR = 0.15
SHIFT = 0.12  # of half a side


def augment(pixels: Tensor, kind: Augmentation, *, seed: int, step: int) -> Tensor:
    """Move images a little.

    Args:
        pixels: (B, C, H, W), already normalized.
        kind: "crop" shifts by up to an eighth of a side, the border mirrored; "crop-flip" also mirrors half
            of the images left to right, which is wrong where mirror images differ in meaning; "affine"
            rotates, stretches, shears and shifts, as handwriting varies.
        seed: with `step` decides every draw; the device does not.
        step: of the training.

    Returns:
        (B, C, H, W) on the same device.
    """
    generator = torch_generator(seed, 1, step)
    if kind == "affine":
        return _affine(pixels, generator)
    return _crop(pixels, generator, flip=kind == "crop-flip")


def _crop(pixels: Tensor, generator: torch.Generator, *, flip: bool) -> Tensor:
    batch, _, height, width = pixels.shape
    pad_y, pad_x = max(1, height // 8), max(1, width // 8)
    shift_y = torch.randint(0, 2 * pad_y + 1, (batch,), generator=generator)
    shift_x = torch.randint(0, 2 * pad_x + 1, (batch,), generator=generator)
    rows = torch.arange(height)[None] + shift_y[:, None]
    columns = torch.arange(width)[None]
    if flip:
        mirrored = torch.rand(batch, generator=generator) < 0.5
        columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    columns = columns + shift_x[:, None]
    padded = functional.pad(pixels, (pad_x, pad_x, pad_y, pad_y), mode="reflect")
    flat = (rows[:, :, None] * padded.shape[-1] + columns[:, None, :]).reshape(batch, 1, -1)
    flat = flat.to(pixels.device).expand(-1, pixels.shape[1], -1)
    return padded.flatten(2).gather(2, flat).reshape(pixels.shape)


def _affine(pixels: Tensor, generator: torch.Generator) -> Tensor:
    def drawn(bound: float) -> Tensor:
        return (torch.rand(len(pixels), generator=generator) * 2 - 1) * bound

    angle, stretch, shear = drawn(ROTATION), torch.exp(drawn(STRETCH)), drawn(SHEAR)
    to_source = torch.stack(
        [
            torch.stack([stretch * angle.cos(), shear - angle.sin(), drawn(SHIFT)], dim=1),
            torch.stack([angle.sin(), angle.cos() / stretch, drawn(SHIFT)], dim=1),
        ],
        dim=1,
    ).to(pixels.device, pixels.dtype)
    grid = functional.affine_grid(to_source, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
