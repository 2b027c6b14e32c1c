"""The fine-tunings of sources in a study's `transfers.parquet`, as forecasts take them."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from g2l.errors import G2LError
from g2l.figures import FIGURES, Figures
from g2l.forecast.records import Candidate, PastTransfer
from g2l.studies.runs import read_rows

_NEEDED = (
    *("method", "target", "target_name", "label_budget", "epochs", "accuracy"),
    *("model_id", "source", "source_size", "n_classes"),
)
_Row = Mapping[str, Any]
_Cell = tuple[str, int | None, int, int | None]  # target, label budget, epochs, pixels


class UnreadableTransfersError(G2LError):
    """A file is no table of transfers."""

    code: ClassVar[str] = "unreadable-transfers"
    title: ClassVar[str] = "A file of past transfers cannot be read"


def read_transfers(*paths: str | Path) -> list[PastTransfer]:
    """Linear probes left out; targets are named as `read_rows` does, those of several files alike.

    The accuracy from scratch is known to the others on the same target and label budget, for as many epochs
    and at as many pixels: the mean over seeds, in whichever file. A row's `source` names its recipe, so equal
    names in several files are taken for equal recipes. Files from before a figure was measured lack it.

    Raises:
        UnreadableTransfersError: one is not there, no Parquet, or lacks a column.
    """
    for path in paths:
        _require_transfers(path)
    rows = [row for row in read_rows(*paths) if row["method"] == "fine-tune"]
    from_scratch: dict[_Cell, list[float]] = defaultdict(list)
    for row in rows:
        if row["model_id"] is None:
            from_scratch[_cell(row)].append(row["accuracy"])
    scratch = {cell: fmean(accuracies) for cell, accuracies in from_scratch.items()}
    return [_record(row, scratch.get(_cell(row))) for row in rows if row["model_id"] is not None]


def _require_transfers(path: str | Path) -> None:
    import pyarrow.parquet as pq

    try:
        absent = set(_NEEDED) - set(pq.read_schema(path).names)
    except (OSError, ValueError) as error:  # what pyarrow raises of a file is a ValueError
        raise UnreadableTransfersError(f"{path} is no transfers.parquet of a study: {error}") from error
    if absent:
        raise UnreadableTransfersError(
            f"{path} is no transfers.parquet of a study: it has no {', '.join(sorted(absent))}"
        )


def _cell(row: _Row) -> _Cell:
    return row["target"], row["label_budget"], row["epochs"], row.get("image_size")


def _record(row: _Row, scratch: float | None) -> PastTransfer:
    figures: Figures = {name: row.get(name) for name in FIGURES} | {"scratch": scratch}
    return PastTransfer(
        target_id=row["target"],
        source=Candidate(row["model_id"], row["source_size"], figures, row["source"]),
        n_classes=row["n_classes"],
        label_budget=row["label_budget"],
        accuracy=row["accuracy"],
    )
