"""The forecast job: candidate sources and a target in, the accuracy to expect of each out."""

import dataclasses
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from core.db.resources import Dataset, Forecast, Model
from core.ids import new_id
from core.specs.forecasts import ForecastSpec
from core.specs.references import references
from g2l.forecast.expected import SourceForecast, forecast
from g2l.forecast.records import Candidate
from workers.active import ActiveJob, load
from workers.embedders import embedding_of
from workers.evidence import Evidence, evidence
from workers.past_transfers import accuracies_from_scratch, candidate, past_transfers
from workers.products import Made, Product
from workers.responses import Responder, prepare
from workers.target_labels import TargetLabels


def run(job: ActiveJob[ForecastSpec]) -> Product:
    """Measure each source on the target, and regress from the transfers recorded so far."""
    spec, target = job.spec, load(Dataset, job.spec.dataset_id)
    prepare(job, [Responder(job, embedding_of(job, id_)) for id_ in spec.model_ids], [target])
    from_scratch = accuracies_from_scratch()
    scratch = from_scratch.newest.get((target.artifact, spec.label_budget))
    candidates: list[Candidate] = []
    measured: list[Evidence] = []
    labels = TargetLabels(job, target)
    target_labels: list[dict[str, Any] | None] = []
    also: list[Callable[[Session], None]] = []
    for model_id in spec.model_ids:
        job.enter("measuring the sources")
        source = load(Model, model_id)
        known, responder = evidence(
            job, source, target, label_budget=spec.label_budget, image_size=spec.image_size, seed=0
        )
        candidates.append(candidate(source, known, scratch=scratch))
        measured.append(known)
        target_labels.append(labels.of(source))
        also += responder.also
    made = forecast(
        candidates,
        past_transfers(from_scratch),
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
            _source(known, found, made.level, spec.target_accuracy)
            | {"scratch_accuracy": scratch, "target_label": label}
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
