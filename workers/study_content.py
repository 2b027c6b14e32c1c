"""What a study's page shows."""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from core.jobs.study_grid import Grid
from core.specs.studies import ReportSpec, StudySpec
from g2l.forecast.scoring import Score
from g2l.studies.comparison import Difference, Mean
from g2l.studies.page import Content, Outcome, budget_words
from g2l.studies.svg import Point
from workers import studies
from workers.active import ActiveJob
from workers.patience import patiently
from workers.studies import Measured

Named = TypeVar("Named", Mean, Difference, Outcome)


def content_of(
    job: ActiveJob[ReportSpec],
    grid: Grid,
    rows: Sequence[Measured],
    *,
    means: Sequence[Mean],
    ahead: Sequence[Difference],
    outcomes: Sequence[Outcome],
    scores: Sequence[Score],
) -> Content:
    """Figures, plots and galleries, with targets by name."""
    names = _names(rows)
    whose: dict[str, list[str]] = defaultdict(list)
    for source, ids in grid.labelings.items():
        for id_ in ids:
            whose[id_].append(source)
    return Content(
        title=grid.spec.name or "Study",
        facts=_facts(grid.spec, rows, names),
        means=[_named(mean, names) for mean in means],
        differences=[_named(row, names) for row in ahead],
        divergences=_divergences(rows, names),
        curves=_curves(rows),
        outcomes=[_named(outcome, names) for outcome in outcomes],
        scores=scores,
        galleries=patiently(lambda session: studies.galleries(session, job.store, whose)),
        missing=[_words(cell, names) for cell in missing_cells(grid)],
    )


def missing_cells(grid: Grid) -> list[dict[str, Any]]:
    """The transfers that are not there: a job of theirs failed, or of what they stand on."""
    spec = grid.spec
    there = {
        (cell.source, cell.pretraining_seed, cell.target, cell.label_budget, cell.seed)
        for cell in grid.cells
        if cell.role in grid.made
    }
    names = ("source", "pretraining_seed", "target", "label_budget", "seed")
    return [
        dict(zip(names, place, strict=True))
        for source in spec.sources
        for place in itertools.product(
            [source.name],
            spec.pretraining_seeds if source.is_recipe else [None],
            spec.targets,
            spec.label_budgets,
            spec.seeds,
        )
        if place not in there
    ]


def _names(rows: Sequence[Measured]) -> dict[str, str]:
    """What targets are called: by name, or by id where two have one name."""
    named = {row.target.id: row.target.name or row.target.id for row in rows}
    return {id_: name if list(named.values()).count(name) == 1 else id_ for id_, name in named.items()}


def _named(row: Named, names: Mapping[str, str]) -> Named:
    return dataclasses.replace(row, target=names.get(row.target or "", row.target))


def _facts(spec: StudySpec, rows: Sequence[Measured], names: Mapping[str, str]) -> dict[str, str]:
    recipe = spec.transfer
    rate = recipe.learning_rate or "chosen by cross-validation inside the label budget"
    shared = max(((row.transfer.twins or {}).get("share") or 0.0 for row in rows), default=0.0)
    models = spec.model
    trained = (
        f"{models.arch}, {models.epochs} epochs at {models.image_size} pixels, unless a source says else"
    )
    if models.learning_rates:
        trained += f"; learning rate from {', '.join(map(str, models.learning_rates))} by held-out loss"
    return {
        "baseline": spec.baseline_name,
        "targets": ", ".join(names.values()),
        "label budgets": ", ".join(map(budget_words, spec.label_budgets)),
        "seeds": f"{len(spec.seeds)} of transfers, {len(spec.pretraining_seeds)} of pretraining",
        "sources": trained,
        "transfers": f"{len(rows)}: {recipe.method}, {recipe.epochs} epochs, learning rate {rate}",
        "twins": f"up to {shared:.1%} of a target's test images were among those trained on",
        "computing time": f"{sum(row.transfer.seconds or 0 for row in rows) / 3600:.2f} h of transfers",
    }


def _divergences(rows: Sequence[Measured], names: Mapping[str, str]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = defaultdict(list)
    for row in rows:
        if row.transfer.divergence is not None:
            error = 100 * (1 - row.transfer.accuracy["value"])
            found[names[row.target.id]].append((row.transfer.divergence, error))
    return found


def _curves(rows: Sequence[Measured]) -> dict[str, list[Point]]:
    """The mean training loss after each epoch, of the transfers that have as many."""
    losses: dict[str, list[list[float]]] = defaultdict(list)
    for row in rows:
        if row.transfer.learning_curve:
            losses[row.cell.source].append([epoch["loss"] for epoch in row.transfer.learning_curve])
    found = {}
    for source, curves in losses.items():
        length = min(map(len, curves))
        mean = np.mean([curve[:length] for curve in curves], axis=0)
        found[source] = [(float(epoch), float(loss)) for epoch, loss in enumerate(mean, start=1)]
    return found


def _words(cell: Mapping[str, Any], names: Mapping[str, str]) -> str:
    seeds = f"seed {cell['seed']}"
    if cell["pretraining_seed"] is not None:
        seeds += f", pretraining seed {cell['pretraining_seed']}"
    target = names.get(cell["target"], cell["target"])
    return f"{cell['source']} on {target}, {budget_words(cell['label_budget'])}, {seeds}"
