"""Embedders over HTTP: built-in, fitted, and every model."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from app import paging, problems, resources
from app.database import ReadDb, WriteDb
from app.schemas.resources import EmbedderOut
from core.db.resources import Embedder, Model
from core.errors import InUseError
from core.specs.base import BUILT_IN_EMBEDDERS, BuiltInEmbedder

router = APIRouter(prefix="/v1/embedders", tags=["embedders"])
ABOUT: Final[dict[BuiltInEmbedder, str]] = {
    "patch-kmeans": "Whitened-patch k-means features, fitted on unlabelled images; needs no weights.",
    "anchor-network": "A small network trained on the anchors' own labels.",
    "self-supervised": "A small network trained on unlabelled images, in minutes; needs no weights.",
    "identity": "Takes datasets of embeddings as they are.",
}
BUILT_IN: Final[dict[str, EmbedderOut]] = {
    name: EmbedderOut(
        id=name,
        name=name,
        kind=name,
        source="built-in",
        default=name == "patch-kmeans",
        about=about,
        dim=None,
        channels=None,
        created_at=None,
        job_id=None,
        spec=None,
        seconds=None,
        images_per_second=None,
    )
    for name, about in ABOUT.items()
}
_FIRST = datetime.max.replace(tzinfo=UTC)  # where built-in ones stand in a list of the newest first


@router.get("")
def list_embedders(
    query: Annotated[paging.PageQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[EmbedderOut]:
    """What can turn images into vectors here: built-in ones, then the newest."""
    after = paging.position_of(query)
    places = [paging.Position(_FIRST, name) for name in sorted(BUILT_IN, reverse=True)]
    found = [
        (place, BUILT_IN[place.id])
        for place in places
        if after is None or (place.created_at, place.id) < (after.created_at, after.id)
    ]
    for table in (Embedder, Model):
        window = paging.window(select(table), query, created_at=table.created_at, id_=table.id)
        found += [(paging.Position(row.created_at, row.id), _out(row)) for row in db.scalars(window)]
    found.sort(key=lambda entry: (entry[0].created_at, entry[0].id), reverse=True)
    answer = paging.page(
        found[: query.limit + 1], query, render=lambda entry: entry[1], place=lambda entry: entry[0]
    )
    paging.link(request, response, answer.next_cursor)
    return answer


@router.get("/{embedder_id}", responses=problems.documented("not-found"))
def get_embedder(embedder_id: str, db: ReadDb) -> EmbedderOut:
    """A built-in embedder by name, a fitted one or a model by id."""
    if embedder_id in BUILT_IN:
        return BUILT_IN[embedder_id]
    if embedder_id.startswith("mdl_"):
        return _out(resources.get(db, Model, embedder_id))
    return _out(resources.get(db, Embedder, embedder_id))


@router.delete("/{embedder_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_embedder(embedder_id: str, db: WriteDb) -> None:
    """Delete a fitted embedder that nothing needs; models are deleted under /v1/models."""
    if embedder_id in BUILT_IN_EMBEDDERS:
        raise InUseError(f"{embedder_id} is part of the service; only fitted embedders can be deleted.")
    resources.remove(db, Embedder, embedder_id)


def _about(row: Embedder | Model) -> str:
    if isinstance(row, Model):
        return (
            "An ONNX network that was imported." if row.role == "embedder" else "Pooled features of a model."
        )
    if row.kind == "side-by-side":
        return f"Side by side: {', '.join(row.spec['embedder'])}."
    return "A built-in embedder after it was fitted."


def _out(row: Embedder | Model) -> EmbedderOut:
    fitted = isinstance(row, Embedder)
    return EmbedderOut(
        id=row.id,
        name=row.name,
        kind=row.kind if isinstance(row, Embedder) else row.arch,
        source="fitted" if fitted else "model",
        default=False,
        about=_about(row),
        dim=row.dim,
        channels=row.channels,
        created_at=row.created_at,
        job_id=row.job_id,
        spec=row.spec,
        seconds=row.seconds,
        images_per_second=row.images_per_second,
    )
