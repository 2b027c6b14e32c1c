"""Pixels in memory: their type, their bounds, and the error for bytes that give none."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from g2l.data.limits import MAX_PIXELS, MAX_SAMPLES
from g2l.errors import G2LError

Pixels = NDArray[np.uint8 | np.uint16]
"""(H, W, C), uint8 or uint16."""


class BrokenImageError(G2LError):
    """Bytes that are no image, an image cut short, or one of a kind that is not read here."""

    code: ClassVar[str] = "broken-image"
    title: ClassVar[str] = "The image cannot be decoded"


def check_pixels(height: int, width: int, channels: int = 1) -> None:
    """Refuse an image that its header calls too large, before anything of it is decoded.

    Raises:
        BrokenImageError: it has no pixels, or more than `MAX_PIXELS` or `MAX_SAMPLES`.
    """
    if min(height, width, channels) < 1:
        raise BrokenImageError(f"{width:,} x {height:,} pixels of {channels} channels; that is no image")
    if height * width > MAX_PIXELS:
        raise BrokenImageError(f"{width:,} x {height:,} pixels, more than {MAX_PIXELS:,}")
    if height * width * channels > MAX_SAMPLES:
        raise BrokenImageError(
            f"{width:,} x {height:,} pixels of {channels:,} channels are more than {MAX_SAMPLES:,} values"
        )
