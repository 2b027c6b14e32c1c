"""JSON objects as typed values, and the problem that the service words its refusals with."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Self, TypeVar, get_args, get_origin, get_type_hints

JsonObject = dict[str, Any]
V = TypeVar("V")


@dataclass(frozen=True)
class FieldError:
    """One mistake in a request: where (a JSON pointer such as ``#/labeling/length``), and how to mend it."""

    pointer: str
    detail: str


@dataclass(frozen=True)
class Problem:
    """An RFC 9457 problem: a refusal, or why a job failed.

    Attributes:
        type: reference to a page that explains the problem; its last part is the stable code.
        status: HTTP status; None where no answer came.
        errors: the fields to mend; empty if no single field is to blame.
    """

    type: str
    title: str
    status: int | None = None
    detail: str = ""
    errors: tuple[FieldError, ...] = ()

    @property
    def code(self) -> str:
        """The stable kebab-case name, as in ``invalid-request``."""
        return self.type.rstrip("/").rsplit("/", 1)[-1]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """The problem that a JSON object spells."""
        errors = (
            FieldError(str(e.get("pointer", "#")), str(e.get("detail", ""))) for e in body.get("errors") or ()
        )
        return cls(
            type=str(body.get("type") or "about:blank"),
            title=str(body.get("title") or "The service refused"),
            status=body.get("status"),
            detail=str(body.get("detail") or ""),
            errors=tuple(errors),
        )

    def to_json(self) -> JsonObject:
        """The JSON object that spells this problem."""
        body: JsonObject = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in self.errors]
        return body

    def __str__(self) -> str:
        # A detail may say already where to mend, and what.
        unsaid = [e for e in self.errors if e.pointer not in self.detail]
        lines = [f"{self.title}: {self.detail}" if self.detail else self.title]
        lines += [f"  at {e.pointer}" + f": {e.detail}" * (e.detail not in self.detail) for e in unsaid]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the service tells of something.

    Attributes:
        body: the whole answer as JSON; `answer["name"]` reads it, fields that this client does not know too.
    """

    body: JsonObject = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


def read(kind: type[V], body: JsonObject, **more: object) -> V:
    """The value of a class that a JSON object spells; what the object leaves out is None, or empty.

    Args:
        kind: a dataclass; its annotations say how its fields are read.
        body: the JSON object; what the class has no field for is only in an `Answer`'s body.
        more: fields that are not in the object.
    """
    class_: Any = kind
    values = {
        name: _value(type_, body.get(name)) for name, type_ in _fields(class_).items() if name not in more
    }
    if issubclass(kind, Answer):
        values["body"] = body
    return kind(**values, **more)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.name in hints and f.name != "body"}


def _value(type_: Any, value: Any) -> Any:
    if get_origin(type_) is UnionType:
        (type_,) = (arm for arm in get_args(type_) if arm is not NoneType)
    if get_origin(type_) is tuple:
        return tuple(_value(get_args(type_)[0], item) for item in value or ())
    if value is None:
        return None
    if type_ is datetime:
        return datetime.fromisoformat(value)
    if type_ is Problem:
        return Problem.from_json(value)
    return read(type_, value) if hasattr(type_, "__dataclass_fields__") else value
