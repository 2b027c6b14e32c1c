"""Files and folders as multipart bodies: streamed, their length known, the same bytes at every try."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

from g2l.client.packing import CHUNK, FolderTar, PackingError

OnProgress = Callable[[int, int], None]  # bytes sent, bytes in all


@dataclass(frozen=True)
class Source:
    """Bytes to send under a file's name; `chunks` reads them anew."""

    filename: str
    size: int
    chunks: Callable[[], Iterator[bytes]]

    @classmethod
    def of(cls, path: Path, wanted: Callable[[str], bool]) -> Self:
        """A file as it is, or a folder's wanted files as a tar.

        Raises:
            PackingError: the path is neither, or nothing in it is wanted.
        """
        if path.is_dir():
            tar = FolderTar(path, wanted)
            return cls(f"{path.resolve().name or 'folder'}.tar", tar.size(), tar.chunks)
        if not path.is_file():
            raise PackingError(f"{path} is neither a file nor a folder")
        size = path.stat().st_size
        return cls(path.name, size, lambda: _file_chunks(path, size))


class Form:
    """A multipart body with fields and one file; it digests the file while it is sent."""

    def __init__(self, source: Source, fields: dict[str, str], on_progress: OnProgress | None) -> None:
        boundary = uuid4().hex
        self._source = source
        self._on_progress = on_progress
        self._head = b"".join(_field(boundary, *field) for field in fields.items())
        self._head += _file_head(boundary, source.filename)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._digest = hashlib.sha256()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + source.size + len(self._tail)),
        }

    @property
    def sha256(self) -> str:
        """Of the file, as it was sent last."""
        return self._digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """The body, from its beginning."""
        sent = 0
        self._digest = hashlib.sha256()
        yield self._head
        for chunk in self._source.chunks():
            yield chunk
            sent += len(chunk)
            self._digest.update(chunk)
            if self._on_progress is not None:
                self._on_progress(sent, self._source.size)
        yield self._tail


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


def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _file_head(boundary: str, filename: str) -> bytes:
    # As browsers write it: in a quoted string of a form, these three are percent-encoded.
    shown = os.fsencode(filename).decode(errors="replace")
    quoted = shown.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    disposition = f'Content-Disposition: form-data; name="file"; filename="{quoted}"'
    return f"--{boundary}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
