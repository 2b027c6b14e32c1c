"""Anchor sets over HTTP: create, list, read, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy.orm import defer

from app import downloads, paging, problems, resources
from app.accepting import accepted, submit
from app.checks.anchor_sets import check_anchor_set
from app.database import ReadDb, WriteDb
from app.keyed_requests import IdempotentRequest
from app.schemas.jobs import JobOut
from app.schemas.resources import AnchorSetOut
from core.db.resources import AnchorSet
from core.specs.anchor_sets import AnchorSetSpec

router = APIRouter(prefix="/v1/anchor-sets", tags=["anchor sets"])


class AnchorSetsQuery(paging.PageQuery):
    """The filters of the list."""

    name: paging.Text | None = None
    embedder_id: paging.Text | None = None
    metric: paging.Text | None = None


@router.post(
    "", status_code=202, response_model=JobOut, responses=problems.documented("idempotency-in-flight")
)
def create_anchor_set(body: AnchorSetSpec, keyed: IdempotentRequest, db: WriteDb) -> Response:
    """Anchors that are given, discovered, or the classes of labelled images; answers with the job."""
    check_anchor_set(db, body)
    return accepted(db, keyed, submit(db, "anchor-set", body))


@router.get("")
def list_anchor_sets(
    query: Annotated[AnchorSetsQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[AnchorSetOut]:
    """Anchor sets, newest first, without their distances."""
    rows = resources.select_page(db, AnchorSet, query, options=[defer(AnchorSet.squared_distances)])
    return resources.render_page(rows, query, _without_distances, request=request, response=response)


@router.get("/{anchor_set_id}", responses=problems.documented("not-found"))
def get_anchor_set(anchor_set_id: str, db: ReadDb) -> AnchorSetOut:
    """An anchor set with its K×K squared distances."""
    return AnchorSetOut.model_validate(resources.get(db, AnchorSet, anchor_set_id))


@router.head("/{anchor_set_id}/anchors", include_in_schema=False)
@router.get(
    "/{anchor_set_id}/anchors",
    response_class=FileResponse,
    responses=problems.documented("not-found", "range-not-satisfiable"),
)
def get_anchors(anchor_set_id: str, db: ReadDb) -> Response:
    """Means, metric and distances as the .npz file that `g2l.anchors.load_anchor_set` reads."""
    row = resources.get(db, AnchorSet, anchor_set_id)
    return downloads.file_of(downloads.artifact(db, row.artifact), "anchors.npz", filename=f"{row.id}.npz")


@router.delete("/{anchor_set_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_anchor_set(anchor_set_id: str, db: WriteDb) -> None:
    """Delete an anchor set that nothing needs."""
    resources.remove(db, AnchorSet, anchor_set_id)


def _without_distances(row: AnchorSet) -> AnchorSetOut:
    shown = AnchorSetOut.model_fields.keys() - {"squared_distances"}
    return AnchorSetOut(squared_distances=None, **{name: getattr(row, name) for name in shown})
