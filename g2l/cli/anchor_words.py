"""What `--anchor NAME=WHERE` says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from g2l.cli.session import UsageError


@dataclass(frozen=True)
class AnchorWord:
    """An anchor: images to upload, or a dataset that is there, or one class of that."""

    name: str
    path: str | None = None
    dataset_id: str | None = None
    class_: str | None = None

    @classmethod
    def parse(cls, word: str) -> Self:
        """Read `greek=glyphs/greek`, `greek=ds_…` or `greek=ds_…:greek`.

        Raises:
            UsageError: it is none of these.
        """
        name, equals, where = word.partition("=")
        if not (name and equals and where):
            raise UsageError(f"--anchor takes NAME=PATH, NAME=ds_… or NAME=ds_…:CLASS; got {word!r}")
        if where.startswith("ds_"):
            dataset_id, colon, class_ = where.partition(":")
            return cls(name, dataset_id=dataset_id, class_=class_ if colon else None)
        if "://" not in where and not Path(where).exists():
            raise UsageError(f"--anchor {name}: there is no {where}")
        return cls(name, path=where)

    def request(self, dataset_id: str) -> dict[str, str]:
        """The anchor, as a request names it."""
        body = {"name": self.name, "dataset_id": dataset_id}
        return body if self.class_ is None else {**body, "class": self.class_}
