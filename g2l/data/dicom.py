"""DICOM images as a viewer shows them: rescaled, windowed, white on black."""

import io
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from g2l.data.raster import BrokenImageError, Pixels, check_pixels
from g2l.errors import G2LError

HEAD_BYTES = 132
"""Of a file, that tell whether it is DICOM."""

_MAGIC = b"DICM"
_DEFLATED = b"1.2.840.10008.1.2.1.99"


class DicomNotInstalledError(G2LError):
    """DICOM files where pydicom, an extra of this package, is not installed."""

    code: ClassVar[str] = "dicom-not-installed"
    title: ClassVar[str] = "DICOM cannot be read here"


def is_dicom(head: bytes) -> bool:
    """Whether a file's first 132 bytes are those of a DICOM file."""
    return head[HEAD_BYTES - len(_MAGIC) : HEAD_BYTES] == _MAGIC


def decode_dicom(data: bytes) -> Pixels:
    """The pixels of a DICOM file; of several frames the first.

    The modality's rescaling is applied, then the first window or VOI table if there is one. The range that
    results (without a window: that of all values the stored bits can take) becomes 0 to 255 for up to 8
    stored bits and 0 to 65,535 for more. MONOCHROME1 is inverted; palettes and YBR become RGB.

    Args:
        data: the bytes of one file.

    Returns:
        (H, W, C), C 1 or 3, uint8 or uint16.

    Raises:
        DicomNotInstalledError: pydicom is not installed.
        BrokenImageError: no image, cut short, too large, or of a kind that is not read.
    """
    try:
        import pydicom
    except ModuleNotFoundError:
        raise DicomNotInstalledError(
            "the archive holds DICOM files, which this installation cannot read; install pydicom where the "
            "workers run (pip install 'g2l[dicom]'), or send the images as PNG or TIFF",
            field="file",
        ) from None
    if _DEFLATED in data:  # it is unpacked as a whole, to whatever size
        raise BrokenImageError("a deflated DICOM file; save it in another transfer syntax")
    try:
        return _pixels(pydicom.dcmread(io.BytesIO(data)))
    except BrokenImageError:
        raise
    except Exception as error:  # its parsers raise anything at all on damaged input
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise BrokenImageError(f"a DICOM image that cannot be decoded: {reason}") from error


def _pixels(dataset: Any) -> Pixels:
    from pydicom.pixels import apply_color_lut, pixel_array

    if "PixelData" not in dataset:
        raise BrokenImageError("a DICOM file without integer pixels")
    samples = int(dataset.SamplesPerPixel)
    check_pixels(int(dataset.Rows), int(dataset.Columns), samples)
    if int(dataset.BitsAllocated) not in (8, 16):
        raise BrokenImageError(f"{dataset.BitsAllocated} bits a sample; 8 to 16 are read")
    stored = pixel_array(dataset, index=0)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)
        return _full_scale(colours, 0, np.iinfo(colours.dtype).max, bits=8 * colours.dtype.itemsize)
    bits = int(dataset.BitsStored)
    if samples > 1:
        return _full_scale(stored, 0, 2**bits - 1, bits=bits)
    values, low, high = _shown(dataset, stored, bits)
    pixels = _full_scale(values[:, :, None], low, high, bits=bits)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        pixels = np.iinfo(pixels.dtype).max - pixels
    return pixels


def _shown(dataset: Any, stored: NDArray[Any], bits: int) -> tuple[NDArray[Any], float, float]:
    """The values after modality and window, and the range that they may take."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0, 2**bits - 1)
    values = apply_modality_lut(stored, dataset)
    if "ModalityLUTSequence" in dataset:
        ends = [0.0, 2.0 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1]
    else:
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        ends = sorted((low * slope + intercept, high * slope + intercept))
    if "VOILUTSequence" in dataset:
        ends = [0.0, 2.0 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1]
    if "VOILUTSequence" in dataset or "WindowWidth" in dataset:
        values = apply_voi_lut(values, dataset, index=0)
    return values, ends[0], ends[1]


def _full_scale(values: NDArray[Any], low: float, high: float, *, bits: int) -> Pixels:
    dtype = np.uint8 if bits <= 8 else np.uint16
    if not high > low:
        raise BrokenImageError("a DICOM file whose values have no range")
    top = np.iinfo(dtype).max
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(top / (high - low))
    pixels: Pixels = np.rint(scaled.clip(0, top)).astype(dtype)
    return pixels
