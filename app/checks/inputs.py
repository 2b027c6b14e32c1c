"""What every check works on: the resources a request names, locked, and the mistakes found in it."""

from dataclasses import dataclass, field
from typing import Final, TypeVar

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.jobs import Job
from core.db.resources import (
    RESOURCE_TABLES,
    AnchorSet,
    Dataset,
    Embedder,
    Labeling,
    Model,
    Pipeline,
    Resource,
)
from core.errors import FieldError, InvalidRequestError, JobFinishedError
from core.jobs.study_parts import parts
from core.specs.kinds import parse_spec
from core.specs.references import located_references

Table = TypeVar("Table", bound=Resource)
NAMES: Final = {
    "ds": "dataset",
    "emb": "embedder",
    "anc": "anchor set",
    "lab": "labeling",
    "mdl": "model",
    "trf": "transfer",
    "fct": "forecast",
    "std": "study",
}
MAX_ID: Final = 40
_WANTED: Final = {
    "dataset_id": ("ds",),
    "fit_on": ("ds",),
    "anchor_set_id": ("anc",),
    "labeling_id": ("lab",),
    "labeling_ids": ("lab",),
    "model_id": ("mdl",),
    "model_ids": ("mdl",),
    "init_model_id": ("mdl",),
    "embedder": ("emb", "mdl"),
    "extends": ("ds",),
    "classes_of": ("lab",),
    "targets": ("ds",),
    "pool": ("ds",),
    "target_pools": ("ds",),
}


@dataclass
class Inputs:
    """The named resources by id, and what is wrong with the request so far."""

    rows: dict[str, Resource]
    mistakes: list[FieldError] = field(default_factory=list)

    def refuse(self, where: str, detail: str) -> None:
        """Note a mistake in a field, given as ``labeling/length``."""
        self.mistakes.append(FieldError(f"#/{where}", detail))

    def dataset(self, id_: str) -> Dataset:
        """A named dataset."""
        return self._row(Dataset, id_)

    def anchor_set(self, id_: str) -> AnchorSet:
        """A named anchor set."""
        return self._row(AnchorSet, id_)

    def labeling(self, id_: str) -> Labeling:
        """A named labeling."""
        return self._row(Labeling, id_)

    def model(self, id_: str) -> Model:
        """A named model."""
        return self._row(Model, id_)

    def embedder(self, id_: str) -> Embedder | Model:
        """A fitted embedder or a model, for its features."""
        row = self.rows[id_]
        if not isinstance(row, Embedder | Model):
            raise TypeError(f"{id_} is no embedder")
        return row

    def finish(self) -> None:
        """Refuse the request if it has mistakes, all at once."""
        if self.mistakes:
            raise InvalidRequestError(
                "; ".join(f"{m.pointer}: {m.detail}" for m in self.mistakes[:3]), errors=self.mistakes
            )

    def _row(self, table: type[Table], id_: str) -> Table:
        row = self.rows[id_]
        if not isinstance(row, table):
            raise TypeError(f"{id_} is no {table.__name__}")
        return row


def load(db: Session, spec: BaseModel) -> Inputs:
    """Read all that a spec names and keep it from being deleted until this transaction ends.

    Raises:
        InvalidRequestError: an id names nothing, or something of another kind; each with its place.
    """
    named = located_references(spec)
    inputs = Inputs(locked(db, [id_ for _, id_ in named]))
    for where, id_ in named:
        wanted = _WANTED[next(part for part in reversed(where.split("/")) if not part.isdecimal())]
        kinds = " or ".join(NAMES[prefix] for prefix in wanted)
        if id_.partition("_")[0] not in wanted:
            ids = " or ".join(f"{prefix}_…" for prefix in wanted)
            article = "an" if kinds[0] in "aeiou" else "a"
            inputs.refuse(where, f"Give the id of {article} {kinds}, {ids}; got {ascii(id_)[:80]}.")
        elif id_ not in inputs.rows:
            inputs.refuse(where, f"There is no {kinds} {ascii(id_)[:80]}.")
    inputs.finish()
    return inputs


def locked(db: Session, ids: list[str]) -> dict[str, Resource]:
    """The rows of these ids, locked so that nobody deletes them before this transaction ends."""
    rows: dict[str, Resource] = {}
    for prefix, table in RESOURCE_TABLES.items():
        mine = sorted({id_ for id_ in ids if id_.startswith(f"{prefix}_") and is_id(id_)})
        if mine:
            statement = select(table).where(table.id.in_(mine)).order_by(table.id)
            rows |= {row.id: row for row in db.scalars(statement.with_for_update(key_share=True, read=True))}
    return rows


def is_id(word: str) -> bool:
    """Whether the database can be asked for this; a NUL would be an error there."""
    return word.isascii() and word.isprintable() and len(word) <= MAX_ID


def require_undeleted(db: Session, job: Job) -> None:
    """Refuse to retry a job whose inputs were deleted meanwhile.

    Raises:
        JobFinishedError: one is gone.
    """
    ids = [id_ for _, id_ in located_references(parse_spec(job.kind, job.spec))]
    if job.kind == "study":
        ids += parts(db, job.id).values()
    gone = [id_ for id_ in dict.fromkeys(ids) if id_ not in locked(db, ids)]
    if job.kind == "pipeline" and db.get(Pipeline, job.id) is None:
        gone.append(f"/v1/pipelines/{job.id}")
    if gone:
        raise JobFinishedError(f"The job needs {', '.join(gone)}, which was deleted; submit a new one.")
