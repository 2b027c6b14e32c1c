"""What a pipeline consists of: each stage's child, what it is asked, and where its result is noted."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel
from sqlalchemy.orm import Session

from core.db.resources import AnchorSet, Pipeline
from core.errors import InvalidRequestError
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.forecasts import ForecastSpec
from core.specs.kinds import Kind
from core.specs.labelings import GeometryLabelingSpec
from core.specs.models import PseudoLabelModelSpec
from core.specs.pipelines import PipelineSpec
from core.specs.transfers import TransferOptions, TransferSpec


@dataclass(frozen=True)
class Asked:
    """What a stage's request is made of: the pipeline's own, and what was made so far."""

    session: Session
    spec: PipelineSpec
    made: Pipeline

    @property
    def last_model_id(self) -> str | None:
        """The source of the round before; None in the first round."""
        return self.made.rounds[-1]["model_id"] if self.made.rounds else None

    @property
    def target(self) -> TransferOptions:
        """The pipeline's transfer; without one there are no stages that ask for it."""
        if self.spec.transfer is None:
            raise TypeError("this pipeline has no target")
        return self.spec.transfer


@dataclass(frozen=True)
class Stage:
    """One child of a pipeline: its kind, its result's column, and the part of the spec it is asked by."""

    name: str
    kind: Kind
    column: str
    section: str
    spec: Callable[[Asked], BaseModel]


@dataclass(frozen=True)
class Step:
    """A stage in its place: the round it belongs to, from 1; what follows the rounds belongs to the last."""

    stage: Stage
    round: int

    @property
    def role(self) -> str:
        """The child's role: the stage's name, from the second round on with the round's number."""
        number = f"-{self.round}" if self.round > 1 and self.stage in ROUND else ""
        return self.stage.name + number


def steps(spec: PipelineSpec) -> list[Step]:
    """All steps of a pipeline, in order; where an anchor set is given, the first is done already."""
    numbers = range(1, spec.rounds + 1)
    rounds = [Step(stage, number) for number in numbers for stage in ROUND]
    return rounds + [Step(stage, spec.rounds) for stage in (TARGET if spec.transfer is not None else ())]


def first_anchor_set(session: Session, spec: PipelineSpec) -> AnchorSetSpec:
    """What the first round's anchors are asked by; of a given anchor set, what it was asked by.

    Raises:
        InvalidRequestError: the given anchor set was deleted.
    """
    anchors = spec.anchors
    if anchors.anchor_set_id is not None:
        row = session.get(AnchorSet, anchors.anchor_set_id)
        if row is None:
            raise InvalidRequestError(f"{anchors.anchor_set_id} is needed, and was deleted.")
        return AnchorSetSpec.model_validate(row.spec)
    return anchors.request(spec.dataset_id, spec.target_labels)


def _anchor_set(asked: Asked) -> BaseModel:
    first = first_anchor_set(asked.session, asked.spec)
    if asked.last_model_id is None:
        return first
    # A model is not fitted. Given anchors still say on what the metric is.
    fit_on = first.fit_on if first.discover is None else None
    return first.model_copy(update={"embedder": asked.last_model_id, "fit_on": fit_on})


def _labeling(asked: Asked) -> BaseModel:
    options = asked.spec.labeling.model_dump()
    inputs = {"dataset_id": asked.spec.dataset_id, "anchor_set_id": asked.made.anchor_set_id}
    return GeometryLabelingSpec.model_validate(inputs | options)


def _model(asked: Asked) -> BaseModel:
    options = asked.spec.model.model_dump()
    if asked.last_model_id is not None:
        options["init_model_id"] = asked.last_model_id
    return PseudoLabelModelSpec.model_validate({"labeling_id": asked.made.labeling_id} | options)


def _forecast(asked: Asked) -> BaseModel:
    target = asked.target
    sources = {"model_ids": [asked.made.model_id]}
    options = target.model_dump(include={"dataset_id", "label_budget", "image_size"})
    return ForecastSpec.model_validate(sources | options)


def _scratch(asked: Asked) -> BaseModel:
    model, target = asked.spec.model, asked.target
    size = {"image_size": target.image_size or model.image_size, "method": "fine-tune"}
    return TransferSpec.model_validate({"arch": model.arch} | target.model_dump() | size)


def _transfer(asked: Asked) -> BaseModel:
    return TransferSpec.model_validate({"model_id": asked.made.model_id} | asked.target.model_dump())


ROUND: tuple[Stage, ...] = (
    Stage("anchors", "anchor-set", "anchor_set_id", "anchors", _anchor_set),
    Stage("labeling", "labeling", "labeling_id", "labeling", _labeling),
    Stage("model", "model", "model_id", "model", _model),
)
TARGET: tuple[Stage, ...] = (
    Stage("scratch", "transfer", "scratch_transfer_id", "transfer", _scratch),
    Stage("forecast", "forecast", "forecast_id", "transfer", _forecast),  # which knows the one before
    Stage("transfer", "transfer", "transfer_id", "transfer", _transfer),
)
