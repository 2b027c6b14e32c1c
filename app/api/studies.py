"""Studies over HTTP: ask for one, read what it has found, fetch its transfers and its page."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import StreamingResponse

from app import downloads, labels, paging, problems, resources, tables
from app.accepting import accepted, submit
from app.checks.studies import understood
from app.database import ReadDb, WriteDb
from app.keyed_requests import IdempotentRequest
from app.schemas.jobs import JobOut
from app.schemas.studies import StudyOut
from core.db.resources import Study
from core.specs.studies import REPORT_FILE, TRANSFERS_FILE, StudySpec

router = APIRouter(prefix="/v1/studies", tags=["studies"])
# The page is of names that users gave, and needs nothing but itself.
_SEALED = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"


class StudiesQuery(paging.PageQuery):
    """The filters of the list."""

    name: paging.Text | None = None
    job_id: paging.Text | None = None


@router.post(
    "", status_code=202, response_model=JobOut, responses=problems.documented("idempotency-in-flight")
)
def create_study(body: StudySpec, keyed: IdempotentRequest, db: WriteDb) -> Response:
    """Compare sources over targets and seeds; answers with the job, whose children do the work."""
    return accepted(db, keyed, submit(db, "study", understood(db, body)))


@router.get("")
def list_studies(
    query: Annotated[StudiesQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[StudyOut]:
    """Studies, newest first."""
    rows = resources.select_page(db, Study, query)
    return resources.render_page(rows, query, _out, request=request, response=response)


@router.get("/{study_id}", responses=problems.documented("not-found"))
def get_study(study_id: str, db: ReadDb) -> StudyOut:
    """What a study has found: accuracies, and differences from the baseline, with their intervals."""
    return _out(resources.get(db, Study, study_id))


@router.head("/{study_id}/transfers", include_in_schema=False)
@router.get(
    "/{study_id}/transfers",
    response_class=StreamingResponse,
    responses=problems.documented("not-found", "not-acceptable", "range-not-satisfiable"),
)
def get_study_transfers(
    study_id: str,
    request: Request,
    db: ReadDb,
    format: labels.Format | None = None,
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """A row a transfer, as JSON lines, CSV, or Parquet."""
    row = resources.get(db, Study, study_id)
    chosen = format or labels.negotiated(accept)
    artifact = downloads.artifact(db, row.artifact)
    name = f"{row.id}-transfers"
    if chosen == "parquet":
        return downloads.file_of(artifact, TRANSFERS_FILE, filename=f"{name}.parquet")
    columns = tables.columns(downloads.folder(artifact.digest) / TRANSFERS_FILE)
    return labels.streamed(request, artifact, chosen, name=name, file=TRANSFERS_FILE, columns=columns)


@router.head("/{study_id}/report", include_in_schema=False)
@router.get(
    "/{study_id}/report",
    response_class=Response,
    responses=problems.documented("not-found", "range-not-satisfiable"),
)
def get_study_report(study_id: str, db: ReadDb) -> Response:
    """The study as one page: tables, plots, and what the labels look like."""
    row = resources.get(db, Study, study_id)
    artifact = downloads.artifact(db, row.artifact)
    page = downloads.file_of(artifact, REPORT_FILE, filename=f"{row.id}.html", inline=True)
    page.headers["Content-Security-Policy"] = _SEALED
    return page


@router.delete("/{study_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_study(study_id: str, db: WriteDb) -> None:
    """Delete what a study has found; its models and transfers stay."""
    resources.remove(db, Study, study_id)


def _out(row: Study) -> StudyOut:
    shown = StudyOut.model_fields.keys() - row.results.keys()
    return StudyOut.model_validate({**{name: getattr(row, name) for name in shown}, **row.results})
