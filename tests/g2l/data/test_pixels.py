"""Channels, depth, size, and files to look at."""

import io

import numpy as np
import pytest
from PIL import Image

from g2l.data.images import decode
from g2l.data.pixels import (
    ChannelMismatchError,
    encode_png,
    encode_thumbnail,
    resize,
    with_channels,
    with_depth,
)
from g2l.data.raster import Pixels
from tests.fixtures.images import picture, picture16


def test_one_channel_is_repeated_and_more_are_averaged() -> None:
    grey = picture(1, channels=1)
    assert (with_channels(grey, 3) == grey).all()
    assert with_channels(grey, 5).shape == (*grey.shape[:2], 5)
    colour = picture(1)
    np.testing.assert_allclose(with_channels(colour, 1)[..., 0], colour.mean(axis=2), atol=0.5)
    assert with_channels(colour, 3) is colour


def test_other_channels_do_not_fit() -> None:
    with pytest.raises(ChannelMismatchError, match="5 channels cannot be made 3"):
        with_channels(picture(1, channels=5), 3)


def test_depth_keeps_full_scale() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    deep = with_depth(levels, np.dtype(np.uint16))
    np.testing.assert_allclose(deep / 65535, levels / 255, rtol=1e-12)
    np.testing.assert_array_equal(with_depth(deep, np.dtype(np.uint8)), levels)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("shape", [(8, 8), (13, 21), (64, 64)])
def test_each_band_is_resized_as_pillow_does(channels: int, shape: tuple[int, int]) -> None:
    pixels = picture(1, channels=channels)
    small = resize(pixels, shape)
    for c in range(channels):
        band = Image.fromarray(pixels[:, :, c]).resize(shape[::-1], Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(small[:, :, c], np.asarray(band))


def test_16_bits_are_resized_without_losing_depth() -> None:
    deep = with_depth(picture(1), np.dtype(np.uint16)) + np.uint16(0)
    small = resize(deep, (8, 8))
    assert small.dtype == np.uint16
    assert np.abs(small / 257 - resize(picture(1), (8, 8))).max() < 1.1  # Pillow rounds after each direction


@pytest.mark.parametrize("pixels", [picture(1), picture(1, channels=1), picture16(1)[:, :, None]])
def test_png_gives_the_pixels_back(pixels: Pixels) -> None:
    np.testing.assert_array_equal(decode(encode_png(pixels)), pixels)


def test_other_bands_can_be_looked_at() -> None:
    five, two = picture(1, channels=5), picture(1, channels=2)
    np.testing.assert_array_equal(decode(encode_png(five)), five[:, :, :3])
    np.testing.assert_array_equal(decode(encode_png(two)), two[:, :, :1])
    deep = with_depth(picture(1), np.dtype(np.uint16))
    np.testing.assert_array_equal(decode(encode_png(deep)), picture(1))


@pytest.mark.parametrize(
    "pixels", [picture(1), picture(1, channels=1), picture(1, channels=7), picture16(1)[:, :, None]]
)
def test_thumbnails_keep_the_shape_of_the_picture(pixels: Pixels) -> None:
    small = Image.open(io.BytesIO(encode_thumbnail(pixels, 16)))
    assert (small.format, small.size) == ("JPEG", (16, 12))


def test_thumbnails_are_never_enlarged_nor_empty() -> None:
    assert Image.open(io.BytesIO(encode_thumbnail(picture(1), 500))).size == (32, 24)
    assert Image.open(io.BytesIO(encode_thumbnail(picture(1, height=2, width=400), 20))).size == (20, 1)
