"""The rows of a Parquet file as text, row group by row group; by default the labels of a labeling."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from app import downloads, tables
from core.db.resources import Artifact

Format = Literal["jsonl", "csv", "parquet"]
FILE: Final = "labels.parquet"
COLUMNS: Final = ("item_id", "path", "label", "class_id", "anchors", "full", "log_content", "margin")
MEDIA_TYPES: Final[dict[Format, str]] = {
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_ACCEPTED: Final[dict[str, Format]] = {
    "*/*": "jsonl",
    "application/*": "jsonl",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/json": "jsonl",
    "text/csv": "csv",
    "text/*": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
}


def negotiated(accept: str) -> Format:
    """The format that an `Accept` header likes best.

    Raises:
        HTTPException: it takes none of them (406).
    """
    liked: list[tuple[float, int, Format]] = []
    for place, part in enumerate(accept.split(",")):
        media_type, *parameters = (word.strip().lower() for word in part.split(";"))
        weight = next((_weight(p) for p in parameters if p.startswith("q=")), 1.0)
        if weight > 0 and media_type in _ACCEPTED:
            liked.append((-weight, place, _ACCEPTED[media_type]))
    if not liked:
        raise HTTPException(406, f"Tables come as {', '.join(MEDIA_TYPES.values())}; or give ?format=.")
    return min(liked)[2]


def streamed(
    request: Request,
    artifact: Artifact,
    chosen: Format,
    *,
    name: str,
    file: str = FILE,
    columns: Sequence[str] = COLUMNS,
) -> Response:
    """The rows as lines of text, read as they are sent."""
    headers = {
        "ETag": f'"{artifact.files[file]["sha256"]}-{chosen}"',
        "Content-Disposition": f'attachment; filename="{name}.{chosen}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Vary": "Accept",
    }
    if downloads.matches(request.headers, headers["ETag"]):
        return downloads.not_modified({key.lower(): value for key, value in headers.items()})
    if request.method == "HEAD":
        return Response(headers=headers, media_type=MEDIA_TYPES[chosen])
    path = downloads.folder(artifact.digest) / file
    lines = _jsonl(path, columns) if chosen == "jsonl" else _csv(path, columns)
    return StreamingResponse(lines, headers=headers, media_type=MEDIA_TYPES[chosen])


def _jsonl(path: Path, columns: Sequence[str]) -> Iterator[str]:
    for rows in tables.batches(path, columns):
        yield "".join(
            json.dumps({name: _finite(value) for name, value in row.items()}, ensure_ascii=False) + "\n"
            for row in rows
        )


def _csv(path: Path, columns: Sequence[str]) -> Iterator[str]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for rows in tables.batches(path, columns):
        writer.writerows([_cell(row[name]) for name in columns] for row in rows)
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _finite(value: Any) -> Any:
    """JSON has no infinity: the content of a flat simplex is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_finite(entry) for entry in value] if isinstance(value, list) else value


def _cell(value: Any) -> Any:
    """Names joined as in a label; numbers joined by spaces; nothing for null."""
    value = _finite(value)
    if isinstance(value, list):
        return _joined(value)
    return "" if value is None else value


def _joined(values: Sequence[Any]) -> str:
    words = ["" if value is None else str(value) for value in values]
    return ("-" if any(isinstance(value, str) for value in values) else " ").join(words)


def _weight(parameter: str) -> float:
    try:
        return float(parameter.removeprefix("q="))
    except ValueError:
        return 0.0
