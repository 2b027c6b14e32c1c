"""Uploads that were interrupted, for a later process: which of the service's has a file's bytes."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from g2l.client.folders import cache_home
from g2l.client.parts import locked
from g2l.client.pieces import SentFile


class Interrupted:
    """What is known of the uploads of one command's files.

    Args:
        record: a file of a JSON object a line, of which the last of a path counts; None: nothing is kept.
    """

    def __init__(self, record: Path | None) -> None:
        self._record = record
        self._known: dict[str, tuple[int, int, str]] = {}
        for line in _lines(record):
            with suppress(ValueError, KeyError, TypeError):  # a line that a crash cut off
                entry = json.loads(line)
                self._known[entry["path"]] = (entry["size"], entry["mtime_ns"], entry["upload"])

    def upload_of(self, file: SentFile) -> str | None:
        """The id of the upload that has this file's bytes, or some."""
        size, mtime_ns, upload_id = self._known.get(str(file.path), (0, 0, None))
        return upload_id if (size, mtime_ns) == (file.size, file.mtime_ns) else None

    def outdated_of(self, file: SentFile) -> str | None:
        """The id of the upload that has bytes of what the file was before."""
        *_, upload_id = self._known.get(str(file.path), (None,))
        return None if self.upload_of(file) is not None else upload_id

    def remember(self, file: SentFile, upload_id: str) -> None:
        """Keep an id until all is taken in."""
        self._known[str(file.path)] = (file.size, file.mtime_ns, upload_id)
        if self._record is None:
            return
        version = {"path": str(file.path), "size": file.size, "mtime_ns": file.mtime_ns}
        with suppress(OSError), self._record.open("a") as lines:
            lines.write(json.dumps({**version, "upload": upload_id}) + "\n")

    def forget(self) -> None:
        """The service has taken all in."""
        self._known.clear()

    def close(self) -> None:
        """Leave nothing behind where nothing is to be gone on with."""
        if self._record is not None and not self._known:
            with suppress(OSError):
                self._record.unlink(missing_ok=True)


@contextmanager
def interrupted(service: str, files: Sequence[SentFile]) -> Iterator[Interrupted]:
    """What an earlier process left of these files' uploads to a service; nobody else goes on with it now."""
    names = b"\0".join([service.encode(), *(os.fsencode(file.path) for file in files)])
    record = cache_home() / "uploads" / f"{hashlib.sha256(names).hexdigest()[:32]}.jsonl"
    with ExitStack() as stack:
        try:
            record.parent.mkdir(parents=True, exist_ok=True)
            ours = stack.enter_context(locked(record))
        except OSError:  # a cache that cannot be written: the upload works, a later process begins anew
            ours = False
        known = Interrupted(record if ours else None)
        try:
            yield known
        finally:
            known.close()


def _lines(record: Path | None) -> list[str]:
    try:
        return record.read_text().splitlines() if record is not None else []
    except (OSError, ValueError):
        return []
