"""The database as endpoints see it: a handle that reads, one that writes and commits before the answer."""

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from sqlalchemy import Executable, Result, ScalarResult, Select
from sqlalchemy.orm import Session

from app.background import Sender
from core.db.session import get_engine, transaction

Row = TypeVar("Row")


class ReadSession:
    """What a reading endpoint may do: queries in one read-only transaction; no add, no delete, no commit."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, table: type[Row], key: str) -> Row | None:
        """A row by its primary key."""
        return self._session.get(table, key)

    def scalar(self, statement: Select[Row]) -> Row | None:
        """The first column of the first row."""
        return self._session.scalar(statement)

    def scalars(self, statement: Select[Row]) -> ScalarResult[Row]:
        """The first column of each row."""
        return self._session.scalars(statement)

    def execute(self, statement: Executable) -> Result[*tuple[Any, ...]]:
        """Rows of any shape."""
        return self._session.execute(statement)


def reading() -> Iterator[ReadSession]:
    """A read-only transaction, which takes a connection at the endpoint's first query."""
    # Not before: connections would wait for threads while threads wait for connections.
    engine = get_engine().execution_options(postgresql_readonly=True)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield ReadSession(session)


def writing(request: Request) -> Iterator[Session]:
    """A transaction that commits before the endpoint's answer leaves; then what it promised is sent."""
    sender: Sender = request.app.state.sender
    with transaction() as session:
        yield session
    sender.wake()


# By default a `yield` dependency ends after the answer was sent: a client could hold a 202 before the commit.
ReadDb = Annotated[ReadSession, Depends(reading, scope="function")]
WriteDb = Annotated[Session, Depends(writing, scope="function")]
AnyDb = ReadSession | Session
