"""The fine-tunings of sources in a study's `transfers.parquet`, as forecasts take them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from g2l.errors import G2LError
from g2l.figures import FIGURES
from g2l.forecast.records import Candidate, PastTransfer
from g2l.studies.runs import read_rows


class UnreadableTransfersError(G2LError):
    """A file is no table of transfers."""

    code: ClassVar[str] = "unreadable-transfers"
    title: ClassVar[str] = "A file of past transfers cannot be read"


def read_transfers(path: str | Path) -> list[PastTransfer]:
    """Linear probes left out; targets are named as `read_rows` does.

    Of those from scratch their mean accuracy is known to the others on the same target and label budget. A
    row's `source` names its recipe, so equal names in several files are taken for equal recipes. Files from
    before a figure was measured lack its column.

    Raises:
        UnreadableTransfersError: it is not there, no Parquet, or lacks a column.
    """
    try:
        return _records([row for row in read_rows(path) if row["method"] == "fine-tune"])
    except (OSError, ValueError, KeyError) as error:  # what pyarrow raises of a file is a ValueError
        raise UnreadableTransfersError(f"{path} is no transfers.parquet of a study: {error}") from error


def _records(rows: Sequence[Mapping[str, Any]]) -> list[PastTransfer]:
    from_scratch: dict[tuple[str, int | None], list[float]] = defaultdict(list)
    for row in rows:
        if row["model_id"] is None:
            from_scratch[row["target"], row["label_budget"]].append(row["accuracy"])
    scratch = {cell: float(np.mean(accuracies)) for cell, accuracies in from_scratch.items()}
    return [
        PastTransfer(
            target_id=row["target"],
            source=Candidate(
                row["model_id"],
                row["source_size"],
                {name: row.get(name) for name in FIGURES}
                | {"scratch": scratch.get((row["target"], row["label_budget"]))},
                row["source"],
            ),
            n_classes=row["n_classes"],
            label_budget=row["label_budget"],
            accuracy=row["accuracy"],
        )
        for row in rows
        if row["model_id"] is not None
    ]
