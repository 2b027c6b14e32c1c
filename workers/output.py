"""What a job's process prints, on its way into the job's log: bounded, and never in the process's way."""

import threading
from typing import IO

PIECE_LIMIT = 64 << 10  # characters written to the database at once
ATTEMPT_LIMIT = 4 << 20  # characters kept of one attempt
_CUT = "\n[the log is full; the rest of this attempt's output was dropped]\n"


class Output:
    """Reads a pipe to its end and keeps what was not written yet."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._pending = ""
        self._kept = 0
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)
        self._thread.start()

    def piece(self) -> str:
        """What waits, at most `PIECE_LIMIT` characters of it; it goes on waiting until it is `written`."""
        with self._lock:
            return self._pending[:PIECE_LIMIT]

    def written(self, piece: str) -> None:
        """Forget a piece that is in the database now."""
        with self._lock:
            self._pending = self._pending[len(piece) :]

    def finish(self, seconds: float) -> None:
        """Wait until the pipe has ended."""
        self._thread.join(seconds)

    def _read(self) -> None:
        with self._pipe:
            while data := self._pipe.read1(PIECE_LIMIT):  # type: ignore[attr-defined]
                self._keep(data.decode(errors="replace").replace("\0", "\ufffd"))  # PostgreSQL takes no NUL

    def _keep(self, text: str) -> None:
        with self._lock:
            room = ATTEMPT_LIMIT - self._kept
            if room > 0:
                self._pending += text if len(text) <= room else text[:room] + _CUT
                self._kept += len(text)
