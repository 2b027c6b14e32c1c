"""The table of a pack's items, written in batches so that a million items stay in flat memory."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from g2l.data.layout import Layout, LayoutScan
from g2l.data.seen import Seen

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("sha256", pa.binary(32)),
        ("format", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("channels", pa.int32()),
        ("dtype", pa.string()),
        ("group", pa.string()),
        ("version", pa.int32()),
    ]
)
"""One row an item. `offset` and `length` are of its bytes in images.bin; the four after them describe its
pixels. In a pack of embeddings all from `format` to `dtype` is null. Packs that were made before there were
groups lack the last two; `version` is then 1."""

_BATCH = 8_192
_PART = "items.part"


@dataclass(frozen=True)
class IndexCounts:
    """What the index says as a whole.

    Attributes:
        labels: items of each class.
        splits: items of "train" and "test"; empty without splits.
        groups: names of groups.
        n_grouped: items of this version that have a group.
    """

    labels: Counter[str]
    splits: Counter[str]
    groups: Seen
    n_grouped: int


class IndexWriter:
    """Writes `index.parquet` of a folder: rows first, then labels and splits, which need all the paths.

    Args:
        folder: where the file comes to lie.
    """

    def __init__(self, folder: Path) -> None:
        self._target = folder / "index.parquet"
        self._part = folder / _PART
        self._rows: list[tuple[Any, ...]] = []
        self._scan = LayoutScan()
        self._writer = pq.ParquetWriter(self._part, SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, row: tuple[Any, ...]) -> None:
        """Append a row, its values in the schema's order."""
        self._rows.append(row)
        self._scan.add(row[0].rpartition("/")[0])
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
        self._rows.clear()

    def finish(
        self, stem: str | None, *, folder_groups: bool = False, before: Iterable[pa.Table] = ()
    ) -> IndexCounts:
        """Close the file and count what is in it.

        Args:
            stem: the archive's name, if labels and splits are to be read from the paths' folders.
            folder_groups: read groups from them as well.
            before: rows of an older version, which come first and stay as they are.
        """
        if self._rows:
            self._flush()
        self._writer.close()
        labels, splits, groups, n_grouped = Counter[str](), Counter[str](), Seen(), 0
        layout = None if stem is None else self._scan.layout(stem)
        with (
            pq.ParquetFile(self._part, pre_buffer=False) as source,
            pq.ParquetWriter(self._target, SCHEMA) as target,
        ):
            batches = (pa.Table.from_batches([batch]) for batch in source.iter_batches(_BATCH))
            new = (_placed(table, layout, folder_groups=folder_groups) for table in batches)
            for table, is_new in chain(zip(before, repeat(False)), zip(new, repeat(True))):
                labels.update(_counted(table["label"]))
                splits.update(_counted(table["split"]))
                for name in _counted(table["group"]):
                    groups.add(name)
                n_grouped += (len(table) - table["group"].null_count) * is_new
                target.write_table(table)
        self._part.unlink()
        return IndexCounts(labels, splits, groups, n_grouped)


def older_rows(path: Path) -> Iterator[pa.Table]:
    """The rows of an index, some thousand at a time, with all columns of the schema."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH):
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            n_rows = batch.num_rows
            columns.setdefault("group", pa.nulls(n_rows, pa.string()))
            columns.setdefault("version", pa.array(np.ones(n_rows, np.int32)))
            yield pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def digest_keys(path: Path) -> NDArray[np.uint64]:
    """(N,) the first eight bytes of each item's SHA-256, as a number that sorts as they do."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        keys, done = np.empty(file.metadata.num_rows, np.uint64), 0
        for batch in file.iter_batches(_BATCH, columns=["sha256"]):
            column = batch.column(0)
            words = np.frombuffer(column.buffers()[1], ">u8")[4 * column.offset :]
            keys[done : done + len(column)] = words[: 4 * len(column) : 4]
            done += len(column)
    return keys


def class_numbers(path: Path, classes: Sequence[str]) -> NDArray[np.int64]:
    """(N,) index of each item's label into `classes`; -1 where it has none."""
    names = pa.array(classes, pa.string())
    with pq.ParquetFile(path, pre_buffer=False) as file:
        numbers, done = np.empty(file.metadata.num_rows, np.int64), 0
        for batch in file.iter_batches(_BATCH, columns=["label"]):
            ids = pc.index_in(batch.column(0), value_set=names).fill_null(-1)
            numbers[done : done + len(ids)] = ids.to_numpy()
            done += len(ids)
    return numbers


def group_keys(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """(N,) a number for the group of each item, made of its name alone; 0 where it has none."""
    coded = column.combine_chunks().dictionary_encode()
    names = [hashlib.sha256(name.encode()).digest()[:8] for name in coded.dictionary.to_pylist()]
    numbers = [int.from_bytes(name, "big") or 1 for name in names] + [0]
    keys: NDArray[np.uint64] = np.array(numbers, np.uint64)[coded.indices.fill_null(len(names)).to_numpy()]
    return keys


def _placed(table: pa.Table, layout: Layout | None, *, folder_groups: bool) -> pa.Table:
    if layout is None:
        return table
    paths = table["path"].to_pylist()
    places = [layout.place(path) for path in paths]
    own = table["split"].to_pylist()
    columns = {
        "label": [label for label, _ in places],
        "split": [said or split for said, (_, split) in zip(own, places, strict=True)],
    }
    if folder_groups:
        columns["group"] = [layout.group(path) for path in paths]
    for name, values in columns.items():
        table = table.set_column(SCHEMA.get_field_index(name), name, pa.array(values, pa.string()))
    return table


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    """The values of a column, and how often each is there; nulls do not count."""
    counts = column.drop_null().value_counts()
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
