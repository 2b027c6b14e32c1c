"""The job kinds, and the spec of each."""

from typing import Any, Literal, get_args

from pydantic import BaseModel, TypeAdapter

from core.specs.anchor_sets import AnchorSetSpec
from core.specs.datasets import DatasetSpec
from core.specs.forecasts import ForecastSpec
from core.specs.labelings import LABELING_SPEC
from core.specs.models import MODEL_SPEC
from core.specs.pipelines import PipelineSpec
from core.specs.responses import ResponsesSpec
from core.specs.studies import ReportSpec, StudySpec
from core.specs.transfers import TransferSpec

Kind = Literal[
    "dataset",
    "anchor-set",
    "labeling",
    "model",
    "transfer",
    "forecast",
    "pipeline",
    "study",
    "report",
    "responses",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
PARENTS: frozenset[Kind] = frozenset({"pipeline", "study"})  # run by their children; no worker takes one
# Kinds that train a network, or embed by one, go where the GPUs are; the rest of the work is CPU-bound.
QUEUES: dict[Kind, Literal["cpu", "gpu"]] = {
    "anchor-set": "gpu",
    "model": "gpu",
    "transfer": "gpu",
    "responses": "gpu",
}

_SPECS: dict[str, TypeAdapter[Any]] = {
    "dataset": TypeAdapter(DatasetSpec),
    "anchor-set": TypeAdapter(AnchorSetSpec),
    "labeling": LABELING_SPEC,
    "model": MODEL_SPEC,
    "transfer": TypeAdapter(TransferSpec),
    "forecast": TypeAdapter(ForecastSpec),
    "pipeline": TypeAdapter(PipelineSpec),
    "study": TypeAdapter(StudySpec),
    "report": TypeAdapter(ReportSpec),
    "responses": TypeAdapter(ResponsesSpec),
}


def parse_spec(kind: str, stored: dict[str, Any]) -> Any:
    """The typed spec of a stored row."""
    return _SPECS[kind].validate_python(stored)


def dump_spec(spec: BaseModel) -> dict[str, Any]:
    """A spec as the row stores it, every default filled in."""
    return spec.model_dump(mode="json", by_alias=True)
