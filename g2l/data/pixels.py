"""Arrays of pixels: channels, depth, size, and back to files."""

import io
from typing import Any, ClassVar, cast

import numpy as np
import simplejpeg
from PIL import Image

from g2l.data.raster import Pixels
from g2l.errors import G2LError

_TO_16_BITS = 257  # 255 * 257 = 65,535, so that both scales end at 1.0


class ChannelMismatchError(G2LError):
    """Images of a number of channels that cannot be turned into the wanted one."""

    code: ClassVar[str] = "channel-mismatch"
    title: ClassVar[str] = "The number of channels does not fit"


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """The image in another number of channels: 1 becomes n by repeating, n becomes 1 by the mean.

    Args:
        pixels: (H, W, C).
        channels: wanted.

    Returns:
        (H, W, channels), the same type.

    Raises:
        ChannelMismatchError: neither number is 1, and they differ.
    """
    given = pixels.shape[2]
    if given == channels:
        return pixels
    if given == 1:
        return np.repeat(pixels, channels, axis=2)
    if channels == 1:
        mean = np.rint(pixels.mean(axis=2, keepdims=True, dtype=np.float32))
        return cast(Pixels, mean.astype(pixels.dtype))
    raise ChannelMismatchError(
        f"images of {given} channels cannot be made {channels}; only 1 can be repeated or averaged to"
    )


def with_depth(pixels: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """The image as uint8 or uint16, full scale kept (255 becomes 65,535)."""
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.uint16:
        return pixels.astype(np.uint16) * np.uint16(_TO_16_BITS)
    return np.rint(pixels / np.float32(_TO_16_BITS)).astype(np.uint8)


def resize(pixels: Pixels, shape: tuple[int, int], *, within: tuple[float, float] | None = None) -> Pixels:
    """Squash to a shape by Pillow's antialiased bilinear filter, as image processors of transformers do.

    Args:
        pixels: (H, W, C).
        shape: wanted (height, width).
        within: (height, width) of the picture, from the top left, if it does not fill its pixels.

    Returns:
        (*shape, C), the same type; 8-bit grey and RGB equal what Pillow gives exactly.
    """
    height, width = within or pixels.shape[:2]
    if pixels.shape[:2] == shape and (height, width) == shape:
        return pixels
    box = (0, 0, width, height)
    size = shape[::-1]
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, box))
    bands = [_resize_band(pixels[:, :, c], size, box) for c in range(pixels.shape[2])]
    return np.stack(bands, axis=2)


def _resize_band(
    band: Pixels,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
) -> Pixels:
    if band.dtype == np.uint8:
        return np.asarray(
            Image.fromarray(np.ascontiguousarray(band)).resize(size, Image.Resampling.BILINEAR, box)
        )
    exact = Image.fromarray(band.astype(np.float32)).resize(size, Image.Resampling.BILINEAR, box)
    return cast(Pixels, np.rint(np.asarray(exact)).astype(np.uint16))


def encode_png(pixels: Pixels) -> bytes:
    """A lossless file to look at; of other channels than 1 and 3 the first, or the first three.

    16-bit grey keeps its depth; 16-bit colour is written with 8 bits, as Pillow has no other PNG.
    """
    shown = _viewable(pixels)
    if shown.shape[2] == 3:
        shown = with_depth(shown, np.dtype(np.uint8))
    file = io.BytesIO()
    Image.fromarray(shown.squeeze(2) if shown.shape[2] == 1 else shown).save(file, "PNG")
    return file.getvalue()


def encode_thumbnail(pixels: Pixels, side: int) -> bytes:
    """A small JPEG whose longer side is at most `side` pixels; never enlarged."""
    shown = with_depth(_viewable(pixels), np.dtype(np.uint8))
    height, width = shown.shape[:2]
    scale = min(1.0, side / max(height, width))
    small = resize(shown, (max(1, round(height * scale)), max(1, round(width * scale))))
    grey = small.shape[2] == 1
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(small), 85, "GRAY" if grey else "RGB", "Gray" if grey else "444"
    )
    return jpeg


def _viewable(pixels: Pixels) -> Pixels:
    return pixels if pixels.shape[2] in (1, 3) else pixels[:, :, : 3 if pixels.shape[2] > 3 else 1]
