"""The fine-tunings of sources in a study's `transfers.parquet`, as forecasts take them."""

from pathlib import Path

from g2l.figures import FIGURES
from g2l.forecast.records import Candidate, PastTransfer


def read_transfers(path: str | Path) -> list[PastTransfer]:
    """Transfers from scratch and linear probes left out; targets by name, or by id where two have one name.

    A row's `source` names its recipe, so equal names in several files are taken for equal recipes.

    Raises:
        KeyError: a column is missing.
    """
    import pyarrow.parquet as pq

    rows = pq.read_table(path).to_pylist()
    ids_of: dict[str, set[str]] = {}
    for row in rows:
        ids_of.setdefault(row["target_name"], set()).add(row["target"])
    return [
        PastTransfer(
            target_id=row["target_name"] if len(ids_of[row["target_name"]]) == 1 else row["target"],
            source=Candidate(
                row["model_id"], row["source_size"], {name: row[name] for name in FIGURES}, row["source"]
            ),
            n_classes=row["n_classes"],
            label_budget=row["label_budget"],
            accuracy=row["accuracy"],
        )
        for row in rows
        if row["method"] == "fine-tune" and row["model_id"] is not None
    ]
