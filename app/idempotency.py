"""`Idempotency-Key`: the first answer again, instead of the work again.

The key's row is inserted before the work and gets its answer in the very transaction that does the work:
a crash leaves both or neither. While a request works, its process beats the row; a row that nobody
beats is taken over.
"""

import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.db.jobs import IdempotencyKey
from core.db.session import transaction
from core.errors import FieldError, IdempotencyInFlightError, IdempotencyMismatchError
from core.settings import get_settings

SILENCE: Final = timedelta(seconds=30)  # a key whose request is silent this long is free
POINTER: Final = "#/header/Idempotency-Key"
_held: set[str] = set()  # owners of the requests that work in this process now
_lock = threading.Lock()


class Name(NamedTuple):
    """What a key belongs to."""

    key: str
    method: str
    path: str


class ReplayedAnswer(Exception):  # noqa: N818 - an outcome, not an error
    """The request was answered before; this is that answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


@dataclass(frozen=True)
class Keyed:
    """A request, and the key it holds; without a key (`name` is None) every step does nothing."""

    name: Name | None = None
    owner: str = ""
    digest: str | None = None
    answered: IdempotencyKey | None = None

    def identified(self, digest: str) -> "Keyed":
        """The same request, now that its body is known.

        Raises:
            ReplayedAnswer: the key has an answer, and the body is the same.
            IdempotencyMismatchError: the key was used with another body.
        """
        if self.answered is None:
            return replace(self, digest=digest)
        if self.answered.body_sha256 != digest:
            detail = "This Idempotency-Key was used with another body; give each request a key of its own."
            raise IdempotencyMismatchError(detail, errors=[FieldError(POINTER, detail)])
        raise ReplayedAnswer(self.answered.status or 0, self.answered.headers or {}, self.answered.body or "")

    def settle(self, session: Session, *, status: int, headers: Mapping[str, str], body: str) -> None:
        """Keep the answer, in the transaction that did the work.

        Raises:
            IdempotencyInFlightError: the key was lost to another request meanwhile; the work must not count.
        """
        if self.name is None:
            return
        changed = session.execute(
            update(IdempotencyKey)
            .where(_mine(self.name, self.owner))
            .values(status=status, headers=dict(headers), body=body, body_sha256=self.digest)
            .returning(IdempotencyKey.key)
        ).one_or_none()
        if changed is None:
            raise _in_flight()

    def release(self) -> None:
        """Free the key of a request that ended without an answer worth keeping."""
        if self.name is not None:
            with transaction() as session:
                session.execute(delete(IdempotencyKey).where(_mine(self.name, self.owner)))

    def forget(self) -> None:
        """Stop beating the key."""
        with _lock:
            _held.discard(self.owner)


def digest_of(body: bytes) -> str:
    """The digest of a JSON body whatever its spacing and the order of its fields; else of its bytes."""
    with suppress(ValueError, RecursionError):  # not JSON: its own bytes identify it
        body = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(body).hexdigest()


def hold(name: Name) -> Keyed:
    """Take a key, or read the answer that it has.

    Raises:
        IdempotencyInFlightError: another request works under it.
    """
    owner = secrets.token_hex(16)
    with transaction() as session:
        statement = insert(IdempotencyKey).values(**name._asdict(), owner=owner)
        abandoned = and_(
            IdempotencyKey.status.is_(None),
            IdempotencyKey.beat_at < func.now() - SILENCE,
        )
        taken = session.execute(
            statement.on_conflict_do_update(
                constraint=IdempotencyKey.__table__.primary_key,  # type: ignore[arg-type]
                set_={"owner": owner, "beat_at": func.now()},
                where=abandoned,
            ).returning(IdempotencyKey.key)
        ).one_or_none()
        if taken is None:
            row = session.scalar(select(IdempotencyKey).where(_named(name)))
            if row is None or row.status is None:
                raise _in_flight()
            return Keyed(name, answered=row)
    with _lock:
        _held.add(owner)
    return Keyed(name, owner)


def beat() -> None:
    """Keep the keys of the requests that work in this process."""
    with _lock:
        owners = list(_held)
    if owners:
        with transaction() as session:
            session.execute(
                update(IdempotencyKey).where(IdempotencyKey.owner.in_(owners)).values(beat_at=func.now())
            )


def purge() -> None:
    """Remove answers older than `G2L_IDEMPOTENCY_HOURS`."""
    age = timedelta(hours=get_settings().idempotency_hours)
    with transaction() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - age))


def _named(name: Name) -> ColumnElement[bool]:
    return and_(
        IdempotencyKey.key == name.key,
        IdempotencyKey.method == name.method,
        IdempotencyKey.path == name.path,
    )


def _mine(name: Name, owner: str) -> ColumnElement[bool]:
    return and_(_named(name), IdempotencyKey.owner == owner, IdempotencyKey.status.is_(None))


def _in_flight() -> IdempotencyInFlightError:
    return IdempotencyInFlightError(
        "The first request with this Idempotency-Key is still being answered; send it again shortly."
    )
