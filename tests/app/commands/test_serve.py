"""`g2l serve` as operators meet it: a process with children, signals, kills and a second one of its kind."""

import io
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from app.commands import db, leftovers
from app.commands.engines import running
from app.commands.home import Home, owned
from tests.fixtures.engines import redis_client

pytestmark = pytest.mark.e2e
G2L = Path(sys.executable).with_name("g2l")


class Served:
    """A `g2l serve` in a process group of its own, as a terminal starts one."""

    def __init__(self, home: Home, *options: str, **env: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [G2L, "serve", "--home", home.path, *options],
            env=clean_env() | env,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def address(self) -> str:
        """Wait for the line that says it is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("Ready: http://"):
            pytest.fail(f"serve said {line!r} and {self.process.communicate()[1]}")
        return line.removeprefix("Ready: ").strip()

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C reaches the whole group; the exit status, and what was said on standard error."""
        os.killpg(self.process.pid, signal.SIGINT)
        errors = self.process.communicate(timeout=60)[1]
        return self.process.returncode, errors

    def pids(self) -> list[int]:
        """All that runs for the home, however it was started."""
        data = self.home.postgres.resolve() / "data"
        return [
            *leftovers.served_from(self.home.path),
            *leftovers.working_in(data, "postgres"),
            *leftovers.working_in(self.home.redis.resolve(), "redis-server"),
        ]


@contextmanager
def serving(home: Home, *options: str, **env: str) -> Iterator[Served]:
    served = Served(home, "--port", "0", *options, **env)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.process.terminate()
            served.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def seed() -> Iterator[Path]:
    """A home with a migrated database, made once: making a cluster takes longer than these tests."""
    # Where PostgreSQL's account can enter, also as root, so that all of the home lies inside.
    folder = Path(tempfile.mkdtemp(prefix="g2l-serve-", dir="/tmp"))
    folder.chmod(0o711)
    home = Home(folder / "seed")
    with owned(home), running(home, durable=False) as engines:
        db.upgrade(engines.database_url)
    yield home.path
    shutil.rmtree(folder)


@pytest.fixture
def home(seed: Path, request: pytest.FixtureRequest) -> Home:
    copy = seed.with_name(request.node.name)
    subprocess.run(["cp", "-a", seed, copy], check=True)  # with the owners of its files
    return Home(copy)


def clean_env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("G2L_")}


def operate(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(G2L), *words, "--home", str(home.path)]
    return subprocess.run(argv, env=clean_env(), cwd="/", capture_output=True, text=True, check=False)


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(600):
        if holds():
            return True
        time.sleep(0.1)
    return False


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def start_training(address: str) -> str:
    """A job that would take hours, once it has begun to train."""
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(file, images=pixels, labels=np.arange(40) % 2)
    upload = httpx.post(
        f"{address}/v1/datasets", files={"file": ("it.npz", file.getvalue())}, data={"name": "it"}, timeout=60
    )
    ingest = await_job(address, upload.json()["id"], lambda job: job["state"] == "succeeded")
    spec = {
        "dataset_id": ingest["result"]["id"],
        "objective": "human-labels",
        "epochs": 10_000,
        "image_size": 8,
    }
    job = str(httpx.post(f"{address}/v1/models", json=spec, timeout=60).json()["id"])
    await_job(address, job, trains)
    return job


def trains(job: dict[str, Any]) -> bool:
    return bool(job["state"] == "running" and job["progress"]["done"])


def await_job(address: str, job_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    job: dict[str, Any] = {}
    for _ in range(1200):
        job = httpx.get(f"{address}/v1/jobs/{job_id}", timeout=60).json()
        if holds(job):
            return job
        if job["state"] not in ("queued", "running"):
            break
        time.sleep(0.1)
    return pytest.fail(f"this was not to be: {job}")


def child_of(served: Served, word: str) -> int:
    """The pid of the child whose command line has this word."""
    found = [
        pid
        for pid in served.pids()
        if word in Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ").split()
    ]
    assert len(found) == 1
    return found[0]


def test_from_the_first_start_to_ctrl_c(tmp_path: Path) -> None:
    parent = tmp_path / "private"
    parent.mkdir(mode=0o700)
    home = Home(parent / "home")
    with serving(home) as served:
        address = served.address()
        assert is_ready(address)
        assert json.loads(home.lock.read_text()) == {"pid": served.process.pid, "address": address}

        second = operate(home, "serve")
        assert second.returncode == 1
        assert f"process {served.process.pid} at {address}" in second.stderr

        assert operate(home, "keys", "create", "me").stdout.startswith("g2l_")
        assert httpx.get(f"{address}/v1/jobs").status_code == 401
        assert is_ready(address)

        sockets, data = home.runtime.readlink(), home.postgres.resolve()
        assert len(served.pids()) >= 4
        status, errors = served.interrupt()
    notes = [f"Starting; logs go to {home.logs}"]
    if os.geteuid() == 0:  # PostgreSQL's account cannot enter, and nobody opened the door for it
        notes.append(f"PostgreSQL keeps its data in {data}: its account cannot enter the home")
    assert (status, errors.splitlines()) == (0, notes)
    assert served.pids() == []
    assert not sockets.exists()
    assert stat.S_IMODE(parent.stat().st_mode) == 0o700
    shutil.rmtree(data)


def test_what_dies_is_started_again(home: Home) -> None:
    with serving(home) as served:
        address = served.address()
        postmaster = int((home.postgres / "data" / "postmaster.pid").read_text().split()[0])
        for pid in (postmaster, child_of(served, "app.commands.api"), child_of(served, "workers.celery_app")):
            os.kill(pid, signal.SIGKILL)
            assert eventually(lambda pid=pid: pid not in served.pids())  # type: ignore[misc]
        assert eventually(lambda: len(served.pids()) >= 4 and is_ready(address))
        status, errors = served.interrupt()
    assert status == 0
    for name in ("postgres", "api", "worker-1"):
        assert f"{name} ended (signal 9); starting it again" in errors


def test_serve_killed_hard_heals_at_the_next_start(home: Home) -> None:
    with serving(home) as served:
        address = served.address()
        assert operate(home, "keys", "create", "kept").returncode == 0
        served.process.kill()
        served.process.communicate()
        port = address.rpartition(":")[2]
    again = Served(home, "--port", port)
    assert again.address() == address
    assert "kept" in operate(home, "keys", "list").stdout
    assert again.interrupt()[0] == 0
    assert again.pids() == []


@pytest.mark.slow
def test_a_job_cut_by_ctrl_c_goes_on_at_the_next_start(home: Home) -> None:
    with serving(home) as served:
        job = start_training(served.address())
        assert served.interrupt()[0] == 0
        assert served.pids() == []
    with serving(home) as served:
        address = served.address()
        assert await_job(address, job, trains)["attempt"] == 2


def test_named_servers_are_used_and_left_alone(home: Home, database_url: str, redis_url: str) -> None:
    with serving(home, G2L_DATABASE_URL=database_url, G2L_REDIS_URL=redis_url) as served:
        assert is_ready(served.address())
        assert operate(home, "keys", "list").returncode == 1  # its database is another
        assert served.interrupt()[0] == 0
        assert served.pids() == []
    with psycopg.connect(database_url) as connection, redis_client(redis_url) as client:
        assert connection.execute("SELECT count(*) FROM workers").fetchone() == (0,)
        assert client.ping()


def test_other_addresses_than_loopback_need_a_key(home: Home) -> None:
    refused = operate(home, "serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 1
    assert "g2l keys create" in refused.stderr
    assert operate(home, "keys", "create", "me").returncode == 0
    with serving(home, "--host", "0.0.0.0") as served:
        near = served.address().replace("0.0.0.0", "127.0.0.1")
        assert is_ready(near)
        assert httpx.get(f"{near}/v1/jobs").status_code == 401


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = operate(home, "serve", "--port", str(port))
    assert refused.returncode == 1
    assert f"127.0.0.1:{port}" in refused.stderr
    assert not home.postgres.exists()


def test_stopping_while_it_starts_leaves_nothing(home: Home) -> None:
    with serving(home) as served:
        assert eventually(lambda: home.lock.exists() and "http" in home.lock.read_text())
        status, _ = served.interrupt()
    assert status == 0
    assert served.pids() == []
    assert not home.runtime.is_symlink()
