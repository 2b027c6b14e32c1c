"""The transfers recorded so far, and sources as they are known on a target: what forecasts are made of."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sqlalchemy import Float, select

from core.db.resources import Dataset, Model, Transfer
from core.settings import get_settings
from g2l.forecast.records import Candidate, PastTransfer
from g2l.forecast.table import read_transfers
from workers.evidence import Evidence
from workers.patience import patiently

SCRATCH_SIZE = 32
"""Pixels that a transfer from scratch runs at, if it does not say."""

Cell = tuple[str, int | None]  # a target's content and a label budget
Recipe = tuple[Any, ...]  # of a transfer, whatever its source


@dataclass(frozen=True)
class FromScratch:
    """Accuracies from scratch, means over seeds.

    Attributes:
        by_recipe: what stands beside a transfer of the same recipe.
        newest: by the recipe that was run last: what stands beside a transfer yet to be run.
    """

    by_recipe: Mapping[tuple[Cell, Recipe], float]
    newest: Mapping[Cell, float]


def past_transfers(from_scratch: FromScratch) -> list[PastTransfer]:
    """All fine-tunings of a source so far, and those of other services that the settings name.

    A target is known by its content, not by its upload; one of another service by its name.

    Raises:
        UnreadableTransfersError: a file that the settings name is none of transfers.
    """
    statement = (
        select(Transfer, Model, Dataset.artifact)
        .join(Model, Model.id == Transfer.model_id)
        .join(Dataset, Dataset.id == Transfer.dataset_id)
        .where(Transfer.spec["method"].astext == "fine-tune")
        .order_by(Transfer.id)
    )
    rows = patiently(lambda session: session.execute(statement).all())
    own = [recorded(past, source, target, from_scratch) for past, source, target in rows]
    return own + read_transfers(*get_settings().past_transfers)


def accuracies_from_scratch() -> FromScratch:
    """Of all fine-tunings from scratch so far."""
    statement = (
        select(
            Dataset.artifact,
            Transfer.label_budget,
            Transfer.spec,
            Transfer.accuracy["value"].astext.cast(Float),
        )
        .join(Dataset, Dataset.id == Transfer.dataset_id)
        .where(Transfer.model_id.is_(None), Transfer.spec["method"].astext == "fine-tune")
        .order_by(Transfer.id)
    )
    found: dict[tuple[Cell, Recipe], list[float]] = defaultdict(list)
    last: dict[Cell, Recipe] = {}
    for target, budget, spec, accuracy in patiently(lambda session: session.execute(statement).all()):
        cell, recipe = (target, budget), _recipe_of_transfer(spec, None)
        found[cell, recipe].append(accuracy)
        last[cell] = recipe
    means = {key: fmean(accuracies) for key, accuracies in found.items()}
    return FromScratch(means, {cell: means[cell, recipe] for cell, recipe in last.items()})


def recorded(
    past: Transfer, source: Model, target: str, from_scratch: FromScratch, *, kin: str | None = None
) -> PastTransfer:
    """A transfer's row as forecasts take it; `kin` names sources like this one, in place of its recipe."""
    recipe = _recipe_of_transfer(past.spec, source)
    scratch = from_scratch.by_recipe.get(((target, past.label_budget), recipe))
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
    return Candidate(source.id, source_size(source), figures, kin or _recipe_of_source(source))


def source_size(source: Model) -> int | None:
    """Images that a source was trained on, where that is known."""
    return source.metrics.get("n_train")


def size_of_transfer(spec: Mapping[str, Any], source: Model | None) -> int:
    """Pixels that a transfer runs at: those asked for, else the source's own, or the default from scratch."""
    asked: int | None = spec.get("image_size")
    return asked or (source.image_size if source is not None else SCRATCH_SIZE)


def _recipe_of_source(source: Model) -> str:
    """What a source has in common with those that differ from it by seed or name."""
    asked = {name: value for name, value in source.spec.items() if name not in ("name", "seed")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _recipe_of_transfer(spec: Mapping[str, Any], source: Model | None) -> Recipe:
    """What a transfer has in common with one from scratch beside it."""
    named = ("epochs", "batch_size", "learning_rate", "balance", "augmentation")
    return (size_of_transfer(spec, source), *(spec.get(name) for name in named))
