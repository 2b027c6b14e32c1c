"""Encoded images to pixels: JPEG, PNG, BMP, GIF, WebP, TIFF, PPM and DICOM of every common kind.

The format is told by the content, the number of pixels by the header, before anything is decoded. All
functions may be called from several threads: the decoders release the GIL.
"""

import io
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from g2l.data.bands import decode_png16, decode_tiff
from g2l.data.dicom import DicomNotInstalledError, decode_dicom, is_dicom
from g2l.data.raster import BrokenImageError, Pixels, check_pixels

# Opened by class, not by Image.open: only these parsers ever see a byte, and Pillow's own limit, which is a
# warning first and set for the whole process, does not come before ours.
_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "ppm": PpmImagePlugin.PpmImageFile,
}
MEDIA_TYPES = {name: f"image/{name}" for name in _OPENERS} | {
    "ppm": "image/x-portable-anymap",
    "dicom": "application/dicom",
}

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    *((b"P%d" % i, "ppm") for i in range(1, 7)),
)

_JPEG_COLOURS = ("Gray", "YCbCr", "RGB")
_OVERSAMPLING = 2.5


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of an image once it is decoded.

    Attributes:
        format: "jpeg", "png", "bmp", "gif", "webp", "tiff", "ppm" or "dicom".
        height, width: in pixels, as shown (after EXIF rotation).
        channels: 1 or 3; any number of a TIFF with bands.
        dtype: "uint8" or "uint16".
    """

    format: str
    height: int
    width: int
    channels: int
    dtype: str


class _JpegHeader(NamedTuple):
    height: int
    width: int
    channels: int


def sniff_format(data: bytes) -> str | None:
    """The format that the first bytes tell; None if it is not one of those read here."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if is_dicom(data):
        return "dicom"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def inspect(data: bytes) -> ImageFacts:
    """Decode an image to see that it is whole, and say what it is.

    A JPEG is decoded at an eighth of its size: all its data are read, at a fraction of the time.

    Raises:
        BrokenImageError: as `decode`.
    """
    name = _format_of(data)
    header = _jpeg_header(data) if name == "jpeg" else None
    if header is not None and _decode_jpeg(data, header, eighths=1) is not None:
        height, width = header[1::-1] if _orientation(data) >= 5 else header[:2]
        return ImageFacts(name, height, width, header.channels, "uint8")
    pixels = decode(data)
    return ImageFacts(name, pixels.shape[0], pixels.shape[1], pixels.shape[2], pixels.dtype.name)


def decode(data: bytes) -> Pixels:
    """The pixels of an encoded image, as it is meant to be seen.

    Rotation by EXIF is applied, transparency is laid over white, palettes and CMYK become RGB, and the first
    frame of an animation is taken. 16 bits stay uint16. The bands of a TIFF stay as they are (`bands`), and
    DICOM is shown as a viewer would (`dicom`).

    Args:
        data: the bytes of one file.

    Returns:
        (H, W, C), uint8 or uint16; C is 1 or 3, but for a TIFF of bands.

    Raises:
        BrokenImageError: not an image, cut short, too large, or of a kind that is not read.
        DicomNotInstalledError: a DICOM file, and pydicom is not installed.
    """
    name = _format_of(data)
    special = _decode_by_others(data, name)
    if special is not None:
        return special
    header = _jpeg_header(data) if name == "jpeg" else None
    pixels = None if header is None else _decode_jpeg(data, header, eighths=8)
    return _decode_by_pillow(data, name) if pixels is None else _upright(pixels, data)


def decode_for(data: bytes, size: int) -> tuple[Pixels, tuple[float, float]]:
    """Decode an image that will be made `size` x `size`, with no more work than that takes.

    A JPEG far larger than needed is decoded at 1/8, 1/4 or 1/2, as long as both sides stay above 2.5 times
    the wanted one. After antialiased resizing, photographs then differ from the full way by under half a
    level on average (test_images.py holds it to that); everything else is decoded in full and is exact.

    Returns:
        the pixels, and the (height, width) of the picture within them: fractions of a pixel short of their
        shape where a scaled JPEG's sides were rounded up.

    Raises:
        BrokenImageError: as `decode`.
    """
    header = _jpeg_header(data) if sniff_format(data) == "jpeg" else None
    eighths = 8 if header is None else _fewest_eighths(header, size)
    if header is not None and eighths < 8:
        small = _decode_jpeg(data, header, eighths=eighths)
        exact = header.height * eighths / 8, header.width * eighths / 8
        if small is not None and _orientation(data) == 1:
            return small, exact
        if small is not None and exact == small.shape[:2]:  # else turning moves the padding to the other side
            turned = _upright(small, data)
            return turned, (float(turned.shape[0]), float(turned.shape[1]))
    pixels = decode(data)
    return pixels, (float(pixels.shape[0]), float(pixels.shape[1]))


def _format_of(data: bytes) -> str:
    if not data:
        raise BrokenImageError("the file is empty (0 bytes)")
    name = sniff_format(data)
    if name is None:
        raise BrokenImageError("not an image of a known format (JPEG, PNG, BMP, GIF, WebP, TIFF, PPM, DICOM)")
    return name


def _fewest_eighths(header: _JpegHeader, size: int) -> int:
    enough = (e for e in (1, 2, 4) if min(header.height, header.width) * e / 8 >= _OVERSAMPLING * size)
    return next(enough, 8)


def _jpeg_header(data: bytes) -> _JpegHeader | None:
    """What the header says; None where Pillow has to look: CMYK, and headers that simplejpeg refuses."""
    try:
        height, width, colour, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: cut within the header
        return None
    check_pixels(height, width)
    return _JpegHeader(height, width, 1 if colour == "Gray" else 3) if colour in _JPEG_COLOURS else None


def _decode_jpeg(data: bytes, header: _JpegHeader, *, eighths: int) -> NDArray[np.uint8] | None:
    """The pixels at a fraction of the size; None at any flaw: Pillow tells harmless ones from cuts."""
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data,
            "GRAY" if header.channels == 1 else "RGB",
            min_height=math.ceil(header.height * eighths / 8),
            min_width=math.ceil(header.width * eighths / 8),
        )
    except (ValueError, KeyError):
        return None
    return pixels


def _orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG, 1 to 8; 1 where it has none."""
    if b"Exif\0\0" not in data[: 2**16 + 2**12]:  # Pillow's parser takes longer than decoding a small JPEG
        return 1
    try:
        value = JpegImagePlugin.JpegImageFile(io.BytesIO(data)).getexif().get(0x0112, 1)
    except Exception:  # unreadable EXIF is no reason to drop a picture
        return 1
    return value if value in range(1, 9) else 1


def _upright(pixels: NDArray[np.uint8], data: bytes) -> NDArray[np.uint8]:
    orientation = _orientation(data)
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _decode_by_others(data: bytes, name: str) -> Pixels | None:
    """What Pillow does not read in full; None where it does."""
    decoder = {"tiff": decode_tiff, "png": decode_png16, "dicom": decode_dicom}.get(name)
    if decoder is None:
        return None
    try:
        return decoder(data)
    except (BrokenImageError, DicomNotInstalledError):
        raise
    except Exception as error:  # as Pillow's parsers below
        raise _undecodable(name, error) from error


def _decode_by_pillow(data: bytes, name: str) -> Pixels:
    try:
        image: Image.Image = _OPENERS[name](io.BytesIO(data))
        check_pixels(image.height, image.width)
        image.load()
        return _pixels(ImageOps.exif_transpose(image))
    except BrokenImageError:
        raise
    except Exception as error:  # Pillow's parsers raise anything at all on damaged input
        raise _undecodable(name, error) from error


def _undecodable(name: str, error: Exception) -> BrokenImageError:
    return BrokenImageError(f"a {name} image that cannot be decoded: {error or type(error).__name__}")


def _pixels(image: Image.Image) -> Pixels:
    """(H, W, C) of a loaded image of any mode."""
    if image.has_transparency_data and image.mode[0] not in "IF":
        image = _over_white(image)
    if image.mode == "1":
        image = image.convert("L")
    if image.mode.startswith("I"):
        return _grey16(np.asarray(image))
    if image.mode == "F":
        raise BrokenImageError("floating-point samples; save it as 8 or 16 bits")
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _over_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("L", "LA", "La", "1")
    with_alpha = image.convert("LA" if grey else "RGBA")
    alpha = with_alpha.getchannel("A")
    solid = with_alpha.convert("L" if grey else "RGB")
    white = Image.new(solid.mode, solid.size, "white")
    white.paste(solid, mask=alpha)
    return white


def _grey16(samples: NDArray[np.generic]) -> NDArray[np.uint16]:
    values = samples.astype(np.int64)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise BrokenImageError("32-bit samples beyond 0 to 65,535; save it as 8 or 16 bits")
    return values.astype(np.uint16)[:, :, None]
