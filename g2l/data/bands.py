"""Images that Pillow reads in part or not at all: TIFFs of many bands, and colour of 16 bits."""

import io
from typing import cast

import numpy as np
import tifffile
from numpy.typing import NDArray

from g2l.data.raster import BrokenImageError, Pixels, check_pixels

# Their decoders stop at the size that the header declares. A picture format within a TIFF would not.
_COMPRESSIONS = {
    tifffile.COMPRESSION.NONE,
    tifffile.COMPRESSION.LZW,
    tifffile.COMPRESSION.ADOBE_DEFLATE,
    tifffile.COMPRESSION.DEFLATE,
    tifffile.COMPRESSION.PACKBITS,
    tifffile.COMPRESSION.LZMA,
    tifffile.COMPRESSION.ZSTD,
}
_BANDS = {tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB}
_MAX_PAGES = 1_024
_COLOUR_TYPES = {2: 3, 4: 2, 6: 4}  # of a PNG: RGB, grey with alpha, RGB with alpha


def decode_tiff(data: bytes) -> Pixels | None:
    """A TIFF of bands, or of 16-bit colour; None for those that Pillow reads as well or better.

    Bands lie chunky or planar in the first page. Where tifffile or ImageJ have written an array of three
    axes as pages, those are the bands (or rows) of one image; other pages after the first are not read.
    Four samples are bands too, also where the fourth is called alpha: of satellite images it often is not.

    Returns:
        (H, W, C) uint8 or uint16; None where it is grey, 8-bit RGB, palette, CMYK or YCbCr.

    Raises:
        BrokenImageError: of another depth or compression, too large, or cut short.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        stacked = _stacked(file, page)
        if stacked is None and (page.photometric not in _BANDS or not _more_than_pillow(page)):
            return None
        _check(page, n_pages=1 if stacked is None else len(file.pages))
        if stacked is not None:
            return _channels_last(file.series[0].asarray(maxworkers=1), stacked)
        pixels = page.asarray(maxworkers=1)
        planar = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        return _channels_last(pixels, 0 if planar else 2)


def decode_png16(data: bytes) -> Pixels | None:
    """A PNG of 16-bit colour, transparency laid over white; None for every other, which Pillow reads.

    Returns:
        (H, W, C) uint16, C 1 or 3.

    Raises:
        BrokenImageError: too large.
    """
    if data[12:16] != b"IHDR" or data[24] != 16 or data[25] not in _COLOUR_TYPES:
        return None
    check_pixels(int.from_bytes(data[20:24]), int.from_bytes(data[16:20]), _COLOUR_TYPES[data[25]])
    from imagecodecs import png_decode  # a TIFF without compression needs none of it

    pixels = png_decode(data)
    if pixels.shape[2] in (2, 4):
        opaque = pixels[:, :, -1:].astype(np.float32) / 65_535
        pixels = np.rint(pixels[:, :, :-1] * opaque + 65_535 * (1 - opaque))
    return cast(Pixels, pixels.astype(np.uint16, copy=False))


def _more_than_pillow(page: tifffile.TiffPage) -> bool:
    if page.samplesperpixel == 1:
        return page.parent.is_bigtiff or _compression(page) == tifffile.COMPRESSION.ZSTD
    return (
        page.samplesperpixel != 3
        or page.bitspersample != 8
        or page.photometric not in (tifffile.PHOTOMETRIC.RGB,)
    )


def _compression(page: tifffile.TiffPage) -> int:
    return int(page.compression)


def _stacked(file: tifffile.TiffFile, page: tifffile.TiffPage) -> int | None:
    """Which axis holds the bands of an array that was written as pages; None where pages are just pages."""
    if page.samplesperpixel != 1 or len(file.pages) == 1:
        return None
    if len(file.pages) > _MAX_PAGES:
        raise BrokenImageError(f"{len(file.pages):,} pages, more than {_MAX_PAGES:,}")
    array = file.series[0]
    if len(file.series) > 1 or len(array.shape) != 3:
        return None
    if array.kind == "shaped":  # by tifffile, whose default it is
        return 2 if array.shape[2] < array.shape[0] else 0
    return 0 if array.axes == "CYX" else None


def _check(page: tifffile.TiffPage, *, n_pages: int) -> None:
    if page.dtype is None or page.dtype.name not in ("uint8", "uint16"):
        kind = "floating-point samples" if page.sampleformat == 3 else f"samples of {page.bitspersample} bits"
        raise BrokenImageError(f"{kind}; save it as 8 or 16 bits")
    if _compression(page) not in _COMPRESSIONS:
        raise BrokenImageError(
            f"compression {getattr(page.compression, 'name', page.compression)} of several bands; "
            f"save it with deflate, LZW or none"
        )
    check_pixels(page.imagelength, page.imagewidth, page.samplesperpixel * page.imagedepth * n_pages)
    if page.is_tiled:
        check_pixels(page.tilelength, page.tilewidth, page.samplesperpixel * page.tiledepth)


def _channels_last(pixels: NDArray[np.generic], axis: int) -> Pixels:
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
        axis = 2
    if pixels.ndim != 3:
        raise BrokenImageError(f"{pixels.ndim} axes, where an image of bands has 3")
    return cast(Pixels, np.ascontiguousarray(np.moveaxis(pixels, axis, 2)))
