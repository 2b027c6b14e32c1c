"""Resumable uploads, by the tus protocol 1.0: a file that breaks off goes on where it stopped.

Source: https://tus.io/protocols/resumable-upload; core with creation, creation-with-upload, checksum,
termination and expiration. What has all its bytes is named in `upload_ids` of the request that takes it in.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app import problems, resumable
from app.checks.inputs import is_id
from app.database import AnyDb, ReadDb, WriteDb
from app.resumable import Checksum
from app.uploads import base_name, too_large
from core.artifacts import Store, open_store
from core.db.session import transaction
from core.db.uploads import PendingUpload
from core.errors import InvalidRequestError, NotFoundError, ServiceError
from core.settings import get_settings

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])
VERSION: Final = "1.0.0"
MEDIA_TYPE: Final = "application/offset+octet-stream"
EXTENSIONS: Final = "creation,creation-with-upload,checksum,termination,expiration"
ALGORITHMS: Final = ("sha256", "sha1", "md5")
LIFETIME: Final = timedelta(days=7)
MAX_METADATA: Final = 8 << 10


class TusVersionError(ServiceError):
    """The client speaks another version of the protocol."""

    code = "tus-version"
    title = "This version of the tus protocol is not spoken here"


class UploadOut(BaseModel):
    """An upload that waits for its bytes, or for a request that takes it in."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    filename: str
    bytes: int
    offset: int
    created_at: datetime
    expires_at: datetime


def spoken(tus_resumable: Annotated[str | None, Header()] = None) -> None:
    """Refuse clients of another version."""
    if tus_resumable != VERSION:
        raise TusVersionError(f"Send the header Tus-Resumable: {VERSION}; got {tus_resumable!a}.")


TUS = Depends(spoken)
TUS_PROBLEMS = problems.documented("tus-version", "not-found")


@router.options("", status_code=204)
def describe(response: Response) -> None:
    """What of the protocol is spoken here."""
    response.headers.update(
        {
            "Tus-Resumable": VERSION,
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            "Tus-Max-Size": str(get_settings().max_upload_bytes),
        }
    )


@router.post(
    "", status_code=201, dependencies=[TUS], responses=problems.documented("upload-too-large", "tus-version")
)
async def create_upload(
    request: Request,
    upload_length: Annotated[int | None, Header(ge=0)] = None,
    upload_metadata: Annotated[str, Header(max_length=MAX_METADATA)] = "",
    upload_checksum: Annotated[str | None, Header()] = None,
) -> Response:
    """Announce a file of `Upload-Length` bytes; the first of them may come along."""
    if upload_length is None:
        raise InvalidRequestError.at("header/Upload-Length", "Say how many bytes the whole file has.")
    if upload_length > (limit := get_settings().max_upload_bytes):
        raise too_large(limit)
    name = base_name(_metadata(upload_metadata).get("filename", b""))
    row = await run_in_threadpool(_announce, name, upload_length, upload_metadata)
    headers = _headers(row) | {"Location": f"/v1/uploads/{row.id}"}
    if request.headers.get("content-type", "").startswith(MEDIA_TYPE):
        checksum = _checksum(upload_checksum)
        offset = await resumable.receive(_store(), row.id, 0, request.stream(), checksum)
        headers["Upload-Offset"] = str(offset)
    return Response(status_code=201, headers=headers)


@router.head("/{upload_id}", dependencies=[TUS], responses=TUS_PROBLEMS)
def ask_offset(upload_id: str, db: ReadDb) -> Response:
    """How much has arrived."""
    row = _existing(db, upload_id)
    headers = _headers(row) | {"Upload-Length": str(row.bytes), "Cache-Control": "no-store"}
    if row.upload_metadata:
        headers["Upload-Metadata"] = row.upload_metadata
    return Response(headers=headers)


@router.get("/{upload_id}", responses=problems.documented("not-found"))
def get_upload(upload_id: str, db: ReadDb) -> UploadOut:
    """The same as JSON."""
    return UploadOut.model_validate(_existing(db, upload_id))


@router.patch(
    "/{upload_id}",
    status_code=204,
    dependencies=[TUS],
    responses=problems.documented(
        "tus-version",
        "not-found",
        "upload-offset",
        "upload-locked",
        "upload-silent",
        "upload-checksum",
        "unsupported-media-type",
    ),
)
async def append(
    upload_id: str,
    request: Request,
    upload_offset: Annotated[int, Header(ge=0)],
    upload_checksum: Annotated[str | None, Header()] = None,
) -> Response:
    """Send the next bytes, from `Upload-Offset` on."""
    if request.headers.get("content-type") != MEDIA_TYPE:
        raise HTTPException(415, f"Send the bytes as {MEDIA_TYPE}.")
    checksum, store = _checksum(upload_checksum), _store()
    offset = await resumable.receive(store, _id(upload_id), upload_offset, request.stream(), checksum)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION, "Upload-Offset": str(offset)})


@router.delete("/{upload_id}", status_code=204, responses=problems.documented("not-found"))
def delete_upload(upload_id: str, db: WriteDb, response: Response) -> None:
    """Forget an upload and its bytes."""
    db.delete(_existing(db, upload_id))
    db.flush()
    _store().discard_upload(upload_id)
    response.headers["Tus-Resumable"] = VERSION


def _announce(filename: str, size: int, metadata: str) -> PendingUpload:
    row = PendingUpload(
        id=f"upl_{secrets.token_hex(16)}",
        filename=filename,
        bytes=size,
        offset=0,
        upload_metadata=metadata,
        expires_at=datetime.now(UTC) + LIFETIME,
    )
    _store().upload(row.id).touch()
    with transaction() as session:
        session.add(row)
    return row


def _existing(db: AnyDb, upload_id: str) -> PendingUpload:
    row = db.get(PendingUpload, _id(upload_id))
    if row is None:
        raise NotFoundError(f"There is no upload {upload_id!a}.")
    return row


def _id(upload_id: str) -> str:
    """The path's id, which also names a file."""
    if not is_id(upload_id) or not upload_id.removeprefix("upl_").isalnum():
        raise NotFoundError(f"There is no upload {upload_id!a}.")
    return upload_id


def _headers(row: PendingUpload) -> dict[str, str]:
    return {
        "Tus-Resumable": VERSION,
        "Upload-Offset": str(row.offset),
        "Upload-Expires": format_datetime(row.expires_at.astimezone(UTC), usegmt=True),
    }


def _metadata(header: str) -> Mapping[str, bytes]:
    """The pairs of `Upload-Metadata`: a name, a space, a value in base64."""
    pairs = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        name, _, value = pair.partition(" ")
        pairs[name] = _decoded("header/Upload-Metadata", value)
    return pairs


def _checksum(header: str | None) -> Checksum | None:
    if header is None:
        return None
    algorithm, _, digest = header.partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidRequestError.at("header/Upload-Checksum", f"Take one of {', '.join(ALGORITHMS)}.")
    return Checksum(algorithm, _decoded("header/Upload-Checksum", digest))


def _decoded(where: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise InvalidRequestError.at(where, f"{value[:40]!a} is not base64.") from None


def _store() -> Store:
    return open_store(get_settings())
