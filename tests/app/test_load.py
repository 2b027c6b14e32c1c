"""Many at once, engines that go away, and large uploads in flat memory."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import select

from core.db.jobs import Outbox
from core.db.session import get_engine, transaction
from tests.app.conftest import Api, serving
from tests.app.made import Maker
from tests.fixtures.environment import environment, settle


def test_a_hundred_at_once_do_not_drain_the_pool(api: Api, make: Maker) -> None:
    pool = make.dataset({"a": 64})
    job = api.client.post("/v1/pipelines", json={"dataset_id": pool}).json()["id"]
    limits = httpx.Limits(max_connections=None)

    def ask(number: int) -> int:
        match number % 4:
            case 0:
                return client.get(f"/v1/jobs/{job}?wait=2").status_code
            case 1:
                return client.post(
                    "/v1/anchor-sets", json={"discover": {"dataset_id": pool, "k": 4}}
                ).status_code
            case 2:
                return client.get(f"/v1/datasets/{pool}").status_code
        return client.get("/v1/jobs?limit=200").status_code

    with (
        httpx.Client(base_url=api.url, timeout=60, limits=limits) as client,
        ThreadPoolExecutor(100) as threads,
    ):
        answers = list(threads.map(ask, range(200)))
    assert set(answers) == {200, 202}


def test_clients_that_leave_take_no_connection_along(api: Api, make: Maker) -> None:
    pool = make.dataset({"a": 64})
    job = api.client.post("/v1/pipelines", json={"dataset_id": pool}).json()["id"]

    def leave(_: int) -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{api.url}/v1/jobs/{job}?wait=5", timeout=0.3)

    with ThreadPoolExecutor(30) as threads:
        list(threads.map(leave, range(60)))
    assert api.client.get(f"/v1/jobs/{job}").status_code == 200
    assert settle(get_engine()) == 0


def test_an_unreachable_database_is_a_503_and_heals(api: Api, make: Maker, database_url: str) -> None:
    dataset = make.dataset()
    with psycopg.connect(
        database_url.replace(database_url.split("/")[3].split("?")[0], "postgres"), autocommit=True
    ) as admin:
        name = database_url.split("/")[3].split("?")[0]
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            problem = api.problem("GET", f"/v1/datasets/{dataset}")
            assert problem["type"] == "/problems/database-unavailable"
            assert api.client.get("/healthz").status_code == 200
            assert not api.problem("GET", "/readyz")["checks"]["database"]["ok"]
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert api.client.get(f"/v1/datasets/{dataset}").status_code == 200


def test_without_a_broker_jobs_are_accepted_and_wait(database_url: str, tmp_path: Path) -> None:
    variables = {
        "G2L_DATABASE_URL": database_url,
        "G2L_REDIS_URL": f"redis+socket://{tmp_path}/none.sock?virtual_host=0",
        "G2L_HOME": str(tmp_path),
    }
    with environment(**variables), serving() as url:
        from core.artifacts import Store

        pool = Maker(Store(tmp_path / "store")).dataset()
        answer = httpx.post(
            f"{url}/v1/anchor-sets", json={"discover": {"dataset_id": pool, "k": 4}}, timeout=30
        )
        assert answer.status_code == 202
        with transaction() as session:
            promised = session.scalars(select(Outbox.job_id)).all()
        assert answer.json()["id"] in promised
        ready = httpx.get(f"{url}/readyz", timeout=30).json()
        assert not ready["checks"]["broker"]["ok"]


@pytest.mark.slow
def test_an_upload_does_not_sit_in_memory(database_url: str, redis_url: str, tmp_path: Path) -> None:
    size = 400 << 20
    archive = tmp_path / "large.zip"
    with archive.open("wb") as file:
        file.truncate(size)
    variables = {
        "G2L_DATABASE_URL": database_url,
        "G2L_REDIS_URL": redis_url,
        "G2L_HOME": str(tmp_path / "home"),
        "G2L_MAX_UPLOAD_BYTES": str(size),
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", "0"]
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(command, stderr=log, env=os.environ | variables)
        try:
            url = _address(tmp_path / "log")
            before = _peak(process.pid)
            with archive.open("rb") as file:
                answer = httpx.post(
                    f"{url}/v1/datasets", data={"name": "large"}, files={"file": file}, timeout=200
                )
            assert answer.status_code == 202
            assert answer.json()["spec"]["uploads"][0]["bytes"] == size
            assert _peak(process.pid) - before < 40 << 20  # an order below the file
        finally:
            process.terminate()
            process.wait()


def _address(log: Path) -> str:
    deadline = time.monotonic() + 60
    while not (found := re.search(r"http://[\d.:]+", log.read_text())):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[0]


def _peak(pid: int) -> int:
    """The most memory that a process has held, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) << 10
