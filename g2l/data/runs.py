"""Paths in order, however many there are: sorted in runs, all but a few of which lie on disk."""

import tempfile
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from typing import IO

_RUN = 2**15


class SortedPaths:
    """Collects paths, each with a number, and gives them back sorted by path, then by number.

    Args:
        folder: for files without a name, which go when they are closed; the system's own if None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._run: list[tuple[str, int]] = []
        self._files: list[IO[bytes]] = []

    def add(self, path: str, number: int) -> None:
        """Note a path, which has no line feed in it."""
        self._run.append((path, number))
        if len(self._run) == _RUN:
            self._write()

    def __iter__(self) -> Iterator[tuple[str, int]]:
        self._run.sort()
        return merge(*(_read(file) for file in self._files), self._run)

    def close(self) -> None:
        """Give up the files."""
        for file in self._files:
            file.close()

    def _write(self) -> None:
        self._run.sort()
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  (closed by `close`)
        self._files.append(file)
        file.writelines(b"%d %s\n" % (number, path.encode()) for path, number in self._run)
        self._run.clear()


def _read(file: IO[bytes]) -> Iterator[tuple[str, int]]:
    file.seek(0)
    for line in file:
        number, _, path = line.rstrip(b"\n").partition(b" ")
        yield path.decode(), int(number)
