"""What a study's report is made of: its transfers as rows, forecasts beside outcomes, and galleries."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.artifacts import Store
from core.db.resources import Dataset, Labeling, Model, Transfer
from core.jobs.study_grid import Cell, Grid
from g2l.data.pixels import encode_thumbnail
from g2l.figures import FIGURES, OF_THE_TARGET
from g2l.forecast.expected import forecast
from g2l.forecast.records import PastTransfer
from g2l.forecast.scoring import SCORED_TARGETS, Score, score_forecasts
from g2l.studies.intervals import Interval
from g2l.studies.page import Gallery, Outcome
from g2l.studies.runs import Run
from workers import labels, pixels
from workers.evidence import Evidence
from workers.past_transfers import (
    FromScratch,
    accuracies_from_scratch,
    past_transfers,
    recorded,
    size_of_transfer,
    source_size,
)

THUMBNAIL, SHOWN_CLASSES, SHOWN_IMAGES = 48, 8, 10
_COLUMNS = [
    ("source", pa.string()),
    ("pretraining_seed", pa.int64()),
    ("target", pa.string()),  # the dataset's id
    ("target_name", pa.string()),
    ("label_budget", pa.int64()),
    ("seed", pa.int64()),
    ("method", pa.string()),
    ("accuracy", pa.float64()),
    ("accuracy_low", pa.float64()),
    ("accuracy_high", pa.float64()),
    ("balanced_accuracy", pa.float64()),
    ("macro_f1", pa.float64()),
    ("twin_share", pa.float64()),  # of the test images, those that the weights were trained on
    ("accuracy_without_twins", pa.float64()),
    ("n_classes", pa.int64()),
    ("n_train", pa.int64()),
    ("n_test", pa.int64()),
    ("arch", pa.string()),
    ("epochs", pa.int64()),
    ("image_size", pa.int64()),  # pixels that the transfer ran at
    ("learning_rate", pa.float64()),
    ("seconds", pa.float64()),
    ("source_size", pa.int64()),
    *[(figure, pa.float64()) for figure in FIGURES if figure not in OF_THE_TARGET],
    ("model_id", pa.string()),
    ("base_model_id", pa.string()),
    ("transfer_id", pa.string()),
]


@dataclass(frozen=True)
class Measured:
    """A cell of the grid with what was measured, and the rows that it stands on."""

    cell: Cell
    transfer: Transfer
    source: Model | None
    target: Dataset


def measured(session: Session, grid: Grid) -> list[Measured]:
    """The cells whose transfers are there, in the grid's order."""
    ids = [grid.made[cell.role] for cell in grid.cells if cell.role in grid.made]
    statement = (
        select(Transfer, Model, Dataset)
        .outerjoin(Model, Model.id == Transfer.model_id)
        .join(Dataset, Dataset.id == Transfer.dataset_id)
        .where(Transfer.id.in_(ids))
    )
    found = {row[0].id: row for row in session.execute(statement).tuples()}
    return [
        Measured(cell, *found[grid.made[cell.role]])
        for cell in grid.cells
        if grid.made.get(cell.role) in found
    ]


def table(rows: Sequence[Measured]) -> pa.Table:
    """A row a transfer."""
    return pa.Table.from_pylist([_row(row) for row in rows], schema=pa.schema(_COLUMNS))


def _row(row: Measured) -> dict[str, Any]:
    cell, transfer = row.cell, row.transfer
    twins = transfer.twins or {}
    return {
        "source": cell.source,
        "pretraining_seed": cell.pretraining_seed,
        "target": row.target.id,
        "target_name": row.target.name,
        "label_budget": cell.label_budget,
        "seed": cell.seed,
        "method": cell.method,
        "accuracy": transfer.accuracy["value"],
        "accuracy_low": transfer.accuracy["low"],
        "accuracy_high": transfer.accuracy["high"],
        "balanced_accuracy": transfer.balanced_accuracy,
        "macro_f1": transfer.macro_f1,
        "twin_share": twins.get("share"),
        "accuracy_without_twins": (twins.get("accuracy_without") or {}).get("value"),
        "n_classes": len(transfer.per_class),
        "n_train": transfer.n_train,
        "n_test": sum(map(sum, transfer.confusion)),
        "arch": transfer.arch,
        "epochs": transfer.epochs,
        "image_size": size_of_transfer(transfer.spec, row.source),
        "learning_rate": transfer.learning_rate,
        "seconds": transfer.seconds,
        "source_size": None if row.source is None else source_size(row.source),
        **{str(name): value for name, value in Evidence.of(transfer).figures.items()},
        "model_id": transfer.model_id,
        "base_model_id": transfer.base_model_id,
        "transfer_id": transfer.id,
    }


def runs(rows: Sequence[Measured]) -> list[Run]:
    """The same for statistics; targets by their ids."""
    return [
        Run(
            source=row.cell.source,
            target=row.target.id,
            accuracy=row.transfer.accuracy["value"],
            seed=row.cell.seed,
            label_budget=row.cell.label_budget,
            pretraining_seed=row.cell.pretraining_seed,
        )
        for row in rows
    ]


def outcomes(rows: Sequence[Measured]) -> list[Outcome]:
    """Of each source on each target, what a forecast would have said, and what came out.

    A forecast leaves out its own target, so all other transfers of the service may speak.
    """
    known = [row for row in rows if row.source is not None and row.cell.method == "fine-tune"]
    from_scratch = accuracies_from_scratch()
    past = past_transfers(from_scratch) if known else []
    groups: dict[tuple[str, int | None], list[Measured]] = defaultdict(list)
    for row in known:
        groups[row.target.id, row.cell.label_budget].append(row)
    return [outcome for group in groups.values() for outcome in _outcomes(group, past, from_scratch)]


def forecast_scores(rows: Sequence[Measured]) -> list[Score]:
    """How good forecasts are on the study's own transfers; empty where targets are too few."""
    from_scratch = accuracies_from_scratch()
    transfers = [
        recorded(row.transfer, row.source, row.target.artifact, from_scratch, kin=row.cell.source)
        for row in rows
        if row.source is not None and row.cell.method == "fine-tune"
    ]
    n_targets = len({transfer.target_id for transfer in transfers})
    return score_forecasts(transfers) if n_targets >= SCORED_TARGETS else []


def _outcomes(
    group: Sequence[Measured], past: Sequence[PastTransfer], from_scratch: FromScratch
) -> list[Outcome]:
    first = group[0]
    candidates = [
        recorded(row.transfer, row.source, row.target.artifact, from_scratch).source
        for row in group
        if row.source is not None
    ]
    made = forecast(
        candidates,
        past,
        target_id=first.target.artifact,
        label_budget=first.cell.label_budget,
    )
    of_source: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(group):
        of_source[row.cell.source].append(number)
    found = []
    for name, numbers in of_source.items():
        said = [made.sources[number] for number in numbers]
        values = [each.value for each in said if each.value is not None]
        expected = None
        if values:
            low, high = (float(np.mean([getattr(each, end) for each in said])) for end in ("low", "high"))
            expected = Interval(float(np.mean(values)), low, high, made.level)
        accuracy = float(np.mean([group[number].transfer.accuracy["value"] for number in numbers]))
        budget = first.cell.label_budget
        found.append(Outcome(name, first.target.id, budget, expected, accuracy, made.calibrated))
    return found


def galleries(session: Session, store: Store, whose: Mapping[str, Sequence[str]]) -> list[Gallery]:
    """Images of the largest classes of each labeling; of shuffled labels there is nothing to see.

    Args:
        session: to read rows by.
        store: where the images lie.
        whose: names of the sources by labeling.
    """
    found = []
    for id_, names in whose.items():
        labeling = session.get_one(Labeling, id_)
        dataset = session.get_one(Dataset, labeling.dataset_id)
        if labeling.method != "shuffled" and dataset.kind == "images":
            found.append(_gallery(store, labeling, dataset, names))
    return found


def _gallery(store: Store, labeling: Labeling, dataset: Dataset, names: Sequence[str]) -> Gallery:
    given = labels.read_labels(store.path(labeling.artifact) / labels.FILE)
    counts = np.bincount(given.class_ids, minlength=len(given.classes))
    largest = [int(c) for c in np.argsort(-counts, kind="stable")[:SHOWN_CLASSES] if counts[c]]
    members = [_typical(given, class_id) for class_id in largest]
    pack = pixels.open_pack(store, dataset)
    squares = iter(pack.resized(THUMBNAIL, dataset.channels, np.concatenate(members)))
    classes = [
        (
            given.classes[class_id],
            int(counts[class_id]),
            [encode_thumbnail(next(squares), THUMBNAIL) for _ in chosen],
        )
        for class_id, chosen in zip(largest, members, strict=True)
    ]
    classes_of = f"{labeling.n_classes:,} classes of {dataset.name or dataset.id}"
    about = f"{classes_of} by {labeling.method}, {labeling.entropy:.1f} bits; the largest:"
    return Gallery(", ".join(names), about, classes)


def _typical(given: labels.Labels, class_id: int) -> pixels.Indices:
    """Some images of a class: those of the largest margin, else evenly spaced ones."""
    members = np.flatnonzero(given.class_ids == class_id)
    if given.margin is not None:
        return members[np.argsort(-given.margin[members], kind="stable")[:SHOWN_IMAGES]]
    return members[pixels.evenly(len(members), SHOWN_IMAGES)]
