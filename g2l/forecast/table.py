"""The fine-tunings of sources in a study's `transfers.parquet`, as forecasts take them."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from g2l.figures import FIGURES
from g2l.forecast.records import Candidate, PastTransfer
from g2l.studies.runs import read_rows


def read_transfers(path: str | Path) -> list[PastTransfer]:
    """Linear probes left out; raises and names targets as `read_rows` does.

    Of those from scratch their mean accuracy is known to the others on the same target and label budget. A
    row's `source` names its recipe, so equal names in several files are taken for equal recipes. Files from
    before a figure was measured lack its column.
    """
    rows = [row for row in read_rows(path) if row["method"] == "fine-tune"]
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
