"""A job's events, and how a stream spells them: Server-Sent Events."""

import json
from dataclasses import dataclass, field

from g2l.client.values import JsonObject


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Attributes:
        id: its number; a stream that begins with it as ``Last-Event-ID`` begins after it.
        type: state, stage, metric, …
    """

    id: str
    type: str
    data: JsonObject


@dataclass
class Parser:
    """Takes the lines of a stream; comments and half an event at the end are dropped."""

    _fields: dict[str, list[str]] = field(default_factory=dict)

    def feed(self, line: str) -> Event | None:
        """The event that a line completes, if it does."""
        if line:
            name, _, value = line.partition(":")
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        type_ = fields.get("event", ["message"])[-1]
        return Event(fields.get("id", [""])[-1], type_, json.loads("\n".join(fields["data"])))
