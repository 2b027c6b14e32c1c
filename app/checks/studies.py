"""What can be known of a study before its first job."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.checks import labelings, models
from app.checks.compatibility import channel_mismatch, transfer_mismatch
from app.checks.inputs import Inputs, load
from app.checks.pipelines import check_pipeline, with_anchors_for
from app.checks.starts import check_other_size, network_of, of_start
from app.checks.transfers import check_target
from app.pointers import field_errors
from core.db.resources import Dataset, Labeling
from core.errors import InvalidRequestError
from core.specs.base import REFERENCE
from core.specs.kinds import dump_spec
from core.specs.labelings import GeometryLabelingSpec, GeometryOptions
from core.specs.models import MODEL_SPEC, ImportModelSpec, PseudoLabelOptions
from core.specs.pipelines import LabelledOptions, PipelineAnchors, PipelineSpec
from core.specs.studies import LabelsRecipe, Options, StudySource, StudySpec
from core.specs.study_requests import filled_model, labeling_request, method_of, pool_of

ANY_EMBEDDER = "patch-kmeans"  # stands for a source that is not trained yet
_OF_A_START = ("arch", "image_size")
_OF_A_RECIPE = ("anchors", "labeling", "labelings", "model")
_PENDING_ANCHORS = "anc_pending"
_OF_THE_RECIPE = frozenset({"anchor_set_id", "name"})
Made = TypeVar("Made")


def understood(db: Session, spec: StudySpec) -> StudySpec:
    """The spec with every recipe's defaults filled in; refuses what one of its jobs would refuse.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    inputs = load(db, spec)
    targets = [inputs.dataset(id_) for id_ in spec.targets]
    for index, target in enumerate(targets):
        check_target(inputs, f"targets/{index}", target)
    inputs.finish()
    sources: list[StudySource] = []
    for index, source in enumerate(spec.sources):
        check = _on_target_pools if source.on_target_pools else _source
        sources.append(check(db, inputs, spec, source, where=f"sources/{index}", targets=targets))
        if not inputs.mistakes:  # else its recipe is not filled in
            _check_start(inputs, sources, where=f"sources/{index}/model")
    inputs.finish()
    return spec.model_copy(update={"sources": sources, "baseline": spec.baseline_name})


def _source(
    db: Session, inputs: Inputs, study: StudySpec, source: StudySource, *, where: str, targets: list[Dataset]
) -> StudySource:
    if source.model_id is not None:
        _check_model(inputs, study, source, f"{where}/model_id", targets)
    if not source.is_recipe:
        return source
    pool = _pool(db, inputs, study, source)
    if pool is None:
        inputs.refuse("pool", f"{source.name!r} is to be trained, and nobody says on what; give a dataset.")
        return source
    for target in targets:
        if reason := channel_mismatch("The source model", pool.channels, target):
            inputs.refuse(where, reason)
    recipes = [
        _labels(db, inputs, source, recipe, where=place, pool=pool)
        for recipe, place in zip(source.label_recipes, _places(source, where), strict=True)
    ]
    model = _tried(inputs, f"{where}/model", source.model or {}, lambda: filled_model(study, source))
    if inputs.mistakes:
        return source
    given = source.model or {}
    model = (
        (model or {})
        | of_start(db, given.get("init_model_id"))
        | {k: given[k] for k in _OF_A_START if k in given}
    )
    filled: Options = {"model": model}
    if source.labelings:
        filled["labelings"] = recipes
    for recipe in recipes if not source.labelings else ():
        filled |= {"anchors": recipe.anchors, "labeling": recipe.labeling}
    arch, size = network_of(inputs, model)
    _check_size(inputs, study, arch, trained_at=size)
    source = source.model_copy(update=filled)
    _check_jobs(db, inputs, source, where=where, pool=pool, target=targets[0])
    return source


def _on_target_pools(
    db: Session, inputs: Inputs, study: StudySpec, source: StudySource, *, where: str, targets: list[Dataset]
) -> StudySource:
    """A recipe that suits each target's pool, with the defaults that suit the smallest."""
    suited: list[tuple[int, StudySource]] = []
    for target, pool in zip(targets, study.target_pools or [], strict=True):
        on = source.model_copy(update={"pool": pool, "on_target_pools": False})
        filled = _source(db, inputs, study, on, where=where, targets=[target])
        suited.append((inputs.dataset(pool).n_items, filled))
        if inputs.mistakes:
            return source
    filled = min(suited, key=lambda pair: pair[0])[1]
    return source.model_copy(update={name: _of_no_pool(getattr(filled, name)) for name in _OF_A_RECIPE})


def _of_no_pool(recipe: Any) -> Any:
    """A filled recipe without the dataset that it was filled for."""
    if isinstance(recipe, LabelsRecipe):
        return recipe.model_copy(update={"labeling": _of_no_pool(recipe.labeling)})
    if isinstance(recipe, list):
        return [_of_no_pool(each) for each in recipe]
    if isinstance(recipe, dict):
        return {name: value for name, value in recipe.items() if name != "dataset_id"}
    return recipe


def _pool(db: Session, inputs: Inputs, study: StudySpec, source: StudySource) -> Dataset | None:
    """What a source is trained on: what is named, or what the labels are of that it names."""
    model = source.model or {}
    ids = [] if source.label_recipes else [model.get("labeling_id"), *(model.get("labeling_ids") or [])]
    labeling = next((inputs.rows[id_] for id_ in ids if id_ in inputs.rows), None)
    if isinstance(labeling, Labeling):
        return db.get(Dataset, labeling.dataset_id)
    pool = inputs.rows.get(pool_of(study, source))
    return pool if isinstance(pool, Dataset) else None


def _check_start(inputs: Inputs, sources: list[StudySource], *, where: str) -> None:
    """What the last source is trained on, if another source of the study, is a network like it."""
    own = sources[-1].model or {}
    word = str(own.get("init_model_id"))
    start = next((source for source in sources[:-1] if word == REFERENCE + source.name), None)
    if start is None:
        return
    model = None if start.model_id is None else inputs.model(start.model_id)
    if model is not None and model.role == "embedder":
        inputs.refuse(f"{where}/init_model_id", f"{start.name!r} only embeds; name another source.")
        return
    known = start.model or {}
    arch = known.get("arch") if model is None else model.arch
    if own.get("arch") != arch:
        inputs.refuse(f"{where}/arch", f"{start.name!r} is a {arch}; leave arch out, or name that.")
    size = known["image_size"] if model is None else model.image_size
    check_other_size(inputs, f"{where}/image_size", str(arch), trained_at=size, image_size=own["image_size"])


def _check_model(
    inputs: Inputs, study: StudySpec, source: StudySource, where: str, targets: list[Dataset]
) -> None:
    model = inputs.model(source.model_id or "")
    if model.role != "embedder":
        _check_size(inputs, study, model.arch, trained_at=model.image_size)
    for target in targets:
        if reason := transfer_mismatch(model, target, method_of(study, source)):
            inputs.refuse(where, reason)
            return


def _check_size(inputs: Inputs, study: StudySpec, arch: str, *, trained_at: int) -> None:
    check_other_size(
        inputs, "transfer/image_size", arch, trained_at=trained_at, image_size=study.transfer.image_size
    )


def _places(source: StudySource, where: str) -> list[str]:
    if source.labelings is None:
        return [where] * len(source.label_recipes)
    return [f"{where}/labelings/{index}" for index in range(len(source.labelings))]


def _labels(
    db: Session, inputs: Inputs, source: StudySource, recipe: LabelsRecipe, *, where: str, pool: Dataset
) -> LabelsRecipe:
    """The recipe with its defaults, unless it has mistakes."""
    place, options = f"{where}/labeling", recipe.labeling or {}
    if not recipe.by_geometry and recipe.anchors is not None:
        inputs.refuse(
            f"{where}/anchors", f"Labels by {options.get('method')} take no anchors; leave them out."
        )
        return recipe
    request = _tried(inputs, place, options, lambda: labeling_request(recipe, pool.id, _PENDING_ANCHORS))
    if request is None:
        return recipe
    told = {name: value for name, value in dump_spec(request).items() if name not in _OF_THE_RECIPE}
    anchors = recipe.anchors
    if isinstance(request, GeometryLabelingSpec) and not (anchors is not None and anchors.of_target):
        whole = PipelineSpec(
            dataset_id=pool.id,
            anchors=anchors or PipelineAnchors.model_validate({}),
            labeling=_only(GeometryOptions, told),
        )
        anchors = with_anchors_for(db, whole).anchors
    return LabelsRecipe(anchors=anchors, labeling=told)


def _check_jobs(
    db: Session, inputs: Inputs, source: StudySource, *, where: str, pool: Dataset, target: Dataset
) -> None:
    """Refuse what the endpoints of the source's own jobs would refuse, as far as its inputs are there."""
    if any(field != "embedder" for field, _ in source.named_sources()):
        return
    model = dict(source.model or {})
    for recipe, place in zip(source.label_recipes, _places(source, where), strict=True):
        stored = _as_far_as_known(recipe.model_dump(mode="json", by_alias=True))
        labeling = stored["labeling"]
        if recipe.by_geometry:
            whole = PipelineSpec(
                dataset_id=labeling["dataset_id"],
                anchors=_with_target(PipelineAnchors.model_validate(stored["anchors"]), target),
                labeling=_only(GeometryOptions, labeling),
                model=_only(PseudoLabelOptions, {k: v for k, v in model.items() if not isinstance(v, list)}),
            )
            _refusing(inputs, place, partial(check_pipeline, db, whole))
        else:
            request: Any = labeling_request(LabelsRecipe(labeling=labeling), pool.id, None)
            _refusing(inputs, f"{place}/labeling", partial(labelings.understood, db, request))
    if not source.label_recipes:
        training = MODEL_SPEC.validate_python(_as_far_as_known(model))
        if isinstance(training, ImportModelSpec):
            inputs.refuse(f"{where}/model/objective", "Import the model first, and give its model_id.")
        else:
            _refusing(inputs, f"{where}/model", partial(models.understood, db, training))


def _with_target(anchors: PipelineAnchors, target: Dataset) -> PipelineAnchors:
    """Anchors that are the target's classes, of a target that is named."""
    if not anchors.of_target:
        return anchors
    return anchors.model_copy(update={"labelled": LabelledOptions(dataset_id=target.id)})


def _as_far_as_known(value: Any) -> Any:
    """A recipe with a built-in embedder in place of a source; one among several is left out."""
    if isinstance(value, dict):
        return {name: _as_far_as_known(item) for name, item in value.items()}
    if isinstance(value, list):
        known = [_as_far_as_known(item) for item in value if not _is_source(item)]
        return known or [ANY_EMBEDDER] * bool(value)
    return ANY_EMBEDDER if _is_source(value) else value


def _is_source(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(REFERENCE)


def _refusing(inputs: Inputs, where: str, check: Callable[[], object]) -> None:
    """Note what a check refuses, at its place in the study."""
    try:
        check()
    except InvalidRequestError as error:
        for mistake in error.errors:
            inputs.refuse(f"{where}/{mistake.pointer.removeprefix('#/')}", mistake.detail)


def _tried(inputs: Inputs, where: str, options: Options, make: Callable[[], Made]) -> Made | None:
    """What is made of options, unless they have mistakes, which are noted."""
    try:
        return make()
    except ValidationError as error:
        located = [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()]
        for mistake in field_errors(located, options):
            inputs.refuse(f"{where}{mistake['pointer'].removeprefix('#')}", mistake["detail"])
        return None


def _only(options: type[Made], given: dict[str, Any]) -> Made:
    """The fields that these options have, of those given."""
    known = options.model_fields  # type: ignore[attr-defined]
    made: Made = options.model_validate({k: v for k, v in given.items() if k in known})  # type: ignore[attr-defined]
    return made
