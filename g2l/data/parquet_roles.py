"""Which column of a parquet file is what: images or embeddings, classes, groups."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from g2l.data.columns import (
    LABEL_NAMES,
    BadColumnError,
    Columns,
    UnknownColumnError,
    listed,
    several_labels,
    unknown_label,
)
from g2l.data.groups import no_groups

_VECTOR_NAMES = ("embeddings", "embedding")
_Features = dict[str | None, dict[str, Any]]


@dataclass(frozen=True)
class Roles:
    """Which column is what.

    Attributes:
        image, vector: one of them is set.
        label, group: where there is one.
        label_names: of the classes that an integer label counts, where the schema names them.
    """

    image: str | None
    vector: str | None
    label: str | None
    group: str | None
    label_names: tuple[str, ...] | None

    def leaves(self, schema: pa.Schema) -> list[str]:
        """The columns to read: of an image column with paths beside the bytes, the bytes alone."""
        first = self.image or self.vector
        nested = self.image is not None and pa.types.is_struct(schema.field(self.image).type)
        return [f"{first}.bytes" if nested else str(first), *(c for c in (self.label, self.group) if c)]


def roles_of(schema: pa.Schema, columns: Columns) -> Roles:
    """Which column is what, by the schema and by what is asked for.

    The images are in the column that the Hugging Face library calls an image, or in the only one of bytes;
    among several, in `image`. The classes are in `label`, `labels` or `class`, or in the only ClassLabel.

    Raises:
        UnknownColumnError: no column holds images or embeddings, several could, or `label_by` is not there.
        NoGroupsError: `group_by` is not there.
        MultiLabelError: the labels are lists.
        BadColumnError: the labels are of a kind that names no class.
    """
    features = _features(schema)
    image = _image_column(schema, features)
    vector = None if image else _vector_column(schema)
    if image is None and vector is None:
        raise UnknownColumnError(
            f"no column holds images (binary, or a struct with 'bytes') or embeddings (lists of floats); "
            f"the columns are {listed(schema.names)}; name the images' column 'image'",
            field="file",
        )
    label = _label_column(schema, features, columns.label_by)
    group = columns.group_by
    if group is not None and group not in schema.names:
        raise no_groups(group, "columns", schema.names)
    names = features.get(label, {}).get("names") if label else None
    return Roles(image, vector, label, group, tuple(map(str, names)) if isinstance(names, list) else None)


def _features(schema: pa.Schema) -> _Features:
    """What the Hugging Face library says of the columns, if it wrote them; {} if not."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: told[name] for name in schema.names if isinstance(told.get(name), dict)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _image_column(schema: pa.Schema, features: _Features) -> str | None:
    able = [field.name for field in schema if _holds_bytes(field.type)]
    told = [name for name in able if features.get(name, {}).get("_type") == "Image"]
    for found in (told, able):
        if len(found) == 1 or "image" in found:
            return found[0] if len(found) == 1 else "image"
    if able:
        raise UnknownColumnError(
            f"the columns {listed(able)} could all hold the images; name one of them 'image'", field="file"
        )
    return None


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _vector_column(schema: pa.Schema) -> str | None:
    able = [
        field.name for field in schema if _is_list(field.type) and pa.types.is_floating(field.type.value_type)
    ]
    named = [name for name in _VECTOR_NAMES if name in able]
    return next(iter(named or (able if len(able) == 1 else [])), None)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _label_column(schema: pa.Schema, features: _Features, label_by: str | None) -> str | None:
    if label_by is not None and label_by not in schema.names:
        raise unknown_label(label_by, "columns", schema.names)
    classes = [name for name in schema.names if features.get(name, {}).get("_type") == "ClassLabel"]
    named = [name for name in LABEL_NAMES if name in schema.names]
    if label_by is None and not named and len(classes) > 1:
        raise UnknownColumnError(
            f"the columns {listed(classes)} could all be the class; name one of them with label_by",
            field="label_by",
        )
    label = label_by or next(iter(named + classes), None)
    if label is not None:
        _check_label(label, schema.field(label).type)
    return label


def _check_label(label: str, kind: pa.DataType) -> None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if _is_list(kind):
        raise several_labels(f"the column '{label}'")
    tests = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)
    if not any(test(kind) for test in tests):
        raise BadColumnError(
            f"the column '{label}' holds {kind} values; classes are integers or texts: "
            "name another column with label_by, or leave that column out",
            field="file",
        )
