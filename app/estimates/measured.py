"""How fast finished jobs were here, by what they have in common."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Integer, Row, Select, cast, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.estimates.works import CACHED, EMBEDDING, Likeness, Network, embedded_by
from core.db.jobs import Job
from core.db.resources import (
    AnchorSet,
    Dataset,
    Embedder,
    Forecast,
    Labeling,
    Model,
    Resource,
    Responses,
    Transfer,
)
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.transfers import TransferSpec
from g2l.passes import fine_tuning

AnySelect = Select[*tuple[Any, ...]]
AnyRow = Row[*tuple[Any, ...]]
NEWEST: Final = 200  # jobs of a kind that are looked at
ENOUGH: Final = 20  # alike jobs that count, the newest
START_SECONDS: Final = 3.5  # until a job's process has loaded what it works with, on the reference machine
LEAST_WORK: Final = 0.1  # of a job's time is work, however short it was


@dataclass(frozen=True)
class Past:
    """A finished job: what it went over, and its seconds from its claim to its end."""

    like: Likeness
    passes: int
    seconds: float


@dataclass(frozen=True)
class Pace:
    """Of alike jobs.

    Attributes:
        start: seconds until a job's process has loaded what it works with.
        images_per_second: from then on.
        spread: factor by which a job may well be slower or faster.
    """

    start: float
    images_per_second: float
    spread: float


def start_of(past: Iterable[Past]) -> float:
    """Seconds to start: as on the reference machine, unless a whole job took less here."""
    return min([START_SECONDS, *(job.seconds for job in past)])


def pace(past: Sequence[Past], start: float) -> Pace | None:
    """The pace of alike jobs, newest first; None without any."""
    if not past:
        return None
    rates = np.array(
        [job.passes / max(job.seconds - start, LEAST_WORK * job.seconds) for job in past[:ENOUGH]]
    )
    low, middle, high = np.quantile(rates, (0.1, 0.5, 0.9))
    least = 1 + 0.5 / math.sqrt(len(rates))  # few jobs show less spread than there is
    return Pace(start, float(middle), float(max(least, middle / low, high / middle)))


def finished(db: Session) -> list[Past]:
    """The newest jobs of every kind that ran without an interruption, newest first in each kind."""
    return [*_anchor_sets(db), *_labelings(db), *_models(db), *_forecasts(db), *_transfers(db)]


def _anchor_sets(db: Session) -> Iterator[Past]:
    wanted = _of_embedder(AnchorSet, AnchorSet.embedder_id).add_columns(AnchorSet.spec)
    rows = db.execute(wanted).all()
    items = {row.id: row.n_items for row in db.execute(select(Dataset.id, Dataset.n_items))}
    for row in rows:
        everything = sum(items.get(id_, 0) for id_ in embedded_by(AnchorSetSpec.model_validate(row.spec)))
        if row.computed or everything:
            yield _past(row, _responding("anchor-set", row), row.computed or everything)


def _labelings(db: Session) -> Iterator[Past]:
    wanted = _of_embedder(Labeling, Labeling.embedder_id).add_columns(Labeling.n_items)
    one_view = func.coalesce(Labeling.spec["views"].as_integer(), 1) == 1
    for row in db.execute(wanted.where(Labeling.method == "geometry", one_view)):
        yield _past(row, _responding("labeling", row), row.computed or row.n_items)


def _models(db: Session) -> Iterator[Past]:
    wanted = _newest(Model).add_columns(Model.arch, Model.image_size, Model.metrics)
    objective = func.coalesce(Model.spec["objective"].astext, "pseudo-labels")
    on_labels = objective.not_in(("self-supervised", "distillation"))  # which take other times
    for row in db.execute(wanted.where(Model.role == "source", on_labels, Model.metrics.has_key("n_train"))):
        passes = row.metrics["n_train"] * len(row.metrics["history"])
        yield _past(row, Likeness("model", Network(row.arch, row.image_size)), passes)


def _forecasts(db: Session) -> Iterator[Past]:
    source = Model.id == Forecast.sources[0]["model_id"].astext
    wanted = _newest(Forecast).join(Dataset, Dataset.id == Forecast.dataset_id).join(Model, source)
    wanted = wanted.add_columns(Model.arch, Model.image_size, Dataset.n_items)
    for row in db.execute(wanted.where(func.jsonb_array_length(Forecast.sources) == 1)):
        yield _past(row, Likeness("forecast", Network(row.arch, row.image_size)), row.n_items)


def _transfers(db: Session) -> Iterator[Past]:
    base = aliased(Model)
    wanted = _newest(Transfer).join(base, base.id == Transfer.base_model_id)
    wanted = wanted.add_columns(base.arch, base.image_size, base.metrics, Transfer.spec)
    for row in db.execute(wanted):
        spec, images = TransferSpec.model_validate(row.spec), row.metrics["n_train"]
        passes = images
        if spec.method == "fine-tune":
            passes = fine_tuning(
                images,
                epochs=spec.epochs,
                batch_size=spec.batch_size,
                chooses_rate=spec.learning_rate is None,
            )
        yield _past(row, Likeness("transfer", Network(row.arch, row.image_size), spec.method), passes)


def _newest(table: type[Resource]) -> AnySelect:
    seconds = func.extract("epoch", Job.finished_at - Job.started_at).label("seconds")
    shard = aliased(Job)
    waited = exists().where(shard.parent_id == Job.id, shard.kind == "responses")
    attempts = 1 + cast(waited, Integer)  # one that waited for its shards was claimed again after them
    once = select(seconds).join_from(table, Job, Job.id == table.job_id).where(Job.attempt == attempts)
    return once.order_by(table.id.desc()).limit(NEWEST)


def _of_embedder(table: type[Resource], embedder_id: InstrumentedAttribute[str]) -> AnySelect:
    """The newest, with their embedder and the images that they sent through it (null: none)."""
    meanwhile: ColumnElement[bool] = Responses.created_at.between(Job.started_at, Job.finished_at)
    computed = (
        select(func.sum(Dataset.n_items))
        .join(Responses, Responses.dataset_id == Dataset.id)
        .where(Responses.embedder_id == embedder_id, meanwhile)
        .scalar_subquery()
    )
    wanted = _newest(table).outerjoin(Embedder, Embedder.id == embedder_id)
    wanted = wanted.outerjoin(Model, Model.id == embedder_id)
    return wanted.add_columns(Embedder.kind, Model.arch, Model.image_size, computed.label("computed"))


def _responding(kind: Any, row: AnyRow) -> Likeness:
    network = Network(row.arch, row.image_size) if row.kind is None else Network(row.kind)
    return Likeness(kind, network, EMBEDDING if row.computed else CACHED)


def _past(row: AnyRow, like: Likeness, passes: int) -> Past:
    return Past(like, int(passes), float(row.seconds))
