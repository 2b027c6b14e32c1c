"""A pack: a dataset as a folder of original bytes, an index and a summary."""

import dataclasses
import shutil
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from g2l.data.archives import EmbeddingArchive, archive_stem, open_archive
from g2l.data.extension import Extension
from g2l.data.images import MEDIA_TYPES
from g2l.data.index import SCHEMA, class_numbers, digest_keys, group_keys
from g2l.data.ingest import Progress, pack_images
from g2l.data.ingest_vectors import pack_embeddings
from g2l.data.itemfile import COLUMNS, ItemFile
from g2l.data.mapped import create_npy
from g2l.data.pixels import encode_png, encode_thumbnail
from g2l.data.raster import Pixels
from g2l.data.splits import ClassTooSmallError, Indices, TargetSplit, pretraining_indices, target_split
from g2l.data.summary import PackSummary, load_summary
from g2l.errors import G2LError


def write_pack(
    archive_path: Path,
    filename: str,
    folder: Path,
    *,
    label_by: str | None = None,
    group_by: str | None = None,
    extends: Path | None = None,
    on_progress: Progress = lambda done, total: None,
) -> PackSummary:
    """Read an archive once, in flat memory, into a pack; what fails leaves nothing behind.

    Args:
        archive_path: a .zip, .tar, .tar.gz, .npz, or a folder.
        filename: its name as the user knows it.
        folder: made here; must not exist.
        label_by: the column, field or array that says its class; None for the usual one, or for folders.
        group_by: what says which group an item belongs to: "folder", for the folder below that of its class,
            or the name of a column, field or array; None: no groups.
        extends: the folder of a pack whose items come first, under the numbers that they have.
        on_progress: called with (done, total), in bytes of the archive (rows, for embeddings); may raise.

    Raises:
        FileExistsError: the folder is there already.
        G2LError: the archive cannot be used: see `open_archive`, `pack_images` and `pack_embeddings`.
    """
    folder.mkdir(parents=True)
    try:
        older = None if extends is None else Extension(extends)
        with open_archive(
            archive_path, filename, label_by=label_by, group_by=group_by, scratch=folder
        ) as archive:
            if isinstance(archive, EmbeddingArchive):
                summary = pack_embeddings(
                    archive, folder, group_by=group_by, extends=older, on_progress=on_progress
                )
            else:
                stem = archive_stem(filename)
                summary = pack_images(
                    archive, folder, stem, group_by=group_by, extends=older, on_progress=on_progress
                )
        summary.save(folder / "pack.json")
        summary = _with_derived_split(Pack(folder))
        summary.save(folder / "pack.json")
    except BaseException:
        shutil.rmtree(folder)
        raise
    return summary


def _with_derived_split(pack: "Pack") -> PackSummary:
    if pack.summary.splits["test"] or not pack.classes:
        return pack.summary
    try:
        split = pack.target_split()
    except ClassTooSmallError:  # legal as a pool; refused when it is made a target
        return pack.summary
    return dataclasses.replace(
        pack.summary, splits={"train": len(split.train), "test": len(split.test), "derived": True}
    )


class WrongKindError(G2LError):
    """Pixels asked of embeddings, or embeddings of images."""

    code: ClassVar[str] = "wrong-dataset-kind"
    title: ClassVar[str] = "The dataset is of the wrong kind"


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One row of the index; see `g2l.data.index.SCHEMA`."""

    path: str
    label: str | None
    split: str | None
    sha256: bytes
    format: str | None
    offset: int | None
    length: int | None
    height: int | None
    width: int | None
    channels: int | None
    dtype: str | None
    group: str | None
    version: int | None


class Pack:
    """A dataset that `write_pack` made. Items are numbered 0 to N-1, in the archive's order.

    Args:
        folder: of the pack.

    Attributes:
        summary: its facts.
        kind: "images" or "embeddings".
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary = load_summary(folder / "pack.json")
        self.kind: Literal["images", "embeddings"] = self.summary.kind

    @cached_property
    def table(self) -> pa.Table:
        """The whole index; columns as in `g2l.data.index.SCHEMA`."""
        return self._columns(*SCHEMA.names)

    def _columns(self, *names: str) -> pa.Table:
        """Some columns of the index, of which a million items' fit in tens of MB each."""
        return pq.read_table(self._index, schema=SCHEMA, columns=list(names)).combine_chunks()

    @property
    def _index(self) -> Path:
        return self.folder / "index.parquet"

    def __len__(self) -> int:
        return self.summary.n_items

    @cached_property
    def classes(self) -> list[str]:
        """Class names, sorted; an item's class id is the index into them."""
        return [c["name"] for c in self.summary.classes]

    @cached_property
    def class_ids(self) -> NDArray[np.int64]:
        """(N,) index into `classes`; -1 where an item has no label."""
        return class_numbers(self._index, self.classes)

    @cached_property
    def splits(self) -> NDArray[np.str_]:
        """(N,) "train", "test", or "" where the archive has no splits."""
        column = self._columns("split")["split"]
        if column.null_count == len(column):
            return np.broadcast_to(np.array("", "U5"), len(column))  # in no memory
        return np.asarray(column.fill_null("").to_numpy(), dtype="U5")

    @cached_property
    def groups(self) -> NDArray[np.uint64] | None:
        """(N,) a number for the group of each item, 0 where it has none; None if no item has one."""
        return None if self.summary.n_groups is None else group_keys(self._columns("group")["group"])

    @property
    def _versions(self) -> NDArray[np.int64] | None:
        if self.summary.version == 1:
            return None
        column = self._columns("version")["version"].fill_null(1)
        return cast(NDArray[np.int64], column.to_numpy().astype(np.int64))

    @cached_property
    def digests(self) -> NDArray[np.bytes_]:
        """(N,) SHA-256 of each item's bytes, as 64 hexadecimal characters (S64)."""
        column = self._columns("sha256")["sha256"].combine_chunks()
        start, length = column.offset * 32, len(column) * 32
        whole = column.buffers()[1][start : start + length].to_pybytes()
        return np.frombuffer(whole.hex().encode("ascii"), "S64")

    @property
    def paths(self) -> pa.ChunkedArray:
        """(N,) paths within the archive, as text."""
        return self._columns("path")["path"]

    def pretraining_indices(self) -> Indices:
        """The items to pretrain on: `train`, or all without splits (`splits.pretraining_indices`)."""
        return pretraining_indices(self.splits)

    def target_split(self) -> TargetSplit:
        """Train and test as a target: given or derived (`splits.target_split`)."""
        return target_split(
            self.class_ids,
            self.classes,
            self.splits,
            keys=digest_keys(self._index),
            groups=self.groups,
            versions=self._versions,
        )

    def item(self, i: int) -> Item:
        """One row of the index."""
        return Item(**{name: self.table[name][i].as_py() for name in SCHEMA.names})

    def embeddings(self) -> NDArray[np.float32]:
        """(N, D), memory-mapped.

        Raises:
            WrongKindError: this is a pack of images.
        """
        self._require("embeddings")
        return cast(NDArray[np.float32], np.load(self.folder / "embeddings.npy", mmap_mode="r"))

    def _require(self, kind: str) -> None:
        if self.kind != kind:
            raise WrongKindError(f"this dataset holds {self.kind}, and {kind} are needed", field="dataset_id")

    @cached_property
    def _items(self) -> ItemFile:
        self._require("images")
        return ItemFile(self.folder / "images.bin", self._columns(*COLUMNS))

    def encoded(self, i: int) -> tuple[bytes, str]:
        """The original bytes of an image and their media type; bare pixels as PNG.

        Raises:
            WrongKindError: this is a pack of embeddings; so do the methods below.
        """
        name = self._items.format(i)
        if name == "raw":
            return encode_png(self.image(i)), MEDIA_TYPES["png"]
        return self._items.read(i), MEDIA_TYPES[name]

    def image(self, i: int) -> Pixels:
        """(H, W, C) of an image at full size, uint8 or uint16; C is its own, not the dataset's."""
        return self._items.pixels(i)

    def thumbnail(self, i: int, side: int) -> bytes:
        """A JPEG of an image, its longer side at most `side` pixels."""
        return encode_thumbnail(self.image(i), side)

    def resized(
        self,
        size: int,
        channels: int,
        indices: Indices | None = None,
        *,
        out: Path | None = None,
        on_progress: Progress = lambda done, total: None,
    ) -> Pixels:
        """Images squashed to squares, decoded on all cores: what embedders and trainers read.

        Equal to what an image processor of transformers makes of the same file with that size and bilinear
        resampling, but for JPEGs several times larger (`images.decode_for`) and for 16 bits, which it lacks.

        Args:
            size: height and width wanted, in pixels.
            channels: wanted; 1 becomes n by repeating, n becomes 1 by the mean.
            indices: items, in this order; all by default.
            out: a .npy file to fill and map instead of memory. If it is there already it is taken as it is,
                so name it by the arguments: then nothing is decoded twice, also after a restart.
            on_progress: called with (done, total) items; may raise.

        Returns:
            (n, size, size, channels), of the dataset's dtype; in a uint16 dataset 255 becomes 65,535.

        Raises:
            ChannelMismatchError: an image cannot have that number of channels.
        """
        self._require("images")
        chosen = np.arange(len(self)) if indices is None else indices
        shape = (len(chosen), size, size, channels)
        if out is not None and out.exists():
            kept = np.load(out, mmap_mode="r")
            if kept.shape == shape and kept.dtype == np.dtype(self.summary.dtype):
                return cast(Pixels, kept)
        if out is None:
            images: Pixels = np.empty(shape, self.summary.dtype)
            self._items.fill(images, chosen, on_progress=on_progress)
            return images
        part = out.with_name(out.name + ".part")
        try:
            mapped = create_npy(part, self.summary.dtype, shape)
            self._items.fill(mapped, chosen, on_progress=on_progress)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        mapped.flush()
        part.replace(out)
        return cast(Pixels, np.load(out, mmap_mode="r"))
