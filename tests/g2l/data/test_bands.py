"""TIFFs of any number of bands and 16-bit colour, as they are written by common tools."""

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from g2l.data.images import decode, inspect
from g2l.data.raster import BrokenImageError
from tests.fixtures.images import HEIGHT, WIDTH, picture, transparent


def bands(channels: int, dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    """(H, W, C) with all bits in use."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, np.iinfo(dtype).max, (HEIGHT, WIDTH, channels), endpoint=True)
    return noise.astype(dtype)


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def png(pixels: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.png_encode(pixels))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [2, 4, 5, 13])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib", "predictor": True},
        {"compression": "lzw"},
        {"compression": "packbits"},
        {"compression": "zstd", "bigtiff": True},
        {"compression": "lzma"},
        {"tile": (16, 16), "compression": "zlib"},
        {"byteorder": ">"},
        {"rowsperstrip": 5},
    ],
    ids=str,
)
def test_bands_come_back_chunky_and_planar(options: dict[str, Any], channels: int, dtype: str) -> None:
    pixels = bands(channels, dtype)
    chunky = tiff(pixels, photometric="minisblack", planarconfig="contig", **options)
    planar = tiff(pixels.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate", **options)
    for data in (chunky, planar):
        decoded = decode(data)
        assert decoded.dtype == dtype
        np.testing.assert_array_equal(decoded, pixels)
        facts = inspect(data)
        assert (facts.format, facts.channels, facts.dtype) == ("tiff", channels, dtype)
        assert (facts.height, facts.width) == (HEIGHT, WIDTH)


@pytest.mark.filterwarnings("ignore:<tifffile.TiffWriter.write> data with shape:DeprecationWarning")
@pytest.mark.parametrize("channels", [3, 4, 13])
def test_arrays_that_are_written_without_options_come_back(channels: int) -> None:
    pixels = bands(channels)
    np.testing.assert_array_equal(decode(tiff(pixels)), pixels)
    np.testing.assert_array_equal(decode(tiff(pixels.transpose(2, 0, 1))), pixels)


def test_channels_of_imagej_are_bands_and_other_pages_are_not() -> None:
    pixels = bands(5)
    stack = pixels.transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(tiff(stack, imagej=True, metadata={"axes": "CYX"})), pixels)
    first = decode(tiff(stack, imagej=True, metadata={"axes": "TYX"}))
    np.testing.assert_array_equal(first, pixels[:, :, :1])


@pytest.mark.parametrize("extra", ["unspecified", "unassalpha", "assocalpha"])
def test_a_fourth_sample_is_a_band_whatever_it_is_called(extra: str) -> None:
    pixels = bands(4, "uint8")
    np.testing.assert_array_equal(decode(tiff(pixels, photometric="rgb", extrasamples=[extra])), pixels)


def test_colour_of_16_bits_keeps_them() -> None:
    pixels = bands(3)
    np.testing.assert_array_equal(decode(tiff(pixels, photometric="rgb")), pixels)
    np.testing.assert_array_equal(decode(png(pixels)), pixels)


def test_16_bit_transparency_is_laid_over_white() -> None:
    pixels = transparent(3).astype(np.uint16) * 257
    decoded = decode(png(pixels))
    assert (decoded[:, : WIDTH // 2] == 65_535).all()
    np.testing.assert_array_equal(decoded[:, WIDTH // 2 :], pixels[:, WIDTH // 2 :, :3])


def test_grey_and_rgb_of_8_bits_are_as_ever() -> None:
    pixels = picture(1)
    np.testing.assert_array_equal(decode(tiff(pixels, photometric="rgb")), pixels)
    np.testing.assert_array_equal(decode(tiff(pixels[:, :, 0])), pixels[:, :, :1])


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.zeros((8, 8, 5), np.float32), "floating-point samples; save it as 8 or 16 bits"),
        (np.zeros((8, 8, 5), np.int16), "samples of 16 bits"),
        (np.zeros((8, 8, 5), np.uint32), "samples of 32 bits"),
    ],
)
def test_other_depths_are_refused_with_the_cure(pixels: NDArray[Any], says: str) -> None:
    with pytest.raises(BrokenImageError, match=says):
        decode(tiff(pixels, photometric="minisblack", planarconfig="contig"))


def test_pictures_within_a_tiff_of_bands_are_refused() -> None:
    data = tiff(bands(5, "uint8"), photometric="minisblack", planarconfig="contig", compression="jpegxl")
    with pytest.raises(BrokenImageError, match="save it with deflate, LZW or none"):
        decode(data)


def test_bands_cut_short_are_broken() -> None:
    for options in ({}, {"compression": "zlib"}):
        data = tiff(bands(13), photometric="minisblack", planarconfig="contig", **options)
        for share in (0.2, 0.5, 0.9):
            with pytest.raises(BrokenImageError):
                decode(data[: int(len(data) * share)])


def declared(tags: dict[int, tuple[int, int]], data: bytes) -> bytes:
    """A TIFF whose tags say something else."""
    changed = bytearray(data)
    (at,) = struct.unpack_from("<L", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, entry)
        if tag in tags:
            struct.pack_into("<HLL", changed, entry + 2, 4, *tags[tag])
    return bytes(changed)


@pytest.mark.parametrize(
    "tags",
    [
        {256: (1, 2**31 - 1), 257: (1, 2**31 - 1)},
        {256: (1, 30_000), 257: (1, 30_000)},
        {256: (1, 8_000), 257: (1, 8_000)},
        {322: (1, 2**20), 323: (1, 2**20)},
    ],
    ids=["absurd", "too many pixels", "too many values", "tiles"],
)
def test_a_tiff_that_declares_too_much_is_refused_before_it_is_decoded(tags: dict[int, Any]) -> None:
    tile = {"tile": (16, 16)} if 322 in tags else {}
    data = tiff(bands(13), photometric="minisblack", planarconfig="contig", compression="zlib", **tile)
    with pytest.raises(BrokenImageError, match="more than"):
        decode(declared(tags, data))


def test_a_16_bit_png_that_declares_too_much_is_refused() -> None:
    data = bytearray(png(bands(3)))
    data[16:24] = struct.pack(">2L", 40_000, 40_000)
    with pytest.raises(BrokenImageError, match="more than"):
        decode(bytes(data))
