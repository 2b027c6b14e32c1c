"""Which fields beside an image say its class and its group, and what such a field may hold."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from g2l.data.groups import FOLDER
from g2l.errors import G2LError

LABEL_NAMES = ("label", "labels", "class")
"""Fields that give the class where none is named, in this order."""

_MAX_TEXT = 1_000


class UnknownColumnError(G2LError):
    """A column, field or array is asked for by name, or needed, and is not there."""

    code: ClassVar[str] = "unknown-column"
    title: ClassVar[str] = "There is no such column"


class BadColumnError(G2LError):
    """A column, field or array holds something that is no image, no class or no group."""

    code: ClassVar[str] = "bad-column"
    title: ClassVar[str] = "A column cannot be used"


class MultiLabelError(G2LError):
    """Several labels for one image; targets here are classification, one class an image."""

    code: ClassVar[str] = "multi-label"
    title: ClassVar[str] = "Images with several labels are not supported"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a parquet, fields of a WebDataset's JSON or arrays of an npz are read beside images.

    Attributes:
        label_by: gives the class; None takes `label` or what else the format calls it.
        group_by: gives the group (a patient, a tile), or "folder" for the image's folder; None: no groups.
    """

    label_by: str | None = None
    group_by: str | None = None

    @property
    def group_column(self) -> str | None:
        """The column of the group; None without groups, and where folders give them."""
        return None if self.group_by == FOLDER else self.group_by


def unknown_label(name: str, what: str, there: Collection[str]) -> UnknownColumnError:
    """The refusal of a `label_by` that is not there.

    Args:
        name: as asked for.
        what: the things that it could name, as in "columns".
        there: those that the archive has.
    """
    return UnknownColumnError(
        f"label_by = {name!r}: the archive has the {what} {listed(there)}; name one of those, or none",
        field="label_by",
    )


def require_no_label(columns: Columns) -> None:
    """Refuse a `label_by` where folders give the classes.

    Raises:
        UnknownColumnError: it is given.
    """
    if columns.label_by is not None:
        raise UnknownColumnError(
            f"label_by = {columns.label_by!r}: this archive has no columns; its folders give the classes: "
            "leave label_by out",
            field="label_by",
        )


def listed(names: Collection[str]) -> str:
    """Names in a message, the first twenty of them."""
    shown = ", ".join(repr(name) for name in sorted(names)[:20])
    return shown + (", …" if len(names) > 20 else "") if shown else "none"


def several_labels(where: str) -> MultiLabelError:
    """The refusal of several labels an image.

    Args:
        where: the column, file or array that holds them.
    """
    return MultiLabelError(
        f"{where} gives an image several labels, and each image has one class here: keep one label an image "
        f"(name its column with label_by, if there is one), or send the images without labels as a pool",
        field="file",
    )


def text_of(value: object, where: str) -> str | None:
    """A class or group as text; None where there is none.

    Args:
        value: an integer, a text or a truth value; what else there may be is refused.
        where: the column or file it comes from.

    Raises:
        MultiLabelError: it is a list.
        BadColumnError: it is of another kind, or far too long.
    """
    if value is None:
        return None
    if isinstance(value, list | tuple | set):
        raise several_labels(where)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, bool):
        value = json.dumps(value)
    if not isinstance(value, int | str):
        raise BadColumnError(
            f"{where} holds {type(value).__name__} values; a class or a group is an integer or a text",
            field="file",
        )
    text = str(value).strip()
    if len(text) > _MAX_TEXT:
        raise BadColumnError(
            f"{where} holds a text of {len(text):,} characters, which is no name of a class or a group",
            field="file",
        )
    return text or None
