"""A service of the benchmark's own, as `g2l serve` runs it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("g2l"))


@dataclass(frozen=True)
class Service:
    """Where it listens, and the process above all of its processes."""

    url: str
    pid: int


@contextmanager
def service(home: Path) -> Iterator[Service]:
    """A service that runs for as long as the block lasts."""
    command = [COMMAND, "serve", "--port", "0", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            if not said.startswith("Ready: "):
                raise SystemExit("the service did not start; it says above why")
            yield Service(said.removeprefix("Ready: ").strip(), process.pid)
        finally:
            process.send_signal(signal.SIGINT)
