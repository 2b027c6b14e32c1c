"""Reads that outlast an outage of the database, so that it costs no job an attempt."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.db.session import transaction

RETRY_SECONDS = 1.0
T = TypeVar("T")
_log = structlog.get_logger()


def patiently(work: Callable[[Session], T]) -> T:
    """Do something in a transaction, however long the database is away.

    The worker ends this process when it has waited enough. What is done may be done again: of a commit whose
    answer was cut off, nobody knows.
    """
    while True:
        try:
            with transaction() as session:
                return work(session)
        except OperationalError as error:
            _log.warning("the database is away", error=str(error))
            time.sleep(RETRY_SECONDS)
