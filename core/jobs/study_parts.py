"""What a study has made so far, and what equal requests had made before it."""

from pydantic import BaseModel, ValidationError
from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from core.db.base import Json
from core.db.resources import AnchorSet, Labeling, Model, Resource, StudyPart, Transfer
from core.jobs import needs
from core.jobs.study_grid import Part
from core.specs.kinds import Kind, dump_spec, parse_spec
from core.specs.models import DEFAULT_ARCHITECTURE
from core.specs.transfers import TransferSpec

_TABLES: dict[Kind, type[Resource]] = {
    "anchor-set": AnchorSet,
    "labeling": Labeling,
    "model": Model,
    "transfer": Transfer,
}
_LOOKED_AT = 10  # rows that the database takes for equal; the newest of them that are, count


def parts(session: Session, job_id: str) -> dict[str, str]:
    """The ids of what a study has made, by role."""
    rows = session.execute(select(StudyPart.role, StudyPart.resource_id).where(StudyPart.job_id == job_id))
    return {row.role: row.resource_id for row in rows}


def keep(session: Session, job_id: str, made: dict[str, str]) -> None:
    """Note what a study has made, which is not deleted while it runs.

    Raises:
        InvalidRequestError: some of it is gone.
    """
    if made:
        needs.take(session, job_id, made.values())
        rows = [{"job_id": job_id, "role": role, "resource_id": id_} for role, id_ in made.items()]
        session.execute(insert(StudyPart).values(rows).on_conflict_do_nothing())


def recorded(session: Session, part: Part) -> str | None:
    """The newest resource that an equal request has made, its name aside; None if there is none."""
    wanted = _told(part.request())
    table = _TABLES[part.kind]
    statement = select(table.id, table.spec).where(*_like(table, wanted)).order_by(table.id.desc())
    rows = session.execute(statement.limit(_LOOKED_AT))
    return next((row.id for row in rows if _read(part.kind, row.spec) == wanted), None)


def _like(table: type[Resource], wanted: Json) -> list[ColumnElement[bool]]:
    """What narrows the rows down to a few."""
    if table is Transfer:  # of which there are many
        names = ("dataset_id", "model_id", "label_budget", "seed", "epochs")
        return [getattr(Transfer, name) == wanted[name] for name in names]
    # A row from before an option existed lacks it; what it stands for is told by reading it.
    return [table.spec.op("-", return_type=JSONB())("name").contained_by(wanted)]


def loss_of(session: Session, model_id: str) -> float:
    """What decides a sweep: a training's last held-out loss, or its last loss if nothing is held out."""
    last = session.get_one(Model, model_id).metrics["history"][-1]
    held_out = last.get("held_out_loss")
    return float(last["loss"] if held_out is None else held_out)


def _read(kind: Kind, stored: Json) -> Json | None:
    """What a row was asked for, with today's defaults; None if that cannot be read today."""
    try:
        return _told(parse_spec(kind, stored))
    except ValidationError:
        return None


def _told(request: BaseModel) -> Json:
    """A request without its name, which makes no difference, and with the network that no name stands for."""
    told = {name: value for name, value in dump_spec(request).items() if name != "name"}
    if isinstance(request, TransferSpec) and request.model_id is None:
        told["arch"] = request.arch or DEFAULT_ARCHITECTURE
    return told
