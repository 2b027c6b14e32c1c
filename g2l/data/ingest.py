"""From an archive's entries to a pack's files: check, hash and append each item once, in order."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from g2l.data.archives import ImageArchive
from g2l.data.entries import Entry, Rejected
from g2l.data.extension import Extension, NothingNewError
from g2l.data.groups import FOLDER, NoGroupsError
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


class MixedChannelsError(G2LError):
    """Images of numbers of channels that cannot be one dataset."""

    code: ClassVar[str] = "mixed-channels"
    title: ClassVar[str] = "The images have different numbers of channels"


@dataclass(frozen=True, slots=True)
class _Accepted:
    entry: Entry
    sha256: bytes
    facts: ImageFacts


@dataclass
class Tally:
    """What is counted while items go by."""

    n_items: int = 0
    n_rejected: int = 0
    n_duplicates: int = 0
    rejected: list[RejectedItem] = field(default_factory=list)
    shortest: int = 2**31
    longest: int = 0
    channels: int = 1
    dtype: str = "uint8"

    def go_on_from(self, older: PackSummary) -> None:
        """Count on from an older version's items."""
        self.n_items, self.channels, self.dtype = older.n_items, older.channels, older.dtype
        if older.image_size is not None:
            self.shortest, self.longest = older.image_size["min"], older.image_size["max"]

    def accept(self, path: str, facts: ImageFacts) -> None:
        """Count an image.

        Raises:
            MixedChannelsError: it has other channels than those before it, and not both are grey or RGB.
        """
        if self.n_items and self.channels != facts.channels and not {self.channels, facts.channels} <= {1, 3}:
            raise MixedChannelsError(
                f"'{path}' has {facts.channels} channels, and the images before it have {self.channels}; "
                "only grey and RGB images may be mixed: send the others as a dataset of their own",
                field="file",
            )
        self.n_items += 1
        self.shortest = min(self.shortest, facts.height, facts.width)
        self.longest = max(self.longest, facts.height, facts.width)
        self.channels = max(self.channels, facts.channels)
        self.dtype = max(self.dtype, facts.dtype, key=len)

    def reject(self, rejected: Rejected) -> None:
        """Count and list what is left out."""
        self.n_rejected += 1
        if len(self.rejected) < MAX_LISTED_REJECTIONS:
            self.rejected.append({"path": rejected.path, "reason": rejected.reason})

    def reject_duplicate(self, path: str, item: int) -> None:
        """Count and list what an older version has as an item."""
        self.n_duplicates += 1
        self.reject(Rejected(path, f"the dataset has these bytes already, as item {item}"))

    def summary(
        self,
        kind: Literal["images", "embeddings"],
        counts: IndexCounts,
        *,
        image_size: ImageSize | None,
        version: int,
    ) -> PackSummary:
        """What the pack says of itself, but for a derived split."""
        n_test = counts.splits["test"]
        return PackSummary(
            kind=kind,
            n_items=self.n_items,
            n_rejected=self.n_rejected,
            rejected=self.rejected,
            classes=[ClassCount(name=name, count=counts.labels[name]) for name in sorted(counts.labels)],
            splits=SplitCounts(train=self.n_items - n_test, test=n_test, derived=False),
            image_size=image_size,
            channels=self.channels,
            dtype=self.dtype,
            version=version,
            n_groups=len(counts.groups) or None,
            n_duplicates=self.n_duplicates,
        )


def pack_images(
    archive: ImageArchive,
    folder: Path,
    stem: str,
    *,
    group_by: str | None = None,
    extends: Extension | None = None,
    on_progress: Progress,
) -> PackSummary:
    """Write images.bin and index.parquet; the whole of each image is decoded to see that it is good.

    Args:
        archive: read once, front to back.
        folder: exists and is empty.
        stem: the archive's name without ending.
        group_by: as the archive was opened with.
        extends: the pack whose items come first; items that it has already are rejected.
        on_progress: (done, total) bytes.

    Raises:
        NoImagesError: nothing was accepted.
        NothingNewError: nothing was that `extends` does not have.
        DatasetMismatchError: an item does not fit those of `extends`.
        NoGroupsError: no item has a group, though `group_by` names some.
    """
    tally = Tally()
    offset, version = 0, 1
    if extends is not None:
        extends.require_kind("images")
        tally.go_on_from(extends.summary)
        offset, version = extends.copy("images.bin", folder / "images.bin"), extends.version
    n_before = tally.n_items
    with IndexWriter(folder) as index, (folder / "images.bin").open("ab") as file:
        for results in map_in_order(_check, _batches(archive)):
            for item in results:
                if isinstance(item, Rejected):
                    tally.reject(item)
                elif extends is not None and (known := extends.item_of(item.sha256)) is not None:
                    tally.reject_duplicate(item.entry.path, known)
                else:
                    if extends is not None:
                        extends.require_like(item.entry.path, item.facts.channels, item.facts.dtype)
                    file.write(item.entry.data)
                    tally.accept(item.entry.path, item.facts)
                    index.add(_row(item, offset, version))
                    offset += len(item.entry.data)
            on_progress(archive.position, archive.size)
        if tally.n_items == n_before:
            raise nothing_new(tally.n_duplicates) if tally.n_duplicates else _no_images(tally)
        file.flush()
        os.fsync(file.fileno())
        counts = index.finish(
            stem if archive.has_folders else None,
            folder_groups=group_by == FOLDER,
            before=() if extends is None else extends.rows(),
        )
    require_groups(group_by, counts, extends)
    on_progress(archive.size, archive.size)
    image_size = ImageSize(min=tally.shortest, max=tally.longest)
    return tally.summary("images", counts, image_size=image_size, version=version)


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


def _row(item: _Accepted, offset: int, version: int) -> tuple[object, ...]:
    entry, facts = item.entry, item.facts
    return (
        entry.path, entry.label, entry.split, item.sha256, facts.format, offset, len(entry.data),
        facts.height, facts.width, facts.channels, facts.dtype, entry.group, version,
    )  # fmt: skip


def require_groups(group_by: str | None, counts: IndexCounts, extends: Extension | None) -> None:
    """Raise NoGroupsError where groups were asked for, and no new item has one."""
    if group_by is None or counts.n_grouped:
        return
    where = (
        "no image lies in a folder below that of its class; put each into CLASS/GROUP/"
        if group_by == FOLDER
        else "it is empty for every item"
    )
    cure = "or leave group_by out"
    if extends is not None and extends.summary.n_groups is not None:
        cure = "since the dataset that is extended has groups, or name another group_by"
    raise NoGroupsError(f"group_by = {group_by!r}: {where}, {cure}", field="group_by")


def nothing_new(n_duplicates: int) -> NothingNewError:
    """The refusal of an archive of duplicates."""
    return NothingNewError(
        f"the dataset has the bytes of all {n_duplicates:,} items of the archive already; send others",
        field="file",
    )


def _no_images(tally: Tally) -> NoImagesError:
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
