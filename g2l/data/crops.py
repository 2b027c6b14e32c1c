"""Parts of images, half of them mirrored: averaged over them, responses follow content and not place."""

from typing import Any

import numpy as np
import numpy.typing as npt

from g2l.data.pixels import resize

Images = npt.NDArray[Any]
SMALLEST_AREA = 0.5  # of the image that a crop shows


def crops(images: Images, items: npt.NDArray[np.int64], number: int) -> Images:
    """One crop of each image, at the image's own size; half of them are mirrored left to right.

    Args:
        images: (N, H, W, C) uint8 or uint16.
        items: (N,) numbers of the images, which with `number` decide everything.
        number: which crop of the same images this is.

    Returns:
        (N, H, W, C), the same type.
    """
    made = np.empty_like(images)
    height, width = images.shape[1:3]
    for filled, image, item in zip(made, images, items.tolist(), strict=True):
        area, down, across, mirror = np.random.default_rng([22, number, item]).random(4)
        share = np.sqrt(SMALLEST_AREA + (1 - SMALLEST_AREA) * area)
        rows, columns = max(1, round(height * share)), max(1, round(width * share))
        top, left = round((height - rows) * down), round((width - columns) * across)
        part = resize(image[top : top + rows, left : left + columns], (height, width))
        filled[:] = part[:, ::-1] if mirror < 0.5 else part
    return made
