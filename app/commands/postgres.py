"""The private PostgreSQL of a home: the wheel's binaries as our own child, on a unix socket."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from app.commands import accounts, leftovers
from app.commands.accounts import Account, StartError
from app.commands.children import Child, Program, Service
from app.commands.home import Home
from app.commands.ready import wait_until

OWNER_FILE = "home"
PORT = "5432"  # only part of the socket's name; said, since PGPORT in the environment would change it
STOP = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0))  # "fast", then "immediate"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
UNSAFE = {"fsync": "off", "full_page_writes": "off"}  # withstands kills, not a loss of power


class Postgres(Service):
    """A private PostgreSQL; `durable` off is for tests, whose data may go with the machine."""

    name = "postgres"

    def __init__(self, home: Home, runtime: Path, *, durable: bool = True) -> None:
        self._log = home.logs / "postgres.log"
        self._durable = durable
        self._account = accounts.account_for(home.postgres / "data")
        self._folder = _folder(home, self._account)
        self._data = self._folder / "data"
        self._sockets = private(runtime / "pg", self._account)
        self._programs = accounts.postgres_programs(self._account)

    @property
    def url(self) -> str:
        """The URL of the service's database."""
        return url_in(self._sockets)

    def start(self) -> None:
        """Start it, also again, after ending whatever still works in its data: two would ruin them."""
        self.stop()
        if not self._data.exists():
            self._initialise()
        leftovers.end(leftovers.working_in(self._data, "postgres"), STOP)
        for stale in self._sockets.iterdir():
            stale.unlink()
        if leftovers.can_look():  # nobody works there, so the lock file is stale; its pid may be another's
            (self._data / "postmaster.pid").unlink(missing_ok=True)
        self.child = Child(self._program())
        wait_until(self.child, self._ensure_database, psycopg.OperationalError)

    def _program(self) -> Program:
        settings = SETTINGS | ({} if self._durable else UNSAFE)
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Program(
            name=self.name,
            argv=[self._programs / "postgres", "-D", self._data, "-k", self._sockets, "-p", PORT, *options],
            log=self._log,
            stop=STOP,
            cwd=self._folder,
            uid=None if self._account is None else self._account.uid,
            gid=None if self._account is None else self._account.gid,
        )

    def _initialise(self) -> None:
        aside = self._folder / "initialising"  # renamed when complete: a kill leaves no half-made cluster
        shutil.rmtree(aside, ignore_errors=True)
        options = f"-U g2l -A trust -E UTF8 --locale=C{'' if self._durable else ' --no-sync'}"
        account = self._account
        done = subprocess.run(
            [self._programs / "initdb", "-D", aside, *options.split()],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
        if done.returncode != 0:
            raise StartError(f"initdb failed in {self._folder}:\n{done.stderr.strip()}")
        aside.rename(self._data)

    def _ensure_database(self) -> None:
        with psycopg.connect(url_in(self._sockets, "postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = 'g2l'").fetchone() is None:
                connection.execute("CREATE DATABASE g2l")


def url_in(sockets: Path, database: str = "g2l") -> str:
    """The URL of a database; the folder of its socket is private, so there is no password."""
    return f"postgresql://g2l@/{database}?host={sockets}&port={PORT}"


def private(folder: Path, account: Account | None) -> Path:
    """Make a folder that only this account (None: ours) and root enter."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        try:
            os.chown(folder, account.uid, account.gid)
        except OSError as error:  # a container whose root has no other users to be
            raise StartError(
                f"root cannot give {folder} to {account.name} here ({error.strerror}), and PostgreSQL does"
                " not run as root: run `g2l serve` as another user, or set G2L_DATABASE_URL"
            ) from error
    return folder


def _folder(home: Home, account: Account | None) -> Path:
    """PostgreSQL's folder: in the home, or elsewhere and linked where its account cannot enter the home."""
    link = home.postgres
    if link.exists():
        folder = link.resolve()
        _require_ours(folder, home)
    elif link.is_symlink():
        gone = link.readlink()
        raise StartError(
            f"the data of {home.path} lay in {gone}, which is gone: restore it, or remove {link}"
        )
    elif account is None or account.reaches(home.path.resolve()):
        folder = private(home.path.resolve() / link.name, account)
    else:
        folder = private(Path(tempfile.mkdtemp(prefix="home-", dir=accounts.state_folder())), account)
        (folder / OWNER_FILE).write_text(str(home.path))
        link.symlink_to(folder)
    if account is not None and not account.reaches(folder):
        raise StartError(f"PostgreSQL runs as {account.name}, who cannot enter {folder}: let others through")
    return folder


def _require_ours(folder: Path, home: Home) -> None:
    """A copied home links to the first one's data; a moved one may have them."""
    owner = folder / OWNER_FILE
    if not owner.exists():
        return
    named = Home(Path(owner.read_text()))
    if named.path != home.path and named.postgres.is_symlink() and named.postgres.resolve() == folder:
        raise StartError(
            f"{home.path} is a copy of {named.path} and links to its data; remove {home.postgres}"
        )
    owner.write_text(str(home.path))
