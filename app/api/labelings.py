"""Labelings over HTTP: ask for one, list them, read one, stream its labels."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import StreamingResponse

from app import downloads, labels, paging, problems, resources
from app.accepting import accepted, submit
from app.checks.labelings import understood
from app.database import ReadDb, WriteDb
from app.keyed_requests import IdempotentRequest
from app.schemas.jobs import JobOut
from app.schemas.resources import LabelingOut
from core.db.resources import Labeling
from core.specs.labelings import LabelingSpec

router = APIRouter(prefix="/v1/labelings", tags=["labelings"])


class LabelingsQuery(paging.PageQuery):
    """The filters of the list."""

    name: paging.Text | None = None
    dataset_id: paging.Text | None = None
    anchor_set_id: paging.Text | None = None
    method: paging.Text | None = None


@router.post(
    "", status_code=202, response_model=JobOut, responses=problems.documented("idempotency-in-flight")
)
def create_labeling(body: LabelingSpec, keyed: IdempotentRequest, db: WriteDb) -> Response:
    """Give every item of a dataset a pseudo-label; answers with the job that does it."""
    return accepted(db, keyed, submit(db, "labeling", understood(db, body)))


@router.get("")
def list_labelings(
    query: Annotated[LabelingsQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[LabelingOut]:
    """Labelings, newest first."""
    rows = resources.select_page(db, Labeling, query)
    return resources.render_page(rows, query, LabelingOut.model_validate, request=request, response=response)


@router.get("/{labeling_id}", responses=problems.documented("not-found"))
def get_labeling(labeling_id: str, db: ReadDb) -> LabelingOut:
    """A labeling, summed up."""
    return LabelingOut.model_validate(resources.get(db, Labeling, labeling_id))


@router.head("/{labeling_id}/labels", include_in_schema=False)
@router.get(
    "/{labeling_id}/labels",
    response_class=StreamingResponse,
    responses=problems.documented("not-found", "not-acceptable", "range-not-satisfiable"),
)
def get_labels(
    labeling_id: str,
    request: Request,
    db: ReadDb,
    format: labels.Format | None = None,
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """Every label, as JSON lines, CSV, or the whole Parquet file with the soft targets."""
    row = resources.get(db, Labeling, labeling_id)
    chosen = format or labels.negotiated(accept)
    artifact = downloads.artifact(db, row.artifact)
    if chosen == "parquet":
        return downloads.file_of(artifact, labels.FILE, filename=f"{row.id}.parquet")
    return labels.streamed(request, artifact, chosen, name=row.id)


@router.delete("/{labeling_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_labeling(labeling_id: str, db: WriteDb) -> None:
    """Delete a labeling that nothing needs."""
    resources.remove(db, Labeling, labeling_id)
