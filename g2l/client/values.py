"""What the service answers, as values: jobs and problems. Other resources stay JSON objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

JsonObject = dict[str, Any]
FINISHED = frozenset({"succeeded", "failed", "cancelled"})


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


@dataclass(frozen=True)
class Progress:
    """How far a job's stage has come; `total` is None where nobody knows yet."""

    done: int
    total: int | None
    unit: str | None


@dataclass(frozen=True)
class Result:
    """What a job has made, and where to read it."""

    kind: str
    id: str
    href: str


@dataclass(frozen=True)
class Job:
    """A piece of work in the service, as it was when asked.

    Attributes:
        kind: dataset, anchor-set, labeling, model, transfer, forecast or pipeline.
        state: queued, running, succeeded, failed or cancelled.
        stage: what it is doing; of a pipeline, which stage is under way.
        body: the whole answer, as JSON.
    """

    id: str
    kind: str
    state: str
    stage: str | None = None
    progress: Progress | None = None
    eta_seconds: float | None = None
    attempt: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: Problem | None = None
    result: Result | None = None
    parent_id: str | None = None
    children: tuple[str, ...] = ()
    spec: JsonObject = field(default_factory=dict, repr=False)
    body: JsonObject = field(default_factory=dict, repr=False, compare=False)

    @property
    def finished(self) -> bool:
        """Whether it is over, well or not."""
        return self.state in FINISHED

    @property
    def seconds(self) -> float | None:
        """How long it ran; None until it is over."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    @classmethod
    def from_json(cls, body: JsonObject) -> Self:
        """The job that a JSON object spells."""
        progress, error, result = body.get("progress"), body.get("error"), body.get("result")
        return cls(
            id=body["id"],
            kind=body["kind"],
            state=body["state"],
            stage=body.get("stage"),
            progress=progress
            and Progress(progress.get("done", 0), progress.get("total"), progress.get("unit")),
            eta_seconds=body.get("eta_seconds"),
            attempt=body.get("attempt", 0),
            created_at=_time(body.get("created_at")),
            started_at=_time(body.get("started_at")),
            finished_at=_time(body.get("finished_at")),
            error=error and Problem.from_json(error),
            result=result and Result(result["kind"], result["id"], result["href"]),
            parent_id=body.get("parent_id"),
            children=tuple(body.get("children") or ()),
            spec=body.get("spec") or {},
            body=body,
        )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
