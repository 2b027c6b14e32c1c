"""DICOM files, as scanners write them."""

import io
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from g2l.data.dicom import DicomNotInstalledError
from g2l.data.images import decode, inspect
from g2l.data.raster import BrokenImageError


def dicom(
    stored: NDArray[Any], *, bits: int | None = None, syntax: str = ExplicitVRLittleEndian, **tags: Any
) -> bytes:
    """A file of these stored values, (H, W) or (H, W, 3); tags by keyword."""
    dataset = FileDataset(None, {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    colour = stored.ndim == 3 and stored.shape[-1] == 3
    dataset.Rows, dataset.Columns = stored.shape[-3:-1] if colour else stored.shape[-2:]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * stored.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    if syntax == RLELossless:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(RLELossless)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def ramp(dtype: str, top: int) -> NDArray[Any]:
    return np.linspace(0, top, 16 * 24).round().reshape(16, 24).astype(dtype)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=["plain", "rle"])
def test_8_bits_come_back_as_they_are(syntax: str) -> None:
    stored = ramp("uint8", 255)
    data = dicom(stored, syntax=syntax)
    np.testing.assert_array_equal(decode(data)[:, :, 0], stored)
    facts = inspect(data)
    assert (facts.format, facts.height, facts.width, facts.channels) == ("dicom", 16, 24, 1)


@pytest.mark.parametrize(("bits", "factor"), [(16, 1), (12, 65_535 / 4_095), (10, 65_535 / 1_023)])
def test_stored_bits_fill_16(bits: int, factor: float) -> None:
    stored = ramp("uint16", 2**bits - 1)
    decoded = decode(dicom(stored, bits=bits))
    assert decoded.dtype == np.uint16
    np.testing.assert_allclose(decoded[:, :, 0], stored * factor, atol=0.51)


def test_monochrome1_is_inverted() -> None:
    stored = ramp("uint8", 255)
    decoded = decode(dicom(stored, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(decoded[:, :, 0], 255 - stored)


def test_a_window_over_hounsfield_units_is_what_a_viewer_shows() -> None:
    stored = ramp("int16", 2_000)  # with the intercept: -1,000 to 1,000 HU
    data = dicom(stored, bits=12, RescaleSlope=1, RescaleIntercept=-1_000, WindowCenter=40, WindowWidth=400)
    decoded = decode(data)[:, :, 0].astype(float)
    units = stored.astype(float) - 1_000
    # PS3.3 C.11.2.1.2: ((x - (c - 0.5)) / (w - 1) + 0.5), clipped
    expected = (((units - 39.5) / 399 + 0.5).clip(0, 1) * 65_535).round()
    np.testing.assert_allclose(decoded, expected, atol=1)
    assert (decoded[units < -165] == 0).all()
    assert (decoded[units > 245] == 65_535).all()


def test_a_falling_rescale_without_window_turns_dark_and_light() -> None:
    stored = ramp("uint16", 4_095)
    decoded = decode(dicom(stored, bits=12, RescaleSlope=-2, RescaleIntercept=100))[:, :, 0]
    np.testing.assert_allclose(decoded, 65_535 - stored * (65_535 / 4_095), atol=1)


def test_colour_stays_colour() -> None:
    stored = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    np.testing.assert_array_equal(decode(dicom(stored)), stored)


def test_of_several_frames_the_first_is_taken() -> None:
    stored = np.stack([ramp("uint8", 255), 255 - ramp("uint8", 255)])
    decoded = decode(dicom(stored, NumberOfFrames=2))
    np.testing.assert_array_equal(decoded[:, :, 0], stored[0])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (dicom(ramp("uint8", 255))[:-100], "cannot be decoded"),
        (dicom(ramp("uint8", 255), Rows=40_000, Columns=40_000), "more than 64,000,000"),
        (dicom(ramp("uint8", 255), syntax=DeflatedExplicitVRLittleEndian), "another transfer syntax"),
        (dicom(ramp("uint32", 255)), "8 to 16 are read"),
        (b"\0" * 128 + b"DICM" + b"nothing more", "DICOM"),
    ],
    ids=["cut", "huge", "deflated", "32 bits", "no data"],
)
def test_what_cannot_be_read_is_broken(data: bytes, says: str) -> None:
    with pytest.raises(BrokenImageError, match=says):
        decode(data)


def test_a_report_without_pixels_is_broken() -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    with pytest.raises(BrokenImageError, match="without integer pixels"):
        decode(file.getvalue())


def test_without_pydicom_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dicom(ramp("uint8", 255))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DicomNotInstalledError, match=r"pip install 'g2l\[dicom\]'"):
        decode(data)
