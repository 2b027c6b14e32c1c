"""Datasets over HTTP: send images in, list them, read them, delete them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool

from app import bodies, dataset_labels, paging, problems, resources, uploads
from app.checks.datasets import understood
from app.checks.files import check_files
from app.checks.uploads import complete, taken
from app.checks.uris import check_uri
from app.database import ReadDb, WriteDb
from app.keyed_requests import IdempotentRequest
from app.schemas.datasets import DatasetOut
from app.schemas.jobs import JobOut
from app.submitting import submitted
from core.artifacts import open_store
from core.db.resources import Dataset
from core.db.session import transaction
from core.settings import Settings, get_settings
from core.specs.datasets import MAX_FILES, DatasetOptions, DatasetRequest, DatasetSpec

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
JSON_BODY: TypeAdapter[DatasetRequest] = TypeAdapter(DatasetRequest)


class DatasetsQuery(paging.PageQuery):
    """The filters of the list."""

    name: paging.Text | None = None


@router.post(
    "",
    status_code=202,
    response_model=JobOut,
    responses=problems.documented(
        "malformed-upload", "idempotency-in-flight", "upload-too-large", "unsupported-media-type"
    ),
    openapi_extra=bodies.upload_schema(JSON_BODY, DatasetOptions, several=True),
)
async def create_dataset(request: Request, keyed: IdempotentRequest) -> Response:
    """Take in an archive or its shards, sent or lying at a URI, or draw images; answers with the job."""
    settings = get_settings()
    if not bodies.is_multipart(request):
        spec = await _asked(await bodies.parsed_json(request, JSON_BODY), settings)
        return await submitted(
            request, keyed, "dataset", understand=lambda db: understood(db, taken(db, spec, spec.uploads))
        )
    async with uploads.received(
        request, open_store(settings), settings.max_upload_bytes, most_files=MAX_FILES
    ) as received:
        keyed = keyed.identified(received.digest)
        fields = bodies.upload_fields(received.fields, DatasetOptions)
        check_files([upload.filename for upload in received.uploads])
        spec = DatasetSpec(**fields.model_dump(), uploads=received.uploads)
        answer = await submitted(request, keyed, "dataset", understand=lambda db: understood(db, spec))
        received.kept = True
        return answer


async def _asked(body: DatasetRequest, settings: Settings) -> DatasetSpec:
    options = body.model_dump(exclude={"upload_ids"})
    if body.upload_ids is None:
        if body.uri is not None:
            check_uri(body.uri, settings)
        return DatasetSpec(**options)
    arrived = await run_in_threadpool(complete, open_store(settings), body.upload_ids, "upload_ids")
    check_files([upload.filename for upload in arrived])
    return DatasetSpec(**options, uploads=arrived)


@router.get("")
def list_datasets(
    query: Annotated[DatasetsQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[DatasetOut]:
    """Datasets, newest first."""
    rows = resources.select_page(db, Dataset, query)
    return resources.render_page(rows, query, DatasetOut.model_validate, request=request, response=response)


@router.get("/{dataset_id}", responses=problems.documented("not-found", "no-responses"))
def get_dataset(
    dataset_id: str,
    anchor_set_id: Annotated[
        paging.Text | None, Query(description="Adds the dataset's `pseudo_label` under this anchor set.")
    ] = None,
) -> DatasetOut:
    """What a dataset holds, and what it is like."""
    with transaction() as session:  # not held while a label is made
        row = resources.get(session, Dataset, dataset_id)
        known = None if anchor_set_id is None else dataset_labels.evidence(session, row, anchor_set_id)
    answer = DatasetOut.model_validate(row)
    if known is not None:
        answer.pseudo_label = dataset_labels.pseudo_label(known)
    return answer


@router.delete("/{dataset_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_dataset(dataset_id: str, db: WriteDb) -> None:
    """Delete a dataset that nothing needs."""
    resources.remove(db, Dataset, dataset_id)
