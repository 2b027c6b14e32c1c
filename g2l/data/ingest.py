"""From an archive's entries to a pack's files: check, hash and append each item once, in order."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from g2l.data.archives import ImageArchive
from g2l.data.arrays import NpzEmbeddings
from g2l.data.entries import Entry, Rejected
from g2l.data.images import ImageFacts, inspect
from g2l.data.index import IndexCounts, IndexWriter
from g2l.data.raster import BrokenImageError
from g2l.data.summary import ClassCount, ImageSize, PackSummary, RejectedItem, SplitCounts
from g2l.data.threads import map_in_order
from g2l.errors import G2LError

Progress = Callable[[int, int], None]
"""Called with (done, total) bytes of the archive; may raise, which stops the work."""

MAX_LISTED_REJECTIONS = 100
_BATCH_ITEMS, _BATCH_BYTES = 64, 2**22


class NoImagesError(G2LError):
    """An archive in which nothing is an image that can be read."""

    code: ClassVar[str] = "no-images"
    title: ClassVar[str] = "The archive holds no images"


@dataclass(frozen=True, slots=True)
class _Accepted:
    entry: Entry
    sha256: bytes
    facts: ImageFacts


@dataclass
class _Tally:
    """What is counted while items go by."""

    n_items: int = 0
    n_rejected: int = 0
    rejected: list[RejectedItem] = field(default_factory=list)
    shortest: int = 2**31
    longest: int = 0
    channels: int = 1
    dtype: str = "uint8"

    def accept(self, facts: ImageFacts) -> None:
        self.n_items += 1
        self.shortest = min(self.shortest, facts.height, facts.width)
        self.longest = max(self.longest, facts.height, facts.width)
        self.channels = max(self.channels, facts.channels)  # files are grey or RGB; arrays are all alike
        self.dtype = max(self.dtype, facts.dtype, key=len)

    def reject(self, rejected: Rejected) -> None:
        self.n_rejected += 1
        if len(self.rejected) < MAX_LISTED_REJECTIONS:
            self.rejected.append({"path": rejected.path, "reason": rejected.reason})


def pack_images(archive: ImageArchive, folder: Path, stem: str, *, on_progress: Progress) -> PackSummary:
    """Write images.bin and index.parquet; the whole of each image is decoded to see that it is good.

    Args:
        archive: read once, front to back.
        folder: exists and is empty.
        stem: the archive's name without ending.
        on_progress: (done, total) bytes.

    Raises:
        NoImagesError: nothing was accepted.
    """
    tally = _Tally()
    offset = 0
    with IndexWriter(folder) as index, (folder / "images.bin").open("wb") as file:
        for results in map_in_order(_check, _batches(archive)):
            for item in results:
                if isinstance(item, Rejected):
                    tally.reject(item)
                    continue
                file.write(item.entry.data)
                tally.accept(item.facts)
                index.add(_row(item, offset))
                offset += len(item.entry.data)
            on_progress(archive.position, archive.size)
        if not tally.n_items:
            raise _no_images(tally)
        file.flush()
        os.fsync(file.fileno())
        counts = index.finish(stem if archive.has_folders else None)
    on_progress(archive.size, archive.size)
    return PackSummary(
        kind="images",
        n_items=tally.n_items,
        n_rejected=tally.n_rejected,
        rejected=tally.rejected,
        classes=_classes(counts),
        splits=_splits(counts, tally.n_items),
        image_size=ImageSize(min=tally.shortest, max=tally.longest),
        channels=tally.channels,
        dtype=tally.dtype,
    )


def _batches(archive: ImageArchive) -> Iterator[list[Entry | Rejected]]:
    """Entries by the handful: a task for each small image would cost more than decoding it."""
    batch: list[Entry | Rejected] = []
    n_bytes = 0
    for entry in archive:
        batch.append(entry)
        n_bytes += len(entry.data) if isinstance(entry, Entry) else 0
        if len(batch) >= _BATCH_ITEMS or n_bytes >= _BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def _check(batch: list[Entry | Rejected]) -> list[_Accepted | Rejected]:
    return [_check_entry(entry) if isinstance(entry, Entry) else entry for entry in batch]


def _check_entry(entry: Entry) -> _Accepted | Rejected:
    raw = entry.raw
    try:
        if raw is None:
            facts = inspect(entry.data)
        else:
            facts = ImageFacts("raw", raw.height, raw.width, raw.channels, raw.dtype)
    except BrokenImageError as error:
        return Rejected(entry.path, str(error))
    return _Accepted(entry, hashlib.sha256(entry.data).digest(), facts)


def _row(item: _Accepted, offset: int) -> tuple[object, ...]:
    entry, facts = item.entry, item.facts
    return (
        entry.path, entry.label, None, item.sha256, facts.format, offset, len(entry.data),
        facts.height, facts.width, facts.channels, facts.dtype,
    )  # fmt: skip


def pack_embeddings(archive: NpzEmbeddings, folder: Path, *, on_progress: Progress) -> PackSummary:
    """Write embeddings.npy (N, D) float32 and index.parquet.

    Raises:
        NoImagesError: there are no rows.
        NotFiniteError: a value is NaN or infinite.
    """
    if not archive.n_items:
        raise NoImagesError("'embeddings' has no rows; send at least one", field="file")
    with IndexWriter(folder) as index, (folder / "embeddings.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (archive.n_items, archive.dim)}
        np.lib.format.write_array_header_1_0(file, header)
        done = 0
        for block in archive.blocks():
            file.write(block.astype("<f4", copy=False).tobytes())
            for row in block:
                label = None if archive.labels is None else archive.labels[done]
                digest = hashlib.sha256(row.tobytes()).digest()
                index.add((f"embeddings/{done:07d}", label, None, digest, *(None,) * 7))
                done += 1
            on_progress(done, archive.n_items)
        file.flush()
        os.fsync(file.fileno())
        counts = index.finish(None)
    return PackSummary(
        kind="embeddings",
        n_items=archive.n_items,
        n_rejected=0,
        rejected=[],
        classes=_classes(counts),
        splits=_splits(counts, archive.n_items),
        image_size=None,
        channels=archive.dim,
        dtype="float32",
    )


def _classes(counts: IndexCounts) -> list[ClassCount]:
    return [ClassCount(name=name, count=counts.labels[name]) for name in sorted(counts.labels)]


def _splits(counts: IndexCounts, n_items: int) -> SplitCounts:
    test = counts.splits["test"]
    return SplitCounts(train=n_items - test, test=test, derived=False)


def _no_images(tally: _Tally) -> NoImagesError:
    if not tally.n_rejected:
        return NoImagesError(
            "the archive has no files named like images (.jpg, .png, .tif, .webp, .bmp, .gif, .ppm); "
            "hidden files and folders do not count",
            field="file",
        )
    first = tally.rejected[0]
    return NoImagesError(
        f"none of the {tally.n_rejected:,} image files can be read; the first, '{first['path']}', "
        f"because: {first['reason']}",
        field="file",
    )
