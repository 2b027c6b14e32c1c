"""Which resources a spec names."""

from collections.abc import Iterator

from pydantic import BaseModel

from core.specs.base import BUILT_IN_EMBEDDERS

_ID_FIELDS = frozenset(
    {
        "dataset_id",
        "anchor_set_id",
        "labeling_id",
        "labeling_ids",
        "model_id",
        "model_ids",
        "embedder",
        "fit_on",
        "init_model_id",
        "extends",
        "classes_of",
    }
)


def references(spec: BaseModel) -> list[str]:
    """The ids of all resources that a spec names, each once, in order."""
    return list(dict.fromkeys(id_ for _, id_ in located_references(spec)))


def located_references(spec: BaseModel) -> list[tuple[str, str]]:
    """Every id with where it stands, as in ``transfer/dataset_id`` or ``model_ids/0``."""
    return list(_walk(spec, ""))


def _walk(value: object, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _field(name, getattr(value, name), f"{where}/{name}".lstrip("/"))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{where}/{index}")


def _field(name: str, value: object, where: str) -> Iterator[tuple[str, str]]:
    if name not in _ID_FIELDS:
        yield from _walk(value, where)
    elif isinstance(value, str) and value not in BUILT_IN_EMBEDDERS:
        yield where, value
    elif isinstance(value, list | tuple):
        named = [(f"{where}/{index}", item) for index, item in enumerate(value)]
        yield from ((place, item) for place, item in named if item not in BUILT_IN_EMBEDDERS)
