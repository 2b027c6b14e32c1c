"""A pack that grows: the older version's items come first and keep their numbers, new ones follow."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from g2l.data.index import digest_keys, older_rows
from g2l.data.summary import load_summary
from g2l.errors import G2LError


class DatasetMismatchError(G2LError):
    """New items of another kind than those that are there."""

    code: ClassVar[str] = "dataset-mismatch"
    title: ClassVar[str] = "The new items do not fit the dataset"


class NothingNewError(G2LError):
    """An archive whose items are all there already."""

    code: ClassVar[str] = "nothing-new"
    title: ClassVar[str] = "The dataset has all of these items already"


class Extension:
    """The pack that a new one begins with.

    Args:
        folder: of that pack.

    Attributes:
        summary: its facts.
        version: of the items that are added.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.summary = load_summary(folder / "pack.json")
        self.version = self.summary.version + 1
        keys = digest_keys(folder / "index.parquet")
        self._items = np.argsort(keys, kind="stable")
        self._keys = keys[self._items]

    def item_of(self, sha256: bytes) -> int | None:
        """The item that has these bytes; None if it is new."""
        key = np.uint64(int.from_bytes(sha256[:8], "big"))
        place = int(np.searchsorted(self._keys, key))
        return int(self._items[place]) if place < len(self._keys) and self._keys[place] == key else None

    def rows(self) -> Iterator[pa.Table]:
        """The rows of its index."""
        return older_rows(self._folder / "index.parquet")

    def copy(self, name: str, target: Path) -> int:
        """Begin a file with what the older version's has; returns its bytes."""
        shutil.copyfile(self._folder / name, target)
        return target.stat().st_size

    def embeddings(self) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        """(N, D), mapped from disk."""
        return np.load(self._folder / "embeddings.npy", mmap_mode="r")  # type: ignore[no-any-return]

    def require_kind(self, kind: str) -> None:
        """Refuse embeddings for images, and the reverse.

        Raises:
            DatasetMismatchError: it is another kind.
        """
        if kind != self.summary.kind:
            raise DatasetMismatchError(
                f"the dataset holds {self.summary.kind} and the archive {kind}; send it without extends",
                field="file",
            )

    def require_like(self, path: str, channels: int, dtype: str) -> None:
        """Refuse an item that would change what the older items are read as.

        Grey goes into a dataset of colour and 8 bits into one of 16, as within one archive.

        Raises:
            DatasetMismatchError: it has other channels, other dimensions, or more bits.
        """
        ours = self.summary
        grey_in_colour = ours.kind == "images" and (ours.channels, channels) == (3, 1)
        if channels != ours.channels and not grey_in_colour:
            what = "channels" if ours.kind == "images" else "dimensions"
            raise DatasetMismatchError(
                f"'{path}' has {channels} {what}, the items of the dataset {ours.channels}; add items "
                "that are alike, or send it without extends",
                field="file",
            )
        if (ours.dtype, dtype) == ("uint8", "uint16"):
            raise DatasetMismatchError(
                f"'{path}' has 16 bits a channel, the images of the dataset 8; convert it, or send it "
                "without extends",
                field="file",
            )
