"""WebDataset samples: the members of a tar that share a key, an image and the files that tell of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from g2l.data.columns import (
    LABEL_NAMES,
    BadColumnError,
    Columns,
    MultiLabelError,
    several_labels,
    text_of,
    unknown_label,
)
from g2l.data.entries import IMAGE_ENDINGS, Entry, Rejected
from g2l.data.groups import no_groups
from g2l.data.limits import MAX_ITEM_BYTES

FIELDS = ("cls", "json", "txt")
MAX_FIELD_BYTES = 2**20
_MAX_MEMBERS = 64
_MAX_CLASS_TEXT = 100
_CAPTIONS_FROM = 8  # so many different texts for as many images are captions


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a tar, as far as it counts.

    Attributes:
        path: readable.
        data: None where it is refused or not needed.
        reason: why it is refused.
    """

    path: str
    data: bytes | None
    reason: str | None = None

    @property
    def key(self) -> str:
        """What the files of a sample share: the path up to the first dot of the name."""
        folder, slash, name = self.path.rpartition("/")
        return folder + slash + name.partition(".")[0]

    @property
    def ending(self) -> str:
        """All behind that dot, in lower case: `jpg`, `seg.png`."""
        return self.path.rpartition("/")[2].partition(".")[2].lower()

    @property
    def is_image(self) -> bool:
        """Whether it is named like an image."""
        return "." + self.ending.rpartition(".")[2] in IMAGE_ENDINGS

    @property
    def is_field(self) -> bool:
        """Whether it may tell the class of its sample."""
        return self.ending in FIELDS or self.ending.endswith(".cls")


@dataclass(slots=True)
class Sample:
    """Members that follow one another and share a key."""

    images: list[Member] = field(default_factory=list)
    fields: dict[str, bytes] = field(default_factory=dict)

    def add(self, member: Member) -> None:
        """Add a member.

        Raises:
            MultiLabelError: it is a second file of a class.
        """
        if member.is_image:
            self.images.append(member)
        elif member.data is not None:
            name = "cls" if member.ending.endswith(".cls") else member.ending
            if name == "cls" and name in self.fields:
                raise several_labels(f"a second .cls file, '{member.path}',")
            self.fields[name] = member.data

    def is_full(self) -> bool:
        """Whether it holds as much as memory should; a sample goes on after that as another one."""
        n_bytes = sum(len(image.data or b"") for image in self.images)
        return len(self.images) >= _MAX_MEMBERS or n_bytes > MAX_ITEM_BYTES

    def json(self) -> dict[str, Any]:
        """The fields of its .json; {} where there is none, or it is no object."""
        try:
            told = json.loads(self.fields.get("json", b"{}"))
        except (ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}

    def text(self) -> str | None:
        """Its .txt, if that could be the name of a class: one short line."""
        text = self.fields.get("txt", b"").decode("utf-8", "backslashreplace").strip()
        return text if text and "\n" not in text and len(text) <= _MAX_CLASS_TEXT else None

    def own_class(self, columns: Columns) -> str | None:
        """The class that its .cls or its .json says; None where they say none.

        Raises:
            MultiLabelError: they say several.
            BadColumnError: what stands there is no class.
        """
        if columns.label_by is None and "cls" in self.fields:
            text = self.fields["cls"].decode("utf-8", "backslashreplace")
            return text_of(_listed(text) or text, "a .cls file")
        told = self.json()
        names = [columns.label_by] if columns.label_by else [name for name in LABEL_NAMES if name in told]
        return text_of(told.get(names[0]), f"the field '{names[0]}' of a .json") if names else None


def grouped(members: Iterator[Member]) -> Iterator[Sample]:
    """Members by their keys, in order; those of one key follow one another."""
    sample, key = Sample(), None
    for member in members:
        if key is not None and (member.key != key or sample.is_full()):
            yield sample
            sample = Sample()
        key = member.key
        sample.add(member)
    if key is not None:
        yield sample


@dataclass(frozen=True, slots=True)
class SampleKind:
    """How the samples of a tar tell their class.

    Attributes:
        by_text: by their .txt; otherwise by .cls or .json, if at all.
    """

    by_text: bool


def kind_of(head: list[Sample], columns: Columns) -> SampleKind | None:
    """What a tar's first samples show it to be; None for a plain tar, whose folders count.

    A WebDataset is one in which files beside an image tell its class: a `.cls`, or a `.json` with a field
    `label`, `labels` or `class` (or the field that was asked for); or else, where the images lie in no
    folder, a `.txt` of one short line beside each, and not another text for each, as captions are.

    Raises:
        UnknownColumnError: no .json has the field of the labels that was asked for.
        NoGroupsError: no .json has the field of the groups.
        MultiLabelError: an image has several labels.
    """
    samples = [sample for sample in head if sample.images]
    known = sorted({name for sample in samples for name in sample.json()})
    if columns.label_by is not None and columns.label_by not in known:
        raise unknown_label(columns.label_by, "JSON fields", known)
    if columns.group_column is not None and columns.group_column not in known:
        raise no_groups(columns.group_column, "JSON fields", known)
    in_folders = any("/" in image.path for sample in samples for image in sample.images)
    if columns.group_column is not None or any(_tells(sample, columns, in_folders) for sample in samples):
        return SampleKind(by_text=False)
    if in_folders:
        return None
    texts = [sample.text() for sample in samples]
    if not texts or None in texts or (len(texts) >= _CAPTIONS_FROM and len(set(texts)) == len(texts)):
        return None
    return SampleKind(by_text=True)


def entries_of(
    sample: Sample, kind: SampleKind, columns: Columns, *, split: str | None
) -> Iterator[Entry | Rejected]:
    """The images of a sample; beside `x.jpg`, a file like `x.seg.png` is no image of its own.

    Raises:
        MultiLabelError: an image has several labels.
        BadColumnError: what stands where the class or group should is none.
    """
    plain = [image for image in sample.images if "." not in image.ending]
    label = sample.text() if kind.by_text else sample.own_class(columns)
    group = None
    if columns.group_column is not None:
        group = text_of(sample.json().get(columns.group_column), f"the field '{columns.group_column}'")
    for image in plain or sample.images:
        if image.data is None:
            yield Rejected(image.path, image.reason or "it has no content")
        else:
            yield Entry(image.path, image.data, label, split=split, group=group)


def _tells(sample: Sample, columns: Columns, in_folders: bool) -> bool:
    try:
        return sample.own_class(columns) is not None
    except (MultiLabelError, BadColumnError):
        if in_folders and columns.label_by is None:  # notes of other tools; the folders tell the class
            return False
        raise


def _listed(text: str) -> list[Any] | None:
    """The list that a text is in JSON; None if it is none."""
    if not text.lstrip().startswith("["):
        return None
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, list) else None
