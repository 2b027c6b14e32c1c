"""Every kind of image decodes to the pixels it shows; anything else is a BrokenImageError."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from g2l.data.images import decode, decode_for, inspect
from g2l.data.pixels import resize
from g2l.data.raster import BrokenImageError
from tests.fixtures.images import (
    HEIGHT,
    KINDS,
    WIDTH,
    broken,
    encoded,
    picture,
    picture16,
    saved,
    transparent,
)

LOSSLESS = ["png", "text in a png", "bmp", "webp", "tiff", "ppm"]
EXACT_JPEG = 12  # quality 95 on smooth pictures


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_colour_is_exact(kind: str) -> None:
    np.testing.assert_array_equal(decode(encoded(kind, 3)), picture(3))


@pytest.mark.parametrize("kind", ["grey png", "pgm"])
def test_lossless_grey_is_exact_and_has_one_channel(kind: str) -> None:
    np.testing.assert_array_equal(decode(encoded(kind, 3)), picture(3, channels=1))


@pytest.mark.parametrize("kind", ["jpeg", "cmyk jpeg", "cmyk tiff"])
def test_colour_is_nearly_kept(kind: str) -> None:
    error = decode(encoded(kind, 3)).astype(int) - picture(3)
    assert np.abs(error).mean() < EXACT_JPEG


@pytest.mark.parametrize("kind", ["16-bit png", "16-bit tiff"])
def test_16_bit_grey_is_kept(kind: str) -> None:
    pixels = decode(encoded(kind, 3))
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels[:, :, 0], picture16(3))


def test_16_bit_pgm_is_kept() -> None:
    header = f"P5 {WIDTH} {HEIGHT} 65535\n".encode()
    pixels = decode(header + picture16(3).astype(">u2").tobytes())
    np.testing.assert_array_equal(pixels[:, :, 0], picture16(3))


def test_transparency_is_laid_over_white() -> None:
    pixels = decode(encoded("rgba png", 3))
    assert (pixels[:, : WIDTH // 2] == 255).all()
    np.testing.assert_array_equal(pixels[:, WIDTH // 2 :], picture(3)[:, WIDTH // 2 :])


def test_half_transparency_blends() -> None:
    image = transparent(3)
    image[..., :3], image[..., 3] = 100, 128
    assert np.abs(decode(saved(image, "PNG")).astype(int) - 177).max() <= 1


@pytest.mark.parametrize("kind", ["transparent palette png", "grey and alpha png"])
def test_other_transparent_modes_too(kind: str) -> None:
    assert (decode(encoded(kind, 3))[:, : WIDTH // 2] == 255).all()


def test_a_transparent_colour_is_laid_over_white() -> None:
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    image.putpixel((0, 0), (1, 2, 3))
    pixels = decode(saved(image, "PNG", transparency=(10, 20, 30)))
    assert (pixels[1:] == 255).all()
    assert pixels[0, 0].tolist() == [1, 2, 3]


def test_palettes_become_rgb() -> None:
    expected = np.asarray(Image.fromarray(picture(3)).quantize(16).convert("RGB"))
    np.testing.assert_array_equal(decode(encoded("palette png", 3)), expected)


def test_two_levels_become_black_and_white() -> None:
    assert set(np.unique(decode(encoded("bilevel png", 3)))) == {0, 255}


@pytest.mark.parametrize("kind", ["animated gif", "animated webp"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    first, others = decode(encoded(kind, 3)).astype(int), [picture(4), picture(5)]
    assert np.abs(first - picture(3)).mean() < min(np.abs(first - other).mean() for other in others) / 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotation_is_applied(orientation: int, format: str) -> None:
    upright = Image.fromarray(picture(3, height=HEIGHT, width=WIDTH))
    stored = upright.transpose(Image.Transpose(UNDO[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, format, exif=exif, **({"quality": 95} if format in ("JPEG", "WEBP") else {}))
    pixels = decode(data)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels.astype(int) - picture(3)).mean() < EXACT_JPEG
    assert (inspect(data).height, inspect(data).width) == (HEIGHT, WIDTH)


# How a picture is stored that a viewer has to put upright by this orientation.
UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", KINDS)
def test_inspect_says_what_decode_gives(kind: str) -> None:
    pixels, facts = decode(encoded(kind)), inspect(encoded(kind))
    assert pixels.shape == (facts.height, facts.width, facts.channels)
    assert pixels.dtype == facts.dtype
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("name", broken())
@pytest.mark.parametrize("read", [decode, inspect])
def test_broken_images_are_refused_with_a_reason(name: str, read: object) -> None:
    with pytest.raises(BrokenImageError, match=REASONS[name]):
        read(broken()[name])  # type: ignore[operator]


REASONS = {
    "empty.png": "empty",
    "cut.jpg": "cannot be decoded",
    "cut.png": "truncated",
    "text.jpg": "known format",
    "flipped.png": "cannot be decoded",
    "huge.png": r"40,000 x 40,000 pixels, more than",
}


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_jpeg_cut_anywhere_is_refused(share: float) -> None:
    whole = saved(picture(3, height=120, width=160), "JPEG")
    for read in (decode, inspect):
        with pytest.raises(BrokenImageError):
            read(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"animated gif"}))  # there the first frame may be whole
@pytest.mark.parametrize("share", [0.4, 0.7])
def test_a_file_of_any_kind_cut_short_is_refused(kind: str, share: float) -> None:
    whole = encoded(kind)
    with pytest.raises(BrokenImageError):
        decode(whole[: int(len(whole) * share)])


def test_a_jpeg_with_harmless_rubbish_in_it_is_read() -> None:
    whole = encoded("jpeg", 3)
    end = 20  # of the first segment
    assert inspect(whole[:end] + b"\0\0\0" + whole[end:] + b"tail").width == WIDTH


def test_floating_point_samples_are_refused_with_the_cure() -> None:
    with pytest.raises(BrokenImageError, match="save it as 8 or 16 bits"):
        decode(saved(Image.new("F", (4, 4)), "TIFF"))


def test_a_file_is_read_by_its_content_not_by_pillows_other_plugins() -> None:
    with pytest.raises(BrokenImageError, match="known format"):
        decode(saved(picture(3), "TGA"))


@settings(deadline=None, max_examples=150)
@given(kind=st.sampled_from(sorted(KINDS)), seed=st.integers(0, 2**32 - 1), n_bytes=st.integers(1, 8))
def test_damaged_bytes_give_pixels_or_a_broken_image(kind: str, seed: int, n_bytes: int) -> None:
    rng = np.random.default_rng(seed)
    data = np.frombuffer(encoded(kind), np.uint8).copy()
    data[rng.integers(0, len(data), n_bytes)] = rng.integers(0, 256, n_bytes)
    try:
        pixels = decode(data.tobytes())
    except BrokenImageError:
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] in (1, 3)


def test_threads_decode_the_same_pixels() -> None:
    files = [encoded(kind, seed) for seed in range(20) for kind in KINDS]
    alone = [decode(data) for data in files]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(decode, files), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(375, 500), (333, 607), (1200, 1600)])
@pytest.mark.parametrize("size", [32, 64])
def test_scaled_decoding_stays_under_half_a_level(shape: tuple[int, int], size: int) -> None:
    data = saved(picture(1, height=shape[0], width=shape[1]), "JPEG", quality=90)
    pixels, within = decode_for(data, size)
    assert pixels.shape[0] < shape[0]
    full = resize(decode(data), (size, size)).astype(int)
    assert np.abs(resize(pixels, (size, size), within=within) - full).mean() < 0.5


@pytest.mark.parametrize("shape", [(384, 512), (375, 500)])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_scaled_decoding_turns_pictures_too(shape: tuple[int, int], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(picture(1, height=shape[0], width=shape[1]), "JPEG", exif=exif)
    pixels, within = decode_for(data, 32)
    full = resize(decode(data), (32, 32)).astype(int)
    assert np.abs(resize(pixels, (32, 32), within=within) - full).mean() < 0.5


def test_small_images_are_decoded_in_full() -> None:
    pixels, within = decode_for(encoded("jpeg", 3), 32)
    np.testing.assert_array_equal(pixels, decode(encoded("jpeg", 3)))
    assert within == (HEIGHT, WIDTH)
