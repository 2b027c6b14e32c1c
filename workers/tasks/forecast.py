"""The forecast job: candidate sources and a target in, the accuracy to expect of each out."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.resources import Dataset, Forecast, Model, Transfer
from core.ids import new_id
from core.specs.forecasts import ForecastSpec
from core.specs.references import references
from g2l.forecast.expected import SourceForecast, forecast
from g2l.forecast.records import Candidate, PastTransfer
from workers.active import ActiveJob, load
from workers.embedders import embedding_of
from workers.evidence import Evidence, evidence
from workers.patience import patiently
from workers.products import Made, Product
from workers.responses import Responder, prepare
from workers.target_labels import TargetLabels


def run(job: ActiveJob[ForecastSpec]) -> Product:
    """Measure each source on the target, and regress from the transfers recorded so far."""
    spec, target = job.spec, load(Dataset, job.spec.dataset_id)
    prepare(job, [Responder(job, embedding_of(job, id_)) for id_ in spec.model_ids], [target])
    candidates: list[Candidate] = []
    measured: list[Evidence] = []
    labels = TargetLabels(job, target)
    target_labels: list[dict[str, Any] | None] = []
    also: list[Callable[[Session], None]] = []
    for model_id in spec.model_ids:
        job.enter("measuring the sources")
        source = load(Model, model_id)
        known, responder = evidence(job, source, target, label_budget=spec.label_budget, seed=0)
        candidates.append(Candidate(model_id, source_size(source), known.figures, recipe(source)))
        measured.append(known)
        target_labels.append(labels.of(source))
        also += responder.also
    made = forecast(
        candidates,
        past_transfers(),
        target_id=target.artifact,
        label_budget=spec.label_budget,
        wanted=None if spec.target_accuracy is None else [spec.target_accuracy] * len(candidates),
    )
    row = Forecast(
        id=new_id("fct"),
        name=spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        dataset_id=target.id,
        sources=[
            _source(known, found, made.level, spec.target_accuracy) | {"target_label": label}
            for known, found, label in zip(measured, made.sources, target_labels, strict=True)
        ],
        n_past_transfers=made.n_past_transfers,
        n_past_targets=made.n_past_targets,
        calibrated=made.calibrated,
        calibration={
            "version": made.version,
            "figures": made.figures,
            "n_past_transfers": made.n_past_transfers,
            "n_past_targets": made.n_past_targets,
        },
    )
    return Product(Made(row, (), references(spec)), also=also)


def past_transfers() -> list[PastTransfer]:
    """All fine-tunings of a source so far; a target is known by its content, not by its upload."""
    statement = (
        select(Transfer, Model, Dataset.artifact)
        .join(Model, Model.id == Transfer.model_id)
        .join(Dataset, Dataset.id == Transfer.dataset_id)
        .where(Transfer.spec["method"].astext == "fine-tune")
        .order_by(Transfer.id)
    )
    rows = patiently(lambda session: session.execute(statement).all())
    return [
        PastTransfer(
            target_id=target,
            source=Candidate(source.id, source_size(source), Evidence.of(past).figures, recipe(source)),
            n_classes=len(past.per_class),
            label_budget=past.label_budget,
            accuracy=past.accuracy["value"],
        )
        for past, source, target in rows
    ]


def source_size(source: Model) -> int | None:
    """Images that a source was trained on, where that is known."""
    return source.metrics.get("n_train")


def recipe(source: Model) -> str:
    """What a source has in common with those that differ from it by seed or name."""
    asked = {name: value for name, value in source.spec.items() if name not in ("name", "seed")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _source(known: Evidence, found: SourceForecast, level: float, wanted: float | None) -> dict[str, Any]:
    expected = {"value": found.value, "low": found.low, "high": found.high, "level": level}
    answer: dict[str, Any] = {
        "model_id": found.source_id,
        "divergence": known.divergence,
        "knn_accuracy": known.knn_accuracy,
        "scores": known.scores,
        "divergences": known.divergences,
        "expected_accuracy": expected,
        "rank": found.rank,
    }
    if wanted is not None:
        answer["reaches_target"] = True if found.low >= wanted else False if found.high < wanted else None
        answer["needed_label_budget"] = found.needed and dataclasses.asdict(found.needed)
    return answer
