"""Transfers over HTTP: fine-tune a source on a target, and read the measured error beside scratch's."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from app import paging, problems, resources
from app.accepting import accepted, submit
from app.checks.transfers import check_transfer
from app.database import ReadDb, ReadSession, WriteDb
from app.keyed_requests import IdempotentRequest
from app.schemas.jobs import JobOut
from app.schemas.resources import TransferOut
from core.db.base import Json
from core.db.resources import Transfer
from core.specs.transfers import TransferSpec

router = APIRouter(prefix="/v1/transfers", tags=["transfers"])
Recipe = tuple[str, str, int | None, int, int]


class TransfersQuery(paging.PageQuery):
    """The filters of the list."""

    name: paging.Text | None = None
    dataset_id: paging.Text | None = None
    model_id: paging.Text | None = None
    arch: paging.Text | None = None


@router.post(
    "", status_code=202, response_model=JobOut, responses=problems.documented("idempotency-in-flight")
)
def create_transfer(body: TransferSpec, keyed: IdempotentRequest, db: WriteDb) -> Response:
    """Fine-tune a source on a target, or train from scratch; answers with the job that does it."""
    check_transfer(db, body)
    return accepted(db, keyed, submit(db, "transfer", body))


@router.get("")
def list_transfers(
    query: Annotated[TransfersQuery, Query()], db: ReadDb, request: Request, response: Response
) -> paging.Page[TransferOut]:
    """Transfers, newest first."""
    rows = resources.select_page(db, Transfer, query)
    scratch = _scratch_accuracies(db, {row.dataset_id for row in rows})
    return resources.render_page(
        rows, query, lambda row: _out(row, scratch), request=request, response=response
    )


@router.get("/{transfer_id}", responses=problems.documented("not-found"))
def get_transfer(transfer_id: str, db: ReadDb) -> TransferOut:
    """A transfer, and what the same recipe reaches from scratch."""
    row = resources.get(db, Transfer, transfer_id)
    return _out(row, _scratch_accuracies(db, {row.dataset_id}))


@router.delete("/{transfer_id}", status_code=204, responses=problems.documented("not-found", "in-use"))
def delete_transfer(transfer_id: str, db: WriteDb) -> None:
    """Delete a transfer that nothing needs; its base model stays."""
    resources.remove(db, Transfer, transfer_id)


def _recipe(row: Transfer) -> Recipe:
    return (row.dataset_id, row.arch, row.label_budget, row.epochs, row.seed)


def _scratch_accuracies(db: ReadSession, dataset_ids: Iterable[str]) -> dict[Recipe, Json]:
    """Of each recipe, the newest accuracy without a source."""
    statement = (
        select(Transfer)
        .where(Transfer.model_id.is_(None), Transfer.dataset_id.in_(list(dataset_ids)))
        .order_by(Transfer.created_at, Transfer.id)
    )
    return {_recipe(row): row.accuracy for row in db.scalars(statement)}


def _out(row: Transfer, scratch: dict[Recipe, Json]) -> TransferOut:
    accuracy = row.accuracy if row.model_id is None else scratch.get(_recipe(row))
    shown = TransferOut.model_fields.keys() - {"scratch_accuracy"}
    return TransferOut.model_validate(
        {"scratch_accuracy": accuracy, **{name: getattr(row, name) for name in shown}}
    )
