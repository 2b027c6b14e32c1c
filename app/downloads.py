"""Files over HTTP as RFC 9110 has them: ranges, conditions, a strong ETag and a digest of the whole."""

import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from app import problems
from app.database import AnyDb
from core.artifacts import open_store
from core.db.resources import Artifact
from core.errors import NotFoundError
from core.settings import get_settings

_RANGES = re.compile(r"bytes\s*=\s*(?P<specs>(\d+-\d*|-\d+)(\s*,\s*(\d+-\d*|-\d+))*)\s*", re.ASCII)
_DIGITS = 18  # of a position that is taken for a number
MEDIA_TYPES = {
    ".safetensors": "application/octet-stream",
    ".md": "text/markdown; charset=utf-8",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}


class ArtifactResponse(FileResponse):
    """A file whose content never changes under its digest."""

    chunk_size = 1 << 20

    def __init__(self, path: Path, sha256: str, *, filename: str, inline: bool = False) -> None:
        headers = {
            "ETag": f'"{sha256}"',
            "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:",
            "Cache-Control": "private, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        super().__init__(
            path,
            headers=headers,
            filename=filename,
            media_type=MEDIA_TYPES.get(path.suffix),
            content_disposition_type="inline" if inline else "attachment",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200, 206, 304 or 416."""
        asked = Headers(scope=scope)
        if matches(asked, self.headers["etag"]):
            await not_modified(self.headers)(scope, receive, send)
            return
        size = Path(self.path).stat().st_size
        wanted = asked.get("range") if scope["method"] == "GET" else None  # of HEAD, a range means nothing
        condition = asked.get("if-range")
        if wanted is not None and condition not in (None, self.headers["etag"]):
            wanted = None
        ranges = None if wanted is None else satisfiable(wanted, size)
        if ranges == []:
            body = problems.problem(
                "range-not-satisfiable", f"The file has {size:,} bytes; got {wanted}.", instance=scope["path"]
            )
            refusal = problems.response(body, {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"})
            await refusal(scope, receive, send)
            return
        await super().__call__(_with_ranges(scope, ranges), receive, send)


def satisfiable(header: str, size: int) -> list[tuple[int, int]] | None:
    """The (first, last) bytes of the ranges that the file has; None where the header is to be ignored."""
    found = _RANGES.fullmatch(header.strip().lower())
    if found is None:
        return None
    ranges = []
    for spec in found["specs"].split(","):
        first, _, last = spec.strip().partition("-")
        if len(first) > _DIGITS or len(last) > _DIGITS or (first and last and int(first) > int(last)):
            return None
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if first and last else size - 1
        if start <= end and (first or int(last)):
            ranges.append((start, end))
    return ranges


def matches(asked: Headers, etag: str) -> bool:
    """Whether the client has this already, by its `If-None-Match`."""
    given = asked.get("if-none-match")
    if given is None:
        return False
    return given.strip() == "*" or etag in (word.strip().removeprefix("W/") for word in given.split(","))


def not_modified(headers: Mapping[str, str]) -> Response:
    """304 with the headers that matter to a cache."""
    kept = ("etag", "repr-digest", "cache-control", "content-location", "vary")
    return Response(status_code=304, headers={name: headers[name] for name in kept if name in headers})


def artifact(db: AnyDb, digest: str) -> Artifact:
    """The row of an artifact that a resource points at."""
    row = db.get(Artifact, digest)
    if row is None:  # a foreign key forbids it
        raise NotFoundError(f"There is no artifact {digest}.")
    return row


def artifacts(db: AnyDb, digests: Iterable[str]) -> dict[str, Artifact]:
    """The same for many, by digest."""
    statement = select(Artifact).where(Artifact.digest.in_(list(digests)))
    return {row.digest: row for row in db.scalars(statement)}


def folder(digest: str) -> Path:
    """Where an artifact's files lie."""
    return open_store(get_settings()).path(digest)


def file_of(
    row: Artifact, path: str, *, filename: str | None = None, inline: bool = False
) -> ArtifactResponse:
    """One file of an artifact.

    Raises:
        NotFoundError: it has no such file.
    """
    entry: dict[str, Any] | None = row.files.get(path)
    if entry is None:
        raise NotFoundError(f"There is no file {path!a}; there are {', '.join(sorted(row.files))}.")
    name = filename or path.rpartition("/")[2]
    return ArtifactResponse(folder(row.digest) / path, entry["sha256"], filename=name, inline=inline)


def _with_ranges(scope: Scope, ranges: list[tuple[int, int]] | None) -> Scope:
    """The request with the ranges as they were understood."""
    headers = MutableHeaders(raw=list(scope["headers"]))
    for name in ("range", "if-range"):
        if name in headers:
            del headers[name]
    if ranges is not None:
        headers["range"] = "bytes=" + ",".join(f"{first}-{last}" for first, last in ranges)
    return {**scope, "headers": headers.raw}
