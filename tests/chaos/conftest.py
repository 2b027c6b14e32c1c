"""Engines that may be killed, and an arena a module."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from app.commands import db
from app.commands.engines import Engines, running
from app.commands.home import Home
from core.queue import redis_url
from core.settings import get_settings
from tests.chaos.arena import TIMES, Arena, marks
from tests.fixtures.environment import environment

MIGRATED = "g2l"
Tell = Callable[..., None]


@pytest.fixture(scope="session")
def fragile() -> Iterator[Engines]:
    """A PostgreSQL and a Redis that nobody else uses."""
    folder = Path(tempfile.mkdtemp(prefix="g2l-chaos-", dir="/tmp"))  # PostgreSQL's account must pass
    folder.chmod(0o711)
    home = Home(folder / "home")
    home.make()
    try:
        with running(home, durable=False) as engines:
            db.upgrade(engines.database_url)
            yield engines
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def disk() -> int | None:
    """The size of the disk of a module's store, in bytes; None: there is room."""
    return None


@pytest.fixture(scope="module")
def arena(
    fragile: Engines,
    disk: int | None,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Arena]:
    """A service over an empty database, broker and store."""
    name = f"arena_{request.module.__name__.rpartition('.')[2]}"
    admin = fragile.database_url.replace("/g2l?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {MIGRATED}")
    home, images = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("images")
    variables = {
        "G2L_DATABASE_URL": fragile.database_url.replace("/g2l?", f"/{name}?"),
        "G2L_REDIS_URL": fragile.redis_url,
        "G2L_HOME": str(home),
        "G2L_URI_ROOTS": str(images),
        "OMP_NUM_THREADS": "1",
    }
    postgres, broker = fragile.services
    with (
        environment(**variables, **marks(home), **TIMES),
        small_disk(home / "store", disk),
        Arena(home, images, postgres, broker) as made,
    ):
        with redis.Redis.from_url(redis_url(get_settings())) as client:
            client.flushall()
        yield made


@contextmanager
def small_disk(folder: Path, size: int | None) -> Iterator[None]:
    """A disk of its own for a folder; the test is skipped where that takes rights that we do not have."""
    if size is None:
        yield
        return
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount`")
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Notes a row of the report that `python -m benchmarks.reliability` prints."""

    def note(fault: str, done: str, **counts: object) -> None:
        record_property("reliability", json.dumps({"fault": fault, "done": done, **counts}))

    return note
