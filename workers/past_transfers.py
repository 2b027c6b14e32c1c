"""The transfers recorded so far, and sources as they are known on a target: what forecasts are made of."""

import hashlib
import json
from collections.abc import Mapping

from sqlalchemy import Float, func, select

from core.db.resources import Dataset, Model, Transfer
from g2l.forecast.records import Candidate, PastTransfer
from workers.evidence import Evidence
from workers.patience import patiently

FromScratch = Mapping[tuple[str, int | None], float]
"""Mean accuracy from scratch by a target's content and label budget, where it was measured."""


def past_transfers(from_scratch: FromScratch) -> list[PastTransfer]:
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
        recorded(past, source, target, scratch=from_scratch.get((target, past.label_budget)))
        for past, source, target in rows
    ]


def accuracies_from_scratch() -> FromScratch:
    """Of all fine-tunings from scratch so far."""
    accuracy = func.avg(Transfer.accuracy["value"].astext.cast(Float))
    statement = (
        select(Dataset.artifact, Transfer.label_budget, accuracy)
        .join(Dataset, Dataset.id == Transfer.dataset_id)
        .where(Transfer.model_id.is_(None), Transfer.spec["method"].astext == "fine-tune")
        .group_by(Dataset.artifact, Transfer.label_budget)
    )
    rows = patiently(lambda session: session.execute(statement).all())
    return {(target, budget): mean for target, budget, mean in rows}


def recorded(
    past: Transfer, source: Model, target: str, *, scratch: float | None, kin: str | None = None
) -> PastTransfer:
    """A transfer's row as forecasts take it; `kin` names sources like this one, in place of its recipe."""
    return PastTransfer(
        target_id=target,
        source=candidate(source, Evidence.of(past), scratch=scratch, kin=kin),
        n_classes=len(past.per_class),
        label_budget=past.label_budget,
        accuracy=past.accuracy["value"],
    )


def candidate(source: Model, known: Evidence, *, scratch: float | None, kin: str | None = None) -> Candidate:
    """A source and what was measured of it on a target, as forecasts take it."""
    figures = {**known.figures, "scratch": scratch}
    return Candidate(source.id, source_size(source), figures, kin or _recipe(source))


def source_size(source: Model) -> int | None:
    """Images that a source was trained on, where that is known."""
    return source.metrics.get("n_train")


def _recipe(source: Model) -> str:
    """What a source has in common with those that differ from it by seed or name."""
    asked = {name: value for name, value in source.spec.items() if name not in ("name", "seed")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
