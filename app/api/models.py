"""Models over HTTP: train or import, list, read, download."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import Discriminator, Tag, TypeAdapter
from sqlalchemy import ColumnElement, or_
from starlette.concurrency import run_in_threadpool

from app import bodies, downloads, paging, problems, resources, uploads
from app.checks.imports import ImportFields, ImportRequest, import_spec
from app.checks.models import TrainSpec, understood
from app.checks.uploads import complete, taken
from app.database import ReadDb, WriteDb
from app.idempotency import Keyed
from app.keyed_requests import IdempotentRequest
from app.schemas.jobs import JobOut
from app.schemas.resources import FileOut, ModelOut
from app.submitting import submitted
from core.artifacts import open_store
from core.db.resources import Artifact, Model
from core.errors import NotFoundError
from core.settings import get_settings
from core.specs.models import (
    DistillationModelSpec,
    HumanLabelModelSpec,
    PseudoLabelModelSpec,
    SelfSupervisedModelSpec,
    objective_of,
)

router = APIRouter(prefix="/v1/models", tags=["models"])
JSON_BODY: TypeAdapter[TrainSpec | ImportRequest] = TypeAdapter(
    Annotated[
        Annotated[PseudoLabelModelSpec, Tag("pseudo-labels")]
        | Annotated[HumanLabelModelSpec, Tag("human-labels")]
        | Annotated[SelfSupervisedModelSpec, Tag("self-supervised")]
        | Annotated[DistillationModelSpec, Tag("distillation")]
        | Annotated[ImportRequest, Tag("import")],
        Discriminator(objective_of),
    ]
)
DOWNLOAD = problems.documented("not-found", "range-not-satisfiable")


class ModelsQuery(paging.PageQuery):
    """The filters of the list."""

    role: paging.Text | None = None
    arch: paging.Text | None = None
    dataset_id: paging.Text | None = None
    labeling_id: paging.Text | None = None
    name: paging.Text | None = None


@router.post(
    "",
    status_code=202,
    response_model=JobOut,
    responses=problems.documented(
        "malformed-upload", "idempotency-in-flight", "upload-too-large", "unsupported-media-type"
    ),
    openapi_extra=bodies.upload_schema(JSON_BODY, ImportFields),
)
async def create_model(request: Request, keyed: IdempotentRequest) -> Response:
    """Train a source model, or import one that is sent along; answers with the job that does it."""
    if not bodies.is_multipart(request):
        body = await bodies.parsed_json(request, JSON_BODY)
        if isinstance(body, ImportRequest):
            return await _import_upload(request, keyed, body)
        return await submitted(request, keyed, "model", understand=lambda db: understood(db, body))
    settings = get_settings()
    async with uploads.received(request, open_store(settings), settings.max_upload_bytes) as received:
        keyed = keyed.identified(received.digest)
        fields = bodies.upload_fields(received.fields, ImportFields)
        imported = import_spec(fields, received.uploads[0])
        answer = await submitted(request, keyed, "model", understand=lambda _: imported)
        received.kept = True
        return answer


async def _import_upload(request: Request, keyed: Keyed, body: ImportRequest) -> Response:
    store = open_store(get_settings())
    (upload,) = await run_in_threadpool(complete, store, [body.upload_id], "upload_id")
    spec = import_spec(body, upload)
    return await submitted(request, keyed, "model", understand=lambda db: taken(db, spec, [upload]))


@router.get("")
def list_models(
    query: Annotated[ModelsQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[ModelOut]:
    """Models, newest first."""
    rows = resources.select_page(db, Model, query, where={"labeling_id": _of_labeling})
    artifacts = downloads.artifacts(db, [row.artifact for row in rows])
    return resources.render_page(
        rows, query, lambda row: _out(row, artifacts[row.artifact]), request=request, response=response
    )


@router.get("/{model_id}", responses=problems.documented("not-found"))
def get_model(model_id: str, db: ReadDb) -> ModelOut:
    """A model, what it was trained on and how that went."""
    row = resources.get(db, Model, model_id)
    return _out(row, downloads.artifact(db, row.artifact))


@router.head("/{model_id}/card", include_in_schema=False)
@router.get("/{model_id}/card", responses=DOWNLOAD, response_class=FileResponse)
def get_card(model_id: str, db: ReadDb) -> Response:
    """The model card in Markdown, with the Hugging Face metadata block."""
    return _file(db, model_id, "README.md", inline=True)


@router.head("/{model_id}/weights", include_in_schema=False)
@router.get("/{model_id}/weights", responses=DOWNLOAD, response_class=FileResponse)
def get_weights(model_id: str, db: ReadDb) -> Response:
    """The weights: `model.safetensors`, which the architecture's own library loads."""
    row = resources.get(db, Model, model_id)
    if row.role == "embedder":
        raise NotFoundError(
            f"{row.id} is an ONNX network, whose weights are in /v1/models/{row.id}/files/model.onnx."
        )
    return _file(db, model_id, "model.safetensors")


@router.head("/{model_id}/files/{path:path}", include_in_schema=False)
@router.get("/{model_id}/files/{path:path}", responses=DOWNLOAD, response_class=FileResponse)
def get_file(model_id: str, path: str, db: ReadDb) -> Response:
    """Any file of the model's folder."""
    return _file(db, model_id, path)


@router.delete("/{model_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_model(model_id: str, db: WriteDb) -> None:
    """Delete a model that nothing needs."""
    resources.remove(db, Model, model_id)


def _file(db: ReadDb, model_id: str, path: str, *, inline: bool = False) -> Response:
    row = resources.get(db, Model, model_id)
    return downloads.file_of(downloads.artifact(db, row.artifact), path, inline=inline)


def _of_labeling(labeling_id: str) -> ColumnElement[bool]:
    """Trained on a labeling, be it the first of several or another."""
    return or_(Model.labeling_id == labeling_id, Model.labeling_ids.contains([labeling_id]))


def _out(row: Model, artifact: Artifact) -> ModelOut:
    files = [
        FileOut(path=path, href=f"/v1/models/{row.id}/files/{path}", **entry)
        for path, entry in sorted(artifact.files.items())
    ]
    shown = ModelOut.model_fields.keys() - {"files"}
    return ModelOut(files=files, **{name: getattr(row, name) for name in shown})
