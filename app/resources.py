"""What all resources share: list, get and delete."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from fastapi import Request, Response
from sqlalchemy import ColumnElement, delete, inspect, select
from sqlalchemy.orm import Session

from app import paging
from app.checks.inputs import NAMES, is_id
from app.database import AnyDb, ReadSession
from core.db.jobs import Job
from core.db.resources import RESOURCE_TABLES, Resource, Responses, ResponsesShard, Use
from core.errors import InUseError, NotFoundError
from core.jobs.states import FINISHED

Table = TypeVar("Table", bound=Resource)
Out = TypeVar("Out")
_SHOWN = 10  # users that a refusal names


def get(db: AnyDb, table: type[Table], id_: str) -> Table:
    """A row by its id.

    Raises:
        NotFoundError: there is none.
    """
    row = db.get(table, id_) if is_id(id_) else None
    if row is None:
        raise NotFoundError(f"There is no {_name_of(table)} {id_!a}.")
    return row


def select_page(
    db: ReadSession,
    table: type[Table],
    query: paging.PageQuery,
    *,
    options: Iterable[Any] = (),
    where: Mapping[str, Callable[[Any], ColumnElement[bool]]] = MappingProxyType({}),
) -> list[Table]:
    """The rows of a page and one more; the query's other fields are filters, by equality unless said."""
    statement = select(table).options(*options)
    for name in type(query).model_fields.keys() - paging.PageQuery.model_fields.keys():
        if (value := getattr(query, name)) is not None:
            wanted = where[name](value) if name in where else getattr(table, name) == value
            statement = statement.where(wanted)
    window = paging.window(statement, query, created_at=table.created_at, id_=table.id)
    return list(db.scalars(window).all())


def render_page(
    rows: list[Table],
    query: paging.PageQuery,
    render: Callable[[Table], Out],
    *,
    request: Request,
    response: Response,
) -> paging.Page[Out]:
    """The page of selected rows, with its `Link` header."""
    answer = paging.page(
        rows, query, render=render, place=lambda row: paging.Position(row.created_at, row.id)
    )
    paging.link(request, response, answer.next_cursor)
    return answer


def remove(db: Session, table: type[Table], id_: str) -> None:
    """Delete a row that nobody needs; its files stay until `g2l gc`.

    Raises:
        NotFoundError: there is none.
        InUseError: other resources or unfinished jobs need it.
    """
    get(db, table, id_)
    row = db.scalar(select(table).where(table.id == id_).with_for_update())
    if row is None:
        raise NotFoundError(f"There is no {_name_of(table)} {id_!a}.")
    users = sorted(_users(db, table, id_))
    if users:
        more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
        raise InUseError(f"{id_} is used by {', '.join(users[:_SHOWN])}{more}.")
    db.execute(delete(Use).where((Use.user_id == id_) | (Use.used_id == id_)))
    for kept in (Responses, ResponsesShard):
        db.execute(delete(kept).where(kept.embedder_id == id_))
    db.delete(row)
    db.flush()


def _users(db: Session, table: type[Resource], id_: str) -> set[str]:
    """Who needs a row: what said so, and what points at it."""
    noted = db.execute(
        select(Use.user_id, Job.state).outerjoin(Job, Job.id == Use.user_id).where(Use.used_id == id_)
    )
    users = {user for user, state in noted if state not in FINISHED}
    for other in RESOURCE_TABLES.values():
        for column in inspect(other).columns:
            if any(key.column.table is inspect(table).local_table for key in column.foreign_keys):
                users |= set(db.scalars(select(other.id).where(column == id_)))
    return users


def _name_of(table: type[Resource]) -> str:
    return next(NAMES[prefix] for prefix, known in RESOURCE_TABLES.items() if known is table)
