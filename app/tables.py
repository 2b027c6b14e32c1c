"""Parquet files by rows: only the row groups that are asked for are read."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_BATCH = 4096


def rows(path: Path, first: int, count: int, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows `first` to `first + count` of a file, fewer at its end."""
    with pq.ParquetFile(path) as file:
        groups, skipped, start = [], 0, 0
        for group in range(file.num_row_groups):
            length = file.metadata.row_group(group).num_rows
            if start + length <= first:
                skipped = start + length
            elif start < first + count:
                groups.append(group)
            start += length
        table = file.read_row_groups(groups, columns=columns)
        return table.slice(first - skipped, count)


def batches(path: Path, columns: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """All rows, some thousand at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=list(columns)):
            yield batch.to_pylist()


def columns(path: Path) -> list[str]:
    """The names of a file's columns."""
    return list(pq.read_schema(path).names)
