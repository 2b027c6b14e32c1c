"""What a study asks of the other kinds of jobs: a source's recipe as requests, every default filled in."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from core.specs.anchor_sets import LabelledSpec
from core.specs.base import REFERENCE
from core.specs.kinds import dump_spec
from core.specs.labelings import LABELING_SPEC
from core.specs.models import MODEL_SPEC, ModelSpec, objective_of
from core.specs.studies import LabelsRecipe, Options, StudyModels, StudySource, StudySpec
from core.specs.transfers import TransferSpec

PENDING = "lab_pending"  # stands for a labeling that is not made yet
MAX_NAME = 200
# The arms of the union, by the word that tells them apart.
_MODELS: dict[str, type[BaseModel]] = {
    tag.tag: model for model, tag in (get_args(arm) for arm in get_args(get_args(ModelSpec)[0]))
}
_SHARED = tuple(name for name in StudyModels.model_fields if name != "learning_rates")
_OF_THE_START = ("arch", "image_size")
_IDS_OF_LABELS = ("labeling_id", "labeling_ids")


def pool_of(study: StudySpec, source: StudySource) -> str:
    """The dataset that a source is trained on; empty if nobody named one."""
    return str(source.pool or (source.model or {}).get("dataset_id") or study.pool or "")


def labeling_request(recipe: LabelsRecipe, pool: str, anchor_set_id: str | None) -> BaseModel:
    """The labeling of a recipe; `anchor_set_id` is for those by geometry.

    Raises:
        pydantic.ValidationError: with places inside the recipe's `labeling`.
    """
    options = dict(recipe.labeling or {})
    if recipe.by_geometry:
        options["anchor_set_id"] = anchor_set_id
    if options.get("method") != "shuffled":
        options.setdefault("dataset_id", pool)
    request: BaseModel = LABELING_SPEC.validate_python(options)
    return request


def model_request(
    study: StudySpec, source: StudySource, labelings: Sequence[str], *, seed: int, rate: float | None = None
) -> BaseModel:
    """The training of a source at one pretraining seed, and at one rate of the sweep.

    Raises:
        pydantic.ValidationError: with places inside the source's `model`.
    """
    recipe = source.model or {}
    fields = _shared(study, recipe) | _inputs(study, source, labelings) | recipe | {"seed": seed}
    if rate is not None and is_swept(study, source):
        fields["learning_rate"] = rate
    fields.setdefault("name", f"{study.name or 'study'} {source.name}"[:MAX_NAME])
    request: BaseModel = MODEL_SPEC.validate_python(fields)
    return request


def transfer_request(
    study: StudySpec,
    source: StudySource,
    *,
    model_id: str | None,
    draw: LabelledSpec,
) -> TransferSpec:
    """One cell of the grid; from scratch it is the network that sources are trained as."""
    cell = {"model_id": model_id} | draw.model_dump()
    fields = study.transfer.model_dump() | {"method": method_of(study, source)} | cell
    if model_id is None:
        fields |= {"arch": study.model.arch, "image_size": fields["image_size"] or study.model.image_size}
    return TransferSpec.model_validate(fields)


def method_of(study: StudySpec, source: StudySource) -> str:
    """How a source is put to use; from scratch there is no network to freeze."""
    if source.model_id is None and not source.is_recipe:
        return "fine-tune"
    return source.method or study.transfer.method


def is_swept(study: StudySpec, source: StudySource) -> bool:
    """Whether a source's learning rate is chosen from the study's, its recipe naming none."""
    return study.model.learning_rates is not None and "learning_rate" not in (source.model or {})


def filled_model(study: StudySpec, source: StudySource) -> Options:
    """A source's `model` with every default filled in, but for what differs between its trainings.

    Raises:
        pydantic.ValidationError: as `model_request`.
    """
    made = [PENDING] * len(source.label_recipes)
    filled = dump_spec(model_request(study, source, made, seed=0))
    told = {"seed", *([] if "name" in (source.model or {}) else ["name"])}
    told |= set(_IDS_OF_LABELS) if made else set()
    told |= {"learning_rate"} if is_swept(study, source) else set()
    return {name: value for name, value in filled.items() if name not in told}


def resolved(value: Any, id_of: Callable[[str, str], str], field: str = "") -> Any:
    """A recipe with ids in place of what it says of other sources.

    Args:
        value: the recipe, or a part of it.
        id_of: of the field's name and the source's name.
        field: the name under which the part stands.
    """
    if isinstance(value, dict):
        return {name: resolved(item, id_of, name) for name, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, id_of, field) for item in value]
    if isinstance(value, str) and value.startswith(REFERENCE):
        return id_of(field, value.removeprefix(REFERENCE))
    return value


def _shared(study: StudySpec, recipe: Options) -> Options:
    """The study's options that this kind of training has; a model that is trained on brings its own size."""
    arm = _MODELS.get(objective_of(recipe))
    start = recipe.get("init_model_id")
    skipped = _OF_THE_START if start is not None and not start.startswith(REFERENCE) else ()
    known = arm.model_fields if arm is not None else {}
    return {name: getattr(study.model, name) for name in _SHARED if name in known and name not in skipped}


def _inputs(study: StudySpec, source: StudySource, labelings: Sequence[str]) -> Options:
    if labelings:
        return {"labeling_id": labelings[0]} if len(labelings) == 1 else {"labeling_ids": list(labelings)}
    arm = _MODELS.get(objective_of(source.model or {}))
    return {"dataset_id": pool_of(study, source)} if arm and "dataset_id" in arm.model_fields else {}
