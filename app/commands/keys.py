"""API keys: made here, shown once, kept as hashes."""

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.db.jobs import ApiKey
from core.errors import ServiceError


class UnknownKeyError(ServiceError):
    """No valid key has this id."""

    code = "unknown-key"
    title = "There is no such key"


def create(session: Session, name: str) -> tuple[ApiKey, str]:
    """Make a key; the secret is returned and cannot be had again."""
    secret = f"g2l_{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(secret.encode()).hexdigest()
    key = ApiKey(id=f"key_{secrets.token_hex(8)}", name=name, sha256=digest)
    session.add(key)
    session.flush()
    return key, secret


def list_all(session: Session) -> Sequence[ApiKey]:
    """Every key ever made, oldest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.created_at)).all()


def revoke(session: Session, key_id: str) -> None:
    """Make a key invalid from now on.

    Raises:
        UnknownKeyError: there is none of this id that is valid.
    """
    statement = (
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
    )
    if session.scalar(statement) is None:
        raise UnknownKeyError(f"no valid key has the id {key_id}; `g2l keys list` shows them")
