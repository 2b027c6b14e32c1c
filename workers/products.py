"""What a task has made, and how it becomes visible: all in the transaction that ends the job."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import artifacts
from core.artifacts import Published
from core.db.base import Base
from core.db.resources import (
    AnchorSet,
    Dataset,
    Embedder,
    Forecast,
    Labeling,
    Model,
    Resource,
    Study,
    Transfer,
)
from core.jobs import needs

_PLACES: dict[type[Resource], tuple[str, str]] = {
    Dataset: ("dataset", "datasets"),
    Embedder: ("embedder", "embedders"),
    AnchorSet: ("anchor-set", "anchor-sets"),
    Labeling: ("labeling", "labelings"),
    Model: ("model", "models"),
    Transfer: ("transfer", "transfers"),
    Forecast: ("forecast", "forecasts"),
    Study: ("study", "studies"),
}


@dataclass(frozen=True)
class Made:
    """A row with the artifacts it points at and the ids that it needs."""

    row: Base
    artifacts: Sequence[Published] = ()
    uses: Iterable[str] = ()


@dataclass(frozen=True)
class Product:
    """A job's result, what it stands on, and what else is written with it; a shard is no result."""

    result: Made | None
    before: Sequence[Made] = ()
    also: Sequence[Callable[[Session], None]] = ()

    @property
    def reference(self) -> dict[str, str] | None:
        """The job's `result`."""
        if self.result is None:
            return None
        row = self.result.row
        if not isinstance(row, Resource):
            raise TypeError(f"{type(row).__name__} is no resource")
        kind, place = _PLACES[type(row)]
        return {"kind": kind, "id": row.id, "href": f"/v1/{place}/{row.id}"}

    def note_pace(self, seconds: float, images_per_second: float | None) -> None:
        """Say how long the work took and how fast it went, unless its task has measured that itself."""
        if self.result is None or not isinstance(row := self.result.row, Resource):
            return
        if row.seconds is None:
            row.seconds = seconds
        if row.images_per_second is None:
            row.images_per_second = images_per_second

    def save(self, session: Session) -> None:
        """Write all rows, in an order that foreign keys allow."""
        save(session, self.before if self.result is None else [*self.before, self.result])
        for write in self.also:
            write(session)


def save(session: Session, rows: Iterable[Made]) -> None:
    """Write rows in this order, each with its artifacts and with what it needs."""
    for made in rows:
        for published in made.artifacts:
            artifacts.record(session, published)
        if isinstance(made.row, Model):
            _number(session, made.row)
        session.add(made.row)
        session.flush()
        if isinstance(made.row, Resource):
            needs.take(session, made.row.id, made.uses)


def _number(session: Session, model: Model) -> None:
    """A later model of one name is a new revision of it; whoever ends at the same time waits."""
    model.revision = 1
    if model.name is not None:
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": model.name})
        newest = session.scalar(select(func.max(Model.revision)).where(Model.name == model.name))
        model.revision = (newest or 0) + 1
