"""The embedded engines of a home: a private PostgreSQL and a private Redis, each where it is wanted."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import BusyLoadingError, ConnectionError
from redis import Redis as Client

from app.commands import leftovers
from app.commands.accounts import StartError, redis_program
from app.commands.children import Child, Program, Service
from app.commands.home import Home, runtime_folder
from app.commands.postgres import Postgres, private
from app.commands.ready import wait_until

STOP = ((signal.SIGTERM, 5.0),)


class Redis(Service):
    """The private Redis of a home: the wheel's binary as our own child, on a unix socket."""

    name = "redis"

    def __init__(self, home: Home, runtime: Path) -> None:
        self._log = home.logs / "redis.log"
        self._folder = home.redis.resolve()
        self._socket = private(runtime / "redis", None) / "redis.sock"

    @property
    def url(self) -> str:
        """The URL, as Celery words it."""
        return f"redis+socket://{self._socket}?virtual_host=0"

    def start(self) -> None:
        """Start it, also again, after ending whatever still works in its data."""
        self.stop()
        leftovers.end(leftovers.working_in(self._folder, "redis-server"), STOP)
        try:
            self._launch()
        except StartError:
            file = self._folder / "appendonly.aof"
            if not file.exists():
                raise
            file.replace(file.with_suffix(".unreadable"))  # messages are hints: the rows are sent again
            self._launch()

    def _launch(self) -> None:
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
        argv: list[str | Path] = [redis_program(), *options]
        self.child = Child(Program(name=self.name, argv=argv, log=self._log, stop=STOP, cwd=self._folder))
        with Client(unix_socket_path=str(self._socket)) as client:
            wait_until(self.child, client.ping, ConnectionError, BusyLoadingError)


def redis_url_in(runtime: Path) -> str:
    """The URL, as redis-py words it, of the Redis that runs for a home with this runtime folder."""
    return f"unix://{runtime / 'redis' / 'redis.sock'}?db=0"


@dataclass(frozen=True)
class Engines:
    """The two URLs, and what of them is ours to run."""

    database_url: str
    redis_url: str
    services: tuple[Service, ...]


@contextmanager
def running(
    home: Home, *, database_url: str | None = None, redis_url: str | None = None, durable: bool = True
) -> Iterator[Engines]:
    """The engines that are named, or private ones while the block runs; the caller owns the home.

    Redis stops first, PostgreSQL last.
    """
    with ExitStack() as stack:
        runtime = stack.enter_context(runtime_folder(home))
        services: list[Service] = []
        if database_url is None:
            postgres = Postgres(home, runtime, durable=durable)
            services.append(postgres)
            database_url = postgres.url
        if redis_url is None:
            redis = Redis(home, runtime)
            services.append(redis)
            redis_url = redis.url
        for service in services:
            stack.callback(service.stop)
            service.start()
        yield Engines(database_url, redis_url, tuple(services))
