"""Datasets in several files: parquet files or tars, in a folder or in a zip."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from g2l.data.arrays import require_finite
from g2l.data.columns import BadColumnError, Columns
from g2l.data.entries import Entry, NameCheck, Rejected, readable, visible_path
from g2l.data.layout import TEST, TRAIN, split_names
from g2l.data.limits import Allowance, check_entry_count
from g2l.data.parquet import ParquetFile, ParquetImages, vectors_of
from g2l.data.samples import SampleKind, kind_of
from g2l.data.tars import TarFile, TarImages
from g2l.data.zips import BrokenArchiveError, Member, UnreadableMemberError, ZipReader
from g2l.errors import G2LError

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
PARQUET_ENDINGS = (".parquet",)
SHARD_ENDINGS = (*TAR_ENDINGS, *PARQUET_ENDINGS)
_CHUNK = 2**20


class MixedShardsError(G2LError):
    """Files of one dataset that are not all of one kind."""

    code: ClassVar[str] = "mixed-shards"
    title: ClassVar[str] = "The files of a dataset are of several kinds"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the files that a dataset lies in.

    Attributes:
        name: readable, with the folders that it lies in.
        path: of the file.
    """

    name: str
    path: Path

    @property
    def stem(self) -> str:
        """Its name without the ending."""
        return self.name[: -len(next(e for e in SHARD_ENDINGS if self.name.lower().endswith(e)))]

    @property
    def is_parquet(self) -> bool:
        """Whether its name says that it is a parquet file."""
        return self.name.lower().endswith(PARQUET_ENDINGS)


def is_shard(name: str) -> bool:
    """Whether a file may be one of several of a dataset, by its name."""
    return visible_path(name) is not None and name.lower().endswith(SHARD_ENDINGS)


def shards_below(folder: Path) -> list[Shard]:
    """The shards in a folder and those below it, sorted by name; symbolic links are not followed."""
    found = []
    for place, _, files in os.walk(folder):
        for file in files:
            path = Path(place, file)
            name = readable(os.path.relpath(path, folder))
            if is_shard(name) and path.is_file() and not path.is_symlink():
                found.append(Shard(name, path))
    return sorted(found, key=lambda shard: shard.name)


def unpacked_shards(reader: ZipReader, members: Sequence[Member], folder: Path) -> list[Shard]:
    """The shards of a zip, copied into a folder, since they are read out of order; sorted by name.

    Raises:
        BrokenArchiveError: one of them cannot be read.
        HostileArchiveError: they unpack to more than the archive is allowed.
    """
    found = []
    for number, member in enumerate(members):
        path = folder / str(number)
        try:
            stream = reader.stream(member)
            with path.open("xb") as file:
                while chunk := stream.read(_CHUNK):
                    file.write(chunk)
        except UnreadableMemberError as error:
            raise BrokenArchiveError(
                f"'{readable(member.name)}' in the zip: {error}", field="file"
            ) from error
        found.append(Shard(readable(member.name), path))
    return sorted(found, key=lambda shard: shard.name)


def splits_by_name(names: Sequence[str]) -> list[str | None]:
    """Train or test for each shard, by what stands first in its name, or else by its folder.

    As folders do: `val`, `valid` and `validation` are taken as test where there is no test, else as train.
    Names that say nothing are of the train side where others say train or test; one side alone is no split.
    """
    words = [_split_word(name) for name in names]
    sides = split_names({word for word in words if word is not None})
    splits = [TRAIN if word is None else sides.get(word, TRAIN) for word in words]
    return list(splits) if {TRAIN, TEST} <= set(splits) else [None] * len(names)


def _split_word(name: str) -> str | None:
    *folders, file = name.lower().split("/")
    for word in (re.split(r"[-_.]", file)[0], *reversed(folders)):
        if split_names({word, TRAIN, TEST}):
            return word
    return None


def open_shards(
    shards: Sequence[Shard],
    columns: Columns,
    *,
    allowance: Allowance | None = None,
    close: Callable[[], object] | None = None,
) -> "ShardedImages | ParquetEmbeddings":
    """Open the files of a dataset.

    Args:
        shards: one or more, sorted.
        columns: what is read beside the images.
        allowance: what all may unpack to; by default by their sizes.
        close: called when the dataset is closed.

    Raises:
        MixedShardsError: some are tars and some parquet files, or some images and some embeddings.
        G2LError: one cannot be read; see `ParquetFile` and `TarFile`.
    """
    check_entry_count(len(shards))
    allowance = allowance or Allowance(sum(shard.path.stat().st_size for shard in shards))
    if len({shard.is_parquet for shard in shards}) > 1:
        raise MixedShardsError(
            "there are tars and parquet files; send those of one kind as one dataset", field="file"
        )
    if not shards[0].is_parquet:
        return ShardedImages(shards, columns, allowance, close=close)
    n_rows, holding = 0, set()
    for shard in shards:
        with ParquetFile(shard.path, columns, allowance) as file:
            n_rows += file.n_rows
            holding.add(file.holds_images)
    check_entry_count(n_rows)
    if len(holding) > 1:
        raise MixedShardsError("some files hold images and some embeddings; send one kind", field="file")
    if holding == {True}:
        return ShardedImages(shards, columns, allowance, close=close)
    return ParquetEmbeddings(shards, columns, allowance, n_items=n_rows, close=close)


class ShardedImages:
    """The images of several tars or parquet files, one file after the other.

    Tars are all read like the first of them. Images of a WebDataset, of tars without folders and of parquet
    files are named below their file's name, since every file may count from 0; a plain tar's by its folders.

    Attributes:
        has_folders: whether labels are read from the folders of the paths.
        size: bytes of all files.
        position: bytes of them read so far.

    Raises:
        G2LError: the first cannot be read.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        columns: Columns,
        allowance: Allowance,
        *,
        close: Callable[[], object] | None = None,
    ) -> None:
        self._shards, self._columns, self._allowance, self._close = shards, columns, allowance, close
        self._splits = splits_by_name([shard.name for shard in shards])
        self._kind = None if shards[0].is_parquet else _kind_of_tars(shards[0], columns, len(shards))
        self.has_folders = self._kind is None and not shards[0].is_parquet
        self.size = sum(shard.path.stat().st_size for shard in shards)
        self._read = 0
        self._current: TarImages | ParquetImages | None = None
        self._names = NameCheck()

    @property
    def position(self) -> int:
        """Bytes of all files read so far."""
        return self._read + (self._current.position if self._current else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._current:
            self._current.__exit__()
        if self._close:
            self._close()

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The images of each file in turn.

        Raises:
            G2LError: a file cannot be read; its name is said.
        """
        for shard, split in zip(self._shards, self._splits, strict=True):
            with self._open(shard, split) as self._current:
                yield from self._current
            self._current = None
            self._read += shard.path.stat().st_size

    def _open(self, shard: Shard, split: str | None) -> TarImages | ParquetImages:
        if shard.is_parquet:
            file = ParquetFile(shard.path, self._columns, self._allowance)
            return ParquetImages(file, shard.stem, split, allowance=self._allowance)
        prefix = "" if self.has_folders or len(self._shards) == 1 else f"{shard.stem}/"
        tar = TarFile(shard.path, self._allowance)
        return TarImages(tar, self._kind, self._columns, names=self._names, prefix=prefix, split=split)


class ParquetEmbeddings:
    """The embeddings of one or several parquet files, one file after the other.

    Attributes:
        n_items, dim: N and D.
        labels, groups: of the rows that were read so far, by row; None without such a column.

    Raises:
        BadColumnError: the vectors are of different lengths, or one is missing.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        columns: Columns,
        allowance: Allowance,
        *,
        n_items: int,
        close: Callable[[], object] | None = None,
    ) -> None:
        self._shards, self._columns, self._allowance, self._close = shards, columns, allowance, close
        self.n_items = n_items
        with ParquetFile(shards[0].path, columns, allowance) as file:
            first = next(vectors_of(file, Allowance(file.size)), None)
            self.labels: list[str | None] | None = None if file.roles.label is None else []
            self.groups: list[str | None] | None = None if file.roles.group is None else []
        self.dim = 0 if first is None else first[0].shape[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._close:
            self._close()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The rows in order, (n, D) float32.

        Raises:
            BadColumnError: a vector is missing, or of another length.
            NotFiniteError: a value is NaN or infinite.
        """
        start = 0
        for shard in self._shards:
            with ParquetFile(shard.path, self._columns, self._allowance) as file:
                for rows, labels, groups in vectors_of(file, self._allowance):
                    if rows.shape[1] != self.dim:
                        raise BadColumnError(
                            f"'{shard.name}' has vectors of {rows.shape[1]} values, and {self.dim} are the "
                            "first file's; send those of one length",
                            field="file",
                        )
                    require_finite(rows, start, self.n_items)
                    for kept, new in ((self.labels, labels), (self.groups, groups)):
                        if kept is not None:
                            kept.extend(new)
                    yield rows
                    start += len(rows)


def _kind_of_tars(first: Shard, columns: Columns, n_shards: int) -> SampleKind | None:
    with TarFile(first.path) as tar:
        head = tar.head()
    kind = kind_of(head, columns)
    paths = [image.path for sample in head for image in sample.images]
    if kind is None and n_shards > 1 and not any("/" in path for path in paths):
        return SampleKind(by_text=False)  # no folders that could be classes
    return kind
