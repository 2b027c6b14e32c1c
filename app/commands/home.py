"""The home: the folder that one `g2l serve` at a time owns, with its lock, logs and runtime folder."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServiceError

# Not the user's TMPDIR: a socket's path ends at 107 bytes, and PostgreSQL's account must reach it.
SOCKETS = Path("/tmp")  # noqa: S108 (each start makes a private folder of an unguessable name there)


class HomeInUseError(ServiceError):
    """Another `g2l serve` owns the home."""

    code = "home-in-use"
    title = "The home is in use"


@dataclass(frozen=True)
class Home:
    """Where things lie under ``G2L_HOME``."""

    path: Path

    @property
    def logs(self) -> Path:
        """The children's logs."""
        return self.path / "logs"

    @property
    def lock(self) -> Path:
        """Locked while somebody owns the home; says who."""
        return self.path / "serve.lock"

    @property
    def runtime(self) -> Path:
        """A link to the short, private folder of the sockets; there while engines run."""
        return self.path / "run"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's folder, or a link to it where the home is too private for its account."""
        return self.path / "postgres"

    @property
    def redis(self) -> Path:
        """Redis's append-only file."""
        return self.path / "redis"

    def make(self) -> None:
        """Make the home with its private folders; folders that exist keep their modes."""
        if not self.path.exists():
            self.path.mkdir(parents=True)
            # Root's PostgreSQL runs under another account, which must pass through; whatever the umask.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.logs, self.redis):
            folder.mkdir(mode=0o700, exist_ok=True)


class Ownership:
    """The lock on a home, held; the kernel lets it go when we end, however we end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def announce(self, address: str | None) -> None:
        """Write who holds the home, for whoever comes second."""
        text = json.dumps({"pid": os.getpid(), "address": address})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)


@contextmanager
def owned(home: Home) -> Iterator[Ownership]:
    """Own the home while the block runs.

    Raises:
        HomeInUseError: somebody else does; the message names the process and its address.
    """
    home.make()
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeInUseError(_who(home)) from None
        ownership = Ownership(descriptor)
        ownership.announce(None)
        yield ownership
    finally:
        os.close(descriptor)


@contextmanager
def runtime_folder(home: Home) -> Iterator[Path]:
    """A short, private folder for sockets, linked from the home; removed at the end."""
    _forget_runtime(home)  # of a start that was killed
    folder = Path(tempfile.mkdtemp(prefix="g2l-", dir=SOCKETS))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # PostgreSQL's account passes through to its own folder below
    try:
        home.runtime.symlink_to(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        home.runtime.unlink(missing_ok=True)


def _forget_runtime(home: Home) -> None:
    if home.runtime.is_symlink():
        folder = home.runtime.readlink()
        if folder.parent == SOCKETS and folder.name.startswith("g2l-"):
            shutil.rmtree(folder, ignore_errors=True)
        home.runtime.unlink()


def _who(home: Home) -> str:
    try:
        holder = json.loads(home.lock.read_text())
    except (OSError, ValueError):  # between its locking and its writing
        holder = {}
    who = f"process {holder['pid']}" if "pid" in holder else "another process"
    where = f" at {holder['address']}" if holder.get("address") else ""
    return f"{home.path} is in use by {who}{where}; stop that one, or give this one another --home"
