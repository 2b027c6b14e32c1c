"""The bytes of a pack's images, by item."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from g2l.data.images import decode, decode_for
from g2l.data.pixels import resize, with_channels, with_depth
from g2l.data.raster import Pixels
from g2l.data.threads import map_in_order

COLUMNS = ("offset", "length", "height", "width", "channels", "format", "dtype")
"""Of the index, what reading items needs."""

Progress = Callable[[int, int], None]
_FILL_BATCH = 64


class ItemFile:
    """Reads single items of images.bin; threads may share it.

    Args:
        path: of images.bin.
        table: of the pack's index, `COLUMNS` or more.
    """

    def __init__(self, path: Path, table: pa.Table) -> None:
        self._path = path
        self._offsets, self._lengths, self._heights, self._widths, self._channels = (
            cast(NDArray[np.int64], table[name].to_numpy())
            for name in ("offset", "length", "height", "width", "channels")
        )
        self._formats, self._dtypes = table["format"], table["dtype"]

    def format(self, i: int) -> str:
        """The format of an item; "raw" for bare pixels."""
        return cast(str, self._formats[i].as_py())

    def read(self, i: int) -> bytes:
        """The bytes of an item, as they came."""
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            return os.pread(descriptor, int(self._lengths[i]), int(self._offsets[i]))
        finally:
            os.close(descriptor)

    def pixels(self, i: int) -> Pixels:
        """(H, W, C) of an item at full size."""
        return self._bare(i) if self.format(i) == "raw" else decode(self.read(i))

    def pixels_for(self, i: int, size: int) -> tuple[Pixels, tuple[float, float]]:
        """An item decoded with no more work than `size` needs; see `images.decode_for`."""
        if self.format(i) == "raw":
            bare = self._bare(i)
            return bare, (float(bare.shape[0]), float(bare.shape[1]))
        return decode_for(self.read(i), size)

    def fill(self, images: Pixels, chosen: NDArray[np.int64], *, on_progress: Progress) -> None:
        """Decode items into squares, on all cores; see `Pack.resized`.

        Args:
            images: (n, size, size, channels), filled here.
            chosen: (n,) items.
            on_progress: called with (done, n).
        """
        size, channels = images.shape[1], images.shape[3]

        def fill(start: int) -> int:
            stop = min(start + _FILL_BATCH, len(chosen))
            for row in range(start, stop):
                pixels, within = self.pixels_for(int(chosen[row]), size)
                pixels = resize(with_depth(pixels, images.dtype), (size, size), within=within)
                images[row] = with_channels(pixels, channels)
            return stop

        for done in map_in_order(fill, range(0, len(chosen), _FILL_BATCH)):
            on_progress(done, len(chosen))

    def _bare(self, i: int) -> Pixels:
        shape = (int(self._heights[i]), int(self._widths[i]), int(self._channels[i]))
        dtype = np.dtype(self._dtypes[i].as_py()).newbyteorder("<")
        return cast(Pixels, np.frombuffer(self.read(i), dtype).reshape(shape))
