"""The transfers of a study, one run each, as its Parquet file keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """One transfer.

    Attributes:
        source: the arm's name.
        target: what it was measured on.
        accuracy: 0 to 1, on the target's test images.
        seed: of the transfer.
        label_budget: images a class; None for all.
        pretraining_seed: of the source; None where the study trained none.
    """

    source: str
    target: str
    accuracy: float
    seed: int = 0
    label_budget: int | None = None
    pretraining_seed: int | None = None


def read_rows(*paths: str | Path) -> list[dict[str, Any]]:
    """The rows of `transfers.parquet` files; `target` is the name, or the id where two targets have one name.

    Studies in one service take equal transfers from each other: what stands in several files counts once.

    Raises:
        KeyError: a column is missing.
    """
    rows: dict[object, dict[str, Any]] = {}
    for path in paths:
        for number, row in enumerate(_rows_of(path)):
            rows.setdefault(row.get("transfer_id") or (path, number), row)
    return list(rows.values())


def _rows_of(path: str | Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    ids_of: dict[str, set[str]] = {}
    for row in rows:
        ids_of.setdefault(row["target_name"], set()).add(row["target"])
    return [
        row | {"target": row["target_name"] if len(ids_of[row["target_name"]]) == 1 else row["target"]}
        for row in rows
    ]


def read_runs(*paths: str | Path) -> list[Run]:
    """The runs of `transfers.parquet` files; raises and names targets as `read_rows` does."""
    columns = [column.name for column in fields(Run)]
    return [Run(**{name: row[name] for name in columns}) for row in read_rows(*paths)]


def label_budgets(runs: Iterable[Run]) -> list[int | None]:
    """The budgets in order, all labels last."""
    return sorted({run.label_budget for run in runs}, key=lambda budget: (budget is None, budget or 0))


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once, in the order in which they come."""
    return list(dict.fromkeys(names))
