"""The table of a pack's items, written in batches so that a million items stay in flat memory."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from g2l.data.layout import Layout, infer_layout

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
    ]
)
"""One row an item. `offset` and `length` are of its bytes in images.bin; the last four describe its pixels.
In a pack of embeddings all from `format` on is null."""

_BATCH = 8_192
_PART = "items.part"


@dataclass(frozen=True)
class IndexCounts:
    """What the index says as a whole.

    Attributes:
        labels: items of each class.
        splits: items of "train" and "test"; empty without splits.
    """

    labels: Counter[str]
    splits: Counter[str]


class IndexWriter:
    """Writes `index.parquet` of a folder: rows first, then labels and splits, which need all the paths.

    Args:
        folder: where the file comes to lie.
    """

    def __init__(self, folder: Path) -> None:
        self._target = folder / "index.parquet"
        self._part = folder / _PART
        self._rows: list[tuple[Any, ...]] = []
        self._folders: set[str] = set()
        self._writer = pq.ParquetWriter(self._part, SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, row: tuple[Any, ...]) -> None:
        """Append a row, its values in the schema's order."""
        self._rows.append(row)
        self._folders.add(row[0].rpartition("/")[0])
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
        self._rows.clear()

    def finish(self, stem: str | None) -> IndexCounts:
        """Close the file and count what is in it.

        Args:
            stem: the archive's name, if labels and splits are to be read from the paths' folders.
        """
        if self._rows:
            self._flush()
        self._writer.close()
        counts = IndexCounts(Counter(), Counter())
        layout = None if stem is None else infer_layout(self._folders, stem)
        with pq.ParquetFile(self._part) as source, pq.ParquetWriter(self._target, SCHEMA) as target:
            for batch in source.iter_batches(_BATCH):
                table = _placed(pa.Table.from_batches([batch]), layout)
                counts.labels.update(v for v in table["label"].to_pylist() if v is not None)
                counts.splits.update(v for v in table["split"].to_pylist() if v is not None)
                target.write_table(table)
        self._part.unlink()
        return counts


def _placed(table: pa.Table, layout: Layout | None) -> pa.Table:
    if layout is None:
        return table
    places = [layout.place(path) for path in table["path"].to_pylist()]
    for i, name in enumerate(("label", "split")):
        column = pa.array([place[i] for place in places], pa.string())
        table = table.set_column(SCHEMA.get_field_index(name), name, column)
    return table
