"""Uploads that were sent in pieces, as a request takes them in."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.checks.inputs import is_id
from core.artifacts import Store
from core.db.session import transaction
from core.db.uploads import PendingUpload
from core.errors import FieldError, InvalidRequestError
from core.specs.base import Upload

T = TypeVar("T")


def complete(store: Store, upload_ids: Sequence[str], where: str) -> list[Upload]:
    """What a spec says of uploads that have all their bytes; reads each file once, for its digest.

    Raises:
        InvalidRequestError: there is no such upload, or it is not whole, or it is named twice.
    """
    with transaction() as session:
        rows = [session.get(PendingUpload, id_) if is_id(id_) else None for id_ in upload_ids]
    mistakes = []
    for number, (id_, row) in enumerate(zip(upload_ids, rows, strict=True)):
        place = f"#/{where}/{number}" if where.endswith("s") else f"#/{where}"
        if row is None:
            mistakes.append(
                FieldError(place, f"There is no upload {id_[:80]!a}; it may have been taken in, or expired.")
            )
        elif row.offset < row.bytes:
            mistakes.append(
                FieldError(place, f"{id_} has {row.offset:,} of {row.bytes:,} bytes; send the rest.")
            )
        elif id_ in upload_ids[:number]:
            mistakes.append(FieldError(place, f"{id_} is named twice."))
    if mistakes:
        raise InvalidRequestError("; ".join(m.detail for m in mistakes[:3]), errors=mistakes)
    return [_digested(store, row) for row in rows if row is not None]


def taken(db: Session, spec: T, uploads: Sequence[Upload]) -> T:
    """The spec, once its uploads belong to no other request; the job's end removes their bytes.

    Raises:
        InvalidRequestError: another request was faster.
    """
    ids = [upload.id for upload in uploads]
    gone = db.scalars(
        delete(PendingUpload).where(PendingUpload.id.in_(ids)).returning(PendingUpload.id)
    ).all()
    if len(gone) < len(ids):
        raise InvalidRequestError(
            f"{', '.join(sorted(set(ids) - set(gone)))}: another request has taken it in."
        )
    return spec


def _digested(store: Store, row: PendingUpload) -> Upload:
    with store.arrived(row.id).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    store.share_upload(row.id)
    return Upload(id=row.id, filename=row.filename, sha256=digest, bytes=row.bytes)
