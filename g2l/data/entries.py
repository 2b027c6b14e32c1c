"""What comes out of an archive, and the rules for names: which count, are ignored, or are refused."""

import unicodedata
from dataclasses import dataclass

from g2l.data.seen import Seen

IMAGE_ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .webp .tif .tiff .ppm .pgm .pbm .pnm .dcm .dicom".split()  # noqa: SIM905
)
"""Endings of names, in lower case, that make a file an image; its content alone decides its format."""

_OUTSIDE = "the path leads out of the archive"
_SECOND = "a second file of the same name; the first is kept"


@dataclass(frozen=True, slots=True)
class RawPixels:
    """The shape of an item that has no file format: bare pixels, row by row.

    Attributes:
        height, width, channels: in pixels; the bytes are (height, width, channels), C order.
        dtype: "uint8" or "uint16", little-endian.
    """

    height: int
    width: int
    channels: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of an archive, not decoded yet.

    Attributes:
        path: where it lies in the archive, readable, NFC, "/" between folders.
        data: the bytes of the file; of the pixels, if `raw` is set.
        label: its class, where the archive itself says so; labels from folders come later.
        raw: set for bare pixels from an array.
        split: "train" or "test", where the archive itself says so; splits from folders come later.
        group: what it belongs together with, from the column, field or array that `Columns.group_by` names.
    """

    path: str
    data: bytes
    label: str | None = None
    raw: RawPixels | None = None
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An image-named file that is not taken into the dataset, and why."""

    path: str
    reason: str


def readable(name: str) -> str:
    """A name that can be shown and stored: NFC; undecodable bytes and control characters become %XX."""
    shown = "".join(_readable_character(c) for c in name)
    return unicodedata.normalize("NFC", shown)


def _readable_character(c: str) -> str:
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that no UTF-8 text has, kept apart by "surrogateescape"
        return f"%{code - 0xDC00:02X}"
    if 0xD800 <= code <= 0xDFFF:
        return "%3F"
    return f"%{code:02X}" if code < 0x20 or code == 0x7F else c


def image_path(name: str) -> str | None:
    """The readable path of an image-named entry; None for one that is to be ignored.

    Ignored are hidden files and folders, `__MACOSX`, and names without an image ending.
    """
    path = visible_path(name)
    return path if path is not None and ending_of(path) in IMAGE_ENDINGS else None


def nameless_path(name: str) -> str | None:
    """The readable path of an entry whose name has no ending, which DICOM files often lack; else None."""
    path = visible_path(name)
    return path if path is not None and ending_of(path) == "" else None


def visible_path(name: str) -> str | None:
    """The readable path of an entry that is neither hidden nor an archiver's litter; None for one that is."""
    path = readable(name)
    segments = [s for s in path.split("/") if s not in ("", ".")]
    if not segments or any(s == "__MACOSX" or (s.startswith(".") and s != "..") for s in segments):
        return None
    return ("/" if path.startswith("/") else "") + "/".join(segments)


def ending_of(path: str) -> str:
    """The ending of a path in lower case, as in ".jpg"; "" without one, or with a number there."""
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if dot and not ending.isdigit() else ""


def leaves_archive(path: str) -> bool:
    """Whether a path points outside of its archive: absolute, with a drive letter, or with `..`."""
    first = path.split("/", 1)[0]
    return path.startswith("/") or ".." in path.split("/") or (len(first) == 2 and first[1] == ":")


class NameCheck:
    """Refuses paths that leave the archive, and the second of two files of one name, in any order."""

    def __init__(self) -> None:
        self._seen = Seen()

    def reason(self, path: str) -> str | None:
        """Why the next entry of this path is refused; None if it is not."""
        return _OUTSIDE if leaves_archive(path) else None if self._seen.add(path) else _SECOND


class SortedNameCheck:
    """The same for paths that come sorted, of which only the last need be kept."""

    def __init__(self) -> None:
        self._last: str | None = None

    def reason(self, path: str) -> str | None:
        """Why the next entry of this path is refused; None if it is not."""
        if leaves_archive(path):
            return _OUTSIDE
        again, self._last = path == self._last, path
        return _SECOND if again else None
