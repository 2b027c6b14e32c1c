"""Parquet files of images (the Hugging Face convention) or of embeddings, read in flat memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from g2l.data.columns import BadColumnError, Columns, text_of
from g2l.data.entries import Entry, Rejected
from g2l.data.limits import MAX_ITEM_BYTES, Allowance, check_entry_count
from g2l.data.parquet_roles import roles_of
from g2l.data.zips import BrokenArchiveError

MAGIC = b"PAR1"
_BATCH_BYTES, _BATCH_ROWS = 2**25, 64


class ParquetFile:
    """One parquet file: what its columns are, and its rows in small batches.

    Attributes:
        n_rows: of it.
        size: bytes of it.
        holds_images: whether its rows are images; otherwise they are embeddings.

    Raises:
        BrokenArchiveError: it is cut short or damaged.
        UnknownColumnError: no column holds images or embeddings, or that of the labels is not there.
        NoGroupsError: that of the groups is not there.
        MultiLabelError: its labels are lists.
        BadColumnError: its labels or groups are of a kind that names nothing.
        HostileArchiveError: it declares more bytes than the archive is allowed to unpack to.
    """

    def __init__(self, path: Path, columns: Columns, allowance: Allowance) -> None:
        self.size = path.stat().st_size
        self._allowance = allowance
        with _readable():
            # Mapped, not read ahead: of a row group, only the pages of the batch come into memory.
            self._file = pq.ParquetFile(path, memory_map=True, pre_buffer=False)
            self._schema: pa.Schema = self._file.schema_arrow
        self.n_rows: int = self._file.metadata.num_rows
        check_entry_count(self.n_rows)
        self.roles = roles_of(self._schema, columns)
        self.holds_images = self.roles.image is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def batches(self) -> Iterator[tuple[pa.Array, list[str | None], list[str | None]]]:
        """(images or vectors, classes, groups) of a few rows at a time.

        Raises:
            BrokenArchiveError: the data are damaged.
        """
        wanted = self.roles.leaves(self._schema)
        for number in range(self._file.num_row_groups):
            rows = self._rows_at_once(number)
            with _readable():
                batches = self._file.iter_batches(
                    rows, row_groups=[number], columns=wanted, use_threads=False
                )
            while True:
                with _readable():
                    batch = next(batches, None)
                if batch is None:
                    break
                yield self._content(batch), self._labels(batch), self._groups(batch)

    def _rows_at_once(self, number: int) -> int:
        """Few enough for memory, even if each were the largest value that the row group could hold."""
        group = self._file.metadata.row_group(number)
        first = self.roles.image or self.roles.vector
        chunks = (group.column(i) for i in range(group.num_columns))
        unpacked: int = sum(
            c.total_uncompressed_size for c in chunks if c.path_in_schema.partition(".")[0] == first
        )
        if unpacked > self._allowance.left:
            self._allowance.spend(unpacked)
        return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, unpacked)))

    def _content(self, batch: pa.RecordBatch) -> pa.Array:
        column = batch.column(0)
        return column.flatten()[0] if pa.types.is_struct(column.type) else column

    def _labels(self, batch: pa.RecordBatch) -> list[str | None]:
        name, names = self.roles.label, self.roles.label_names
        if name is None:
            return [None] * len(batch)
        values = batch.column(name).to_pylist()
        if names is None:
            return [text_of(value, f"the column '{name}'") for value in values]
        return [_class_name(value, names, name) for value in values]

    def _groups(self, batch: pa.RecordBatch) -> list[str | None]:
        name = self.roles.group
        if name is None:
            return [None] * len(batch)
        return [text_of(value, f"the column '{name}'") for value in batch.column(name).to_pylist()]


class ParquetImages:
    """The images of one parquet file, in the order of its rows, named `stem/0000012`.

    Attributes:
        has_folders: False: labels and splits come from columns and file names.
        size: bytes of the file.
        position: bytes of it read so far, by the share of its rows.
    """

    has_folders: ClassVar[bool] = False

    def __init__(self, file: ParquetFile, stem: str, split: str | None, *, allowance: Allowance) -> None:
        self._file, self._stem, self._split, self._allowance = file, stem, split, allowance
        self.size = file.size
        self.position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__()

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The rows; those without an image, or with one too large, are rejected.

        Raises:
            BrokenArchiveError: the data are damaged.
            HostileArchiveError: more came out of the file than it is allowed.
        """
        row = 0
        for images, labels, groups in self._file.batches():
            for i in range(len(images)):
                path = f"{self._stem}/{row:07d}"
                row += 1
                self.position = self.size * row // self._file.n_rows
                value = images[i].as_buffer() if images[i].is_valid else None
                if value is None:
                    yield Rejected(
                        path, "the row has no image bytes; paths of files elsewhere are not followed"
                    )
                    continue
                self._allowance.spend(len(value))
                if len(value) > MAX_ITEM_BYTES:
                    yield Rejected(path, f"{len(value):,} bytes, more than {MAX_ITEM_BYTES:,} for one image")
                    continue
                yield Entry(path, value.to_pybytes(), labels[i], split=self._split, group=groups[i])


def vectors_of(
    file: ParquetFile, allowance: Allowance
) -> Iterator[tuple[NDArray[np.float32], list[str | None], list[str | None]]]:
    """(rows (n, D) float32, classes, groups) of a file of embeddings, a few rows at a time.

    Raises:
        BadColumnError: the vectors are of different lengths, or one is missing.
        BrokenArchiveError: the data are damaged.
    """
    for vectors, labels, groups in file.batches():
        values = vectors.flatten()
        lengths = (
            {vectors.type.list_size}
            if pa.types.is_fixed_size_list(vectors.type)
            else set(vectors.value_lengths().to_pylist())
        )
        if vectors.null_count or values.null_count or len(lengths) != 1 or 0 in lengths:
            raise BadColumnError(
                f"the column '{file.roles.vector}' needs a vector of one length in every row, "
                "and has rows without, or of another length",
                field="file",
            )
        allowance.spend(values.nbytes)
        with np.errstate(over="ignore"):
            rows = values.to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(vectors), -1)
        yield rows, labels, groups


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise BrokenArchiveError(
            f"the parquet file cannot be read ({reason}); write it again, or upload it again", field="file"
        ) from error


def _class_name(value: object, names: tuple[str, ...], column: str) -> str | None:
    """The name of a ClassLabel; -1 and null are those without."""
    if value is None or value == -1:
        return None
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, str):
        return value
    raise BadColumnError(
        f"the column '{column}' holds the class {value}, and its schema names {len(names)} classes, from 0",
        field="file",
    )
