"""Files and folders as multipart bodies: streamed, their length known, the same bytes at every try."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from g2l.client.packing import CHUNK, FolderTar, PackingError, is_image, is_visible
from g2l.client.transport import Transport
from g2l.client.values import Job

OnProgress = Callable[[int, int], None]  # bytes sent, bytes in all


def post_images(transport: Transport, path: Path, name: str, *, on_progress: OnProgress | None) -> Job:
    """Ask the service to take in an archive, or a folder's images."""
    return _post(transport, "/v1/datasets", _source(path, is_image), name=name, on_progress=on_progress)


def post_model(transport: Transport, path: Path, name: str, *, on_progress: OnProgress | None) -> Job:
    """Ask the service to import an archived model folder, or all files of a folder."""
    return _post(transport, "/v1/models", _source(path, is_visible), name=name, on_progress=on_progress)


@dataclass(frozen=True)
class _Source:
    filename: str
    size: int
    chunks: Callable[[], Iterator[bytes]]


def _source(path: Path, wanted: Callable[[str], bool]) -> _Source:
    if path.is_dir():
        tar = FolderTar(path, wanted)
        return _Source(f"{path.resolve().name or 'folder'}.tar", tar.size(), tar.chunks)
    if not path.is_file():
        raise PackingError(f"{path} is neither a file nor a folder")
    size = path.stat().st_size
    return _Source(path.name, size, lambda: _file_chunks(path, size))


def _file_chunks(path: Path, size: int) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sent += len(chunk)
            if sent > size:
                break
            yield chunk
    if sent != size:
        raise PackingError(f"{path} changed while it was uploaded; try again when nothing writes to it")


def _post(
    transport: Transport, endpoint: str, source: _Source, *, name: str, on_progress: OnProgress | None
) -> Job:
    boundary = uuid4().hex
    head = _field(boundary, "name", name) + _file_head(boundary, source.filename)
    tail = f"\r\n--{boundary}--\r\n".encode()

    def body() -> Iterator[bytes]:
        sent = 0
        yield head
        for chunk in source.chunks():
            yield chunk
            sent += len(chunk)
            if on_progress is not None:
                on_progress(sent, source.size)
        yield tail

    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + source.size + len(tail)),
    }
    # The answer comes when the service has stored and digested the whole body.
    patience = 600.0
    return Job.from_json(transport.json("POST", endpoint, headers=headers, content=body, patience=patience))


def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _file_head(boundary: str, filename: str) -> bytes:
    # As browsers write it: in a quoted string of a form, these three are percent-encoded.
    shown = os.fsencode(filename).decode(errors="replace")
    quoted = shown.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    disposition = f'Content-Disposition: form-data; name="file"; filename="{quoted}"'
    return f"--{boundary}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
