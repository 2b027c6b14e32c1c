"""A labeling's artifact: `labels.parquet`, a row an item, written and read here alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from g2l.known_classes import KnownClasses

FILE = "labels.parquet"
_NAMES = pa.list_(pa.string())
_ROWS_AT_ONCE = 16_384
_SCHEMA = [
    ("item_id", pa.int64()),
    ("path", pa.string()),
    ("label", pa.string()),
    ("class_id", pa.int32()),
    ("anchors", _NAMES),  # as used, after back-off
    ("full", _NAMES),  # before it
    ("log_content", pa.float64()),  # of the whole simplex; null for minus infinity
    ("margin", pa.float64()),
]


@dataclass(frozen=True)
class Labels:
    """Pseudo-labels of N items.

    Attributes:
        paths: (N,) of the items.
        classes: C label names by class id.
        class_ids: (N,).
        names: the K anchors' names.
        anchors: (N, L) anchors as used, -1 beyond a label's end.
        full: (N, L) anchors before back-off, -1 after a stop.
        log_content: (N,) of the whole simplex, -inf where flat; None where there is no geometry.
        margin: (N,); None where there is no geometry.
        soft: (N, L, K) float32 targets; None where they would be too large to keep.
    """

    paths: Sequence[str]
    classes: Sequence[str]
    class_ids: NDArray[np.int64]
    names: Sequence[str]
    anchors: NDArray[np.int64]
    full: NDArray[np.int64]
    log_content: NDArray[np.float64] | None
    margin: NDArray[np.float64] | None
    soft: NDArray[np.float32] | None


def write_labels(path: Path, labels: Labels) -> None:
    """Write the file, a bounded number of rows at a time."""
    fields = list(_SCHEMA)
    if labels.soft is not None:
        fields.append(("soft", pa.list_(pa.float32())))
    about = {
        "classes": list(labels.classes),
        "names": list(labels.names),
        "length": int(labels.full.shape[1]),
        "k": len(labels.names),
    }
    schema = pa.schema(fields, metadata={"g2l": json.dumps(about)})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, len(labels.class_ids), _ROWS_AT_ONCE):
            rows = slice(start, min(start + _ROWS_AT_ONCE, len(labels.class_ids)))
            writer.write_table(pa.table(_columns(labels, rows), schema=schema))


@dataclass(frozen=True)
class Outline:
    """What labels are made of, without the labels.

    Attributes:
        classes: C label names by class id.
        names: the K anchors' names.
        length: L.
    """

    classes: Sequence[str]
    names: Sequence[str]
    length: int


def read_outline(path: Path) -> Outline:
    """Read the file's head alone."""
    about = json.loads(pq.read_schema(path).metadata[b"g2l"])
    return Outline(about["classes"], about["names"], about["length"])


def read_classes(path: Path) -> KnownClasses:
    """The classes of labels in which each has an item, to label further items with."""
    about = read_outline(path)
    table = pq.read_table(path, columns=["class_id", "anchors", "full"])
    anchors, full = (_indices(table[name], about.names, about.length) for name in ("anchors", "full"))
    return KnownClasses.of(
        about.classes, table["class_id"].to_numpy().astype(np.int64), anchors=anchors, full=full
    )


def read_labels(path: Path) -> Labels:
    """Read what `write_labels` wrote."""
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"g2l"])
    rows, length, k = table.num_rows, about["length"], about["k"]
    soft = None
    if "soft" in table.column_names:
        values = table["soft"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        soft = values.reshape(rows, length, k)
    log_content = table["log_content"].to_numpy()
    margin = table["margin"].to_numpy()
    geometric = table["margin"].null_count < rows
    return Labels(
        paths=table["path"].to_pylist(),
        classes=about["classes"],
        class_ids=table["class_id"].to_numpy().astype(np.int64),
        names=about["names"],
        anchors=_indices(table["anchors"], about["names"], length),
        full=_indices(table["full"], about["names"], length),
        log_content=np.where(np.isnan(log_content), -np.inf, log_content) if geometric else None,
        margin=margin if geometric else None,
        soft=soft,
    )


def _columns(labels: Labels, rows: slice) -> dict[str, Any]:
    names, ids = np.asarray(labels.names, dtype=object), labels.class_ids[rows]
    columns: dict[str, Any] = {
        "item_id": np.arange(rows.start, rows.stop),
        "path": list(labels.paths[rows]),
        "label": np.asarray(labels.classes, dtype=object)[ids],
        "class_id": ids.astype(np.int32),
        "anchors": _named(labels.anchors[rows], names),
        "full": _named(labels.full[rows], names),
        "log_content": _or_null(labels.log_content, rows),
        "margin": _or_null(labels.margin, rows),
    }
    if labels.soft is not None:
        soft = labels.soft[rows].reshape(len(ids), -1)
        offsets = np.arange(len(ids) + 1, dtype=np.int32) * soft.shape[1]
        columns["soft"] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(soft.reshape(-1)))
    return columns


def _named(anchors: NDArray[np.int64], names: NDArray[Any]) -> list[list[str]]:
    return [names[row[row >= 0]].tolist() for row in anchors]


def _or_null(values: NDArray[np.float64] | None, rows: slice) -> pa.Array:
    if values is None:
        return pa.nulls(rows.stop - rows.start, pa.float64())
    return pa.array(values[rows], mask=~np.isfinite(values[rows]))


def _indices(column: pa.ChunkedArray, names: Sequence[str], length: int) -> NDArray[np.int64]:
    place = {name: index for index, name in enumerate(names)}
    filled = np.full((len(column), length), -1, dtype=np.int64)
    for row, chosen in enumerate(column.to_pylist()):
        filled[row, : len(chosen)] = [place[name] for name in chosen]
    return filled
