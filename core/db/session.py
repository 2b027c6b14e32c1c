"""The database handle: one engine a process, short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from core.settings import get_settings


@lru_cache(maxsize=4)
def engine_for(url: str) -> Engine:
    """The engine of a URL; dead connections are replaced, statements and locks are bounded."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=10,
        pool_timeout=10,
        connect_args={
            "connect_timeout": 5,
            "options": "-c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000",
        },
    )


def get_engine() -> Engine:
    """The engine of this process's settings."""
    return engine_for(get_settings().require_database_url())


@contextmanager
def transaction() -> Iterator[Session]:
    """A transaction that commits at the end of the block, or rolls back when it raises."""
    with Session(get_engine(), expire_on_commit=False) as session, session.begin():
        yield session
