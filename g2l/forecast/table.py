"""The fine-tunings of sources in a study's `transfers.parquet`, as forecasts take them."""

from pathlib import Path

from g2l.figures import FIGURES
from g2l.forecast.records import Candidate, PastTransfer
from g2l.studies.runs import read_rows


def read_transfers(path: str | Path) -> list[PastTransfer]:
    """Transfers from scratch and linear probes left out; raises and names targets as `read_rows` does.

    A row's `source` names its recipe, so equal names in several files are taken for equal recipes. Files from
    before a figure was measured lack its column.
    """
    return [
        PastTransfer(
            target_id=row["target"],
            source=Candidate(
                row["model_id"], row["source_size"], {name: row.get(name) for name in FIGURES}, row["source"]
            ),
            n_classes=row["n_classes"],
            label_budget=row["label_budget"],
            accuracy=row["accuracy"],
        )
        for row in read_rows(path)
        if row["method"] == "fine-tune" and row["model_id"] is not None
    ]
