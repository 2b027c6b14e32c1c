"""Files and folders as multipart bodies: streamed, their length known, the same bytes at every try."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from uuid import uuid4

from g2l.client.packing import CHUNK, FolderTar, PackingError, is_image, may_be_image, shards_below

_LINE_END = b"\r\n"
OnProgress = Callable[[int, int], None]  # bytes sent, bytes in all


@dataclass(frozen=True)
class Source:
    """Bytes to send under a file's name; `chunks` reads them anew.

    Attributes:
        path: the file that has exactly these bytes; None of what is packed on the way.
    """

    filename: str
    size: int
    chunks: Callable[[], Iterator[bytes]]
    path: Path | None = None

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
        return cls(path.name, size, lambda: _file_chunks(path, size), path)


class Form:
    """A multipart body with fields and files; it digests each file while it is sent.

    Attributes:
        headers: of the request.
        sha256: of each file, as it was sent last.
    """

    def __init__(
        self, sources: Sequence[Source], fields: dict[str, str], on_progress: OnProgress | None
    ) -> None:
        boundary = uuid4().hex
        self._sources = sources
        self._on_progress = on_progress
        self._size = sum(source.size for source in sources)
        self._head = b"".join(_field(boundary, *field) for field in fields.items())
        self._file_heads = [_file_head(boundary, source.filename) for source in sources]
        self._tail = f"--{boundary}--\r\n".encode()
        self.sha256: list[str] = []
        framing = [self._head, *(head + _LINE_END for head in self._file_heads), self._tail]
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(self._size + sum(map(len, framing))),
        }

    def chunks(self) -> Iterator[bytes]:
        """The body, from its beginning."""
        sent = 0
        self.sha256 = []
        if self._on_progress is not None:
            self._on_progress(0, self._size)
        yield self._head
        for source, head in zip(self._sources, self._file_heads, strict=True):
            digest = hashlib.sha256()
            yield head
            for chunk in source.chunks():
                yield chunk
                sent += len(chunk)
                digest.update(chunk)
                if self._on_progress is not None:
                    self._on_progress(sent, self._size)
            self.sha256.append(digest.hexdigest())
            yield _LINE_END
        yield self._tail


def image_sources(paths: Sequence[Path]) -> list[Source]:
    """What is sent of images: files as they are; a folder's images as a tar, or else the shards in it.

    Raises:
        PackingError: a path is neither file nor folder, nothing in a folder is wanted, or a folder is one of
            several paths.
    """
    if len(paths) == 1 and paths[0].is_dir() and (shards := shards_below(paths[0])):
        # Of a part's name the service takes what follows the last slash.
        return [replace(Source.of(at, is_image), filename=n.replace("/", "-")) for n, at in shards.items()]
    if len(paths) > 1 and any(path.is_dir() for path in paths):
        raise PackingError("several paths must be files, the shards of one dataset; a folder is sent alone")
    return [Source.of(path, may_be_image) for path in paths]


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
