"""Lists: newest first, by an opaque cursor that stays right while rows come and go."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Select, tuple_

from core.errors import InvalidRequestError

AnySelect = Select[*tuple[Any, ...]]
Item = TypeVar("Item")
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class PageQuery(BaseModel):
    """The query of every list; subclasses add filters. Unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=500)] | None = None


class Page(BaseModel, Generic[Item]):
    """A part of a list, and where the next one begins."""

    items: list[Item]
    next_cursor: str | None


@dataclass(frozen=True)
class Position:
    """A place in a list: after the row of this time and id."""

    created_at: datetime
    id: str

    def encoded(self) -> str:
        """As a cursor."""
        return encode([self.created_at.isoformat(), self.id])


def position_of(query: PageQuery) -> Position | None:
    """The place that the query's cursor names.

    Raises:
        InvalidRequestError: the cursor is none of ours.
    """
    if query.cursor is None:
        return None
    match decode(query.cursor):
        case [str(created_at), str(id_)] if "\0" not in id_:
            try:
                return Position(datetime.fromisoformat(created_at), id_)
            except ValueError:
                pass
    raise bad_cursor()


def encode(value: object) -> str:
    """Any JSON value as an opaque word."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def decode(cursor: str) -> object:
    """The value of an opaque word.

    Raises:
        InvalidRequestError: the word is none of ours.
    """
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        raise bad_cursor() from None


def bad_cursor() -> InvalidRequestError:
    """The refusal of a cursor."""
    return InvalidRequestError.at(
        "query/cursor", "The cursor is not one of this list's; take `next_cursor` of a page, or none."
    )


def window(
    statement: AnySelect, query: PageQuery, *, created_at: ColumnElement[Any] | Any, id_: Any
) -> AnySelect:
    """The rows of one page and one more, which says whether another page follows."""
    after = position_of(query)
    if after is not None:
        statement = statement.where(tuple_(created_at, id_) < (after.created_at, after.id))
    return statement.order_by(created_at.desc(), id_.desc()).limit(query.limit + 1)


def page(
    rows: Sequence[Any],
    query: PageQuery,
    *,
    render: Callable[[Any], Item],
    place: Callable[[Any], Position],
) -> Page[Item]:
    """A page of rendered rows, from those that `window` selected."""
    shown = rows[: query.limit]
    following = place(shown[-1]).encoded() if len(rows) > query.limit else None
    return Page(items=[render(row) for row in shown], next_cursor=following)


def link(request: Request, response: Response, next_cursor: str | None) -> None:
    """Say the next page in the `Link` header too."""
    if next_cursor is not None:
        url = request.url.include_query_params(cursor=next_cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
