"""Groups of items that belong together (of a patient, of a tile), by which a split must not cut."""

from collections.abc import Iterable
from typing import ClassVar, Final

from g2l.errors import G2LError

FOLDER: Final = "folder"
"""The `group_by` that takes the folder just above an image, below the folder of its class."""


class NoGroupsError(G2LError):
    """A `group_by` that names nothing in the archive."""

    code: ClassVar[str] = "no-groups"
    title: ClassVar[str] = "Nothing in the archive has such a group"


def no_groups(group_by: str, what: str, there: Iterable[str]) -> NoGroupsError:
    """The refusal of a `group_by`.

    Args:
        group_by: as it was asked for.
        what: the things that it could name, as in "columns".
        there: those that the archive has.
    """
    names = list(there)
    shown = ", ".join(repr(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
    return NoGroupsError(
        f"group_by = {group_by!r}: the archive has {f'the {what} {shown}' if names else f'no {what}'}; name "
        f"{'one of those' if names else f'{FOLDER!r}, for folders'}, or leave group_by out",
        field="group_by",
    )
