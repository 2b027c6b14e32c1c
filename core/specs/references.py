"""Which resources a spec names."""

from collections.abc import Iterator

from pydantic import BaseModel

from core.specs.base import BUILT_IN_EMBEDDERS, REFERENCE, Spec

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
        own = type(value).id_fields if isinstance(value, Spec) else frozenset()
        for name in type(value).model_fields:
            yield from _field(name, getattr(value, name), f"{where}/{name}".lstrip("/"), own)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _field(str(name), item, f"{where}/{name}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{where}/{index}")


def _field(
    name: str, value: object, where: str, own: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    if name not in _ID_FIELDS | own:
        yield from _walk(value, where)
        return
    named: list[tuple[str, object]] = [(where, value)]
    if isinstance(value, list | tuple):
        named = [(f"{where}/{index}", item) for index, item in enumerate(value)]
    for place, item in named:
        if isinstance(item, str) and item not in BUILT_IN_EMBEDDERS and not item.startswith(REFERENCE):
            yield place, item
