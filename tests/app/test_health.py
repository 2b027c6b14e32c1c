"""Alive, ready, counted, documented."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import delete, func, update

from core.db.jobs import Job, Worker
from core.db.session import transaction
from core.jobs import transitions
from core.jobs.transitions import Progress
from core.queue import broker_url
from core.specs.datasets import DatasetSpec
from tests.app.conftest import Api
from tests.app.made import Maker


@pytest.fixture
def worker(api: Api) -> str:
    with transaction() as session:
        session.merge(Worker(id="w1", queues=["cpu"], device="cpu", beat_at=func.now()))
    return "w1"


def test_alive(api: Api) -> None:
    assert api.client.get("/healthz").json() == {"status": "ok"}


def test_ready_names_every_part(api: Api, worker: str) -> None:
    answer = api.client.get("/readyz")
    assert answer.status_code == 200, answer.text
    checks = answer.json()["checks"]
    assert checks.keys() == {"database", "broker", "store", "workers"}
    assert all(check["ok"] for check in checks.values())


def test_not_ready_without_a_live_worker(api: Api) -> None:
    with transaction() as session:
        session.execute(delete(Worker))
    problem = api.problem("GET", "/readyz")
    assert problem["status"] == 503
    assert [name for name, check in problem["checks"].items() if not check["ok"]] == ["workers"]


def test_not_ready_without_the_store(api: Api, worker: str) -> None:
    aside = api.store.root.rename(api.store.root.with_name("aside"))
    api.store.root.write_text("no folder")
    try:
        assert not api.problem("GET", "/readyz")["checks"]["store"]["ok"]
    finally:
        api.store.root.unlink()
        aside.rename(api.store.root)


def test_metrics_count_requests_by_route_and_jobs_by_state(api: Api, make: Maker) -> None:
    api.client.get(f"/v1/datasets/{make.dataset()}")
    api.client.post("/v1/pipelines", json={"dataset_id": make.dataset({"a": 64})})
    text = api.client.get("/metrics").text
    assert 'g2l_http_requests_total{method="GET",route="/v1/datasets/{dataset_id}",status="200"}' in text
    assert 'g2l_http_request_duration_seconds_count{method="GET",route="/v1/datasets/{dataset_id}"}' in text
    assert 'g2l_jobs{kind="anchor-set",state="queued"} 1.0' in text
    assert 'g2l_jobs{kind="pipeline",state="running"} 1.0' in text


def test_metrics_tell_of_the_work(api: Api, make: Maker) -> None:
    before = figures(api)
    with transaction() as session:
        waiting, done = (
            transitions.submit(session, "dataset", DatasetSpec(name=name, uri="file:///x")) for name in "ab"
        )
        session.execute(update(Job).where(Job.id == waiting.id).values(queued_at=ago(120)))
        held = transitions.claim(session, done.id, "worker", lease_seconds=30)
        assert held is not None
        session.execute(delete(Worker))
        session.add(Worker(id="live", queues=["cpu"], device="cpu"))
        session.add(Worker(id="dead", queues=["cpu", "gpu"], device="cpu", beat_at=ago(600)))
    for stage in ("reading", "saving"):
        with transaction() as session:
            transitions.report(session, held, Progress(stage))
    with transaction() as session:
        transitions.fail(session, held, {"code": "no-images"})
    for pace in (100.0, 300.0):
        make.dataset(job_id=done.id, images_per_second=pace)
    after = figures(api)
    assert after['g2l_queue_jobs{queue="cpu"}'] == before['g2l_queue_jobs{queue="cpu"}'] + 1
    assert after['g2l_queue_oldest_seconds{queue="cpu"}'] >= 120
    assert after["g2l_outbox_messages"] >= 1
    assert after['g2l_job_seconds_count{kind="dataset",state="failed"}'] == 1
    assert after['g2l_job_attempts_total{kind="dataset"}'] == 1
    assert after['g2l_stage_mean_seconds{kind="dataset",stage="reading"}'] > 0
    assert after['g2l_images_per_second{kind="dataset"}'] == 200
    assert (after['g2l_workers{queue="cpu"}'], after['g2l_workers{queue="gpu"}']) == (1, 0)


def figures(api: Api) -> dict[str, float]:
    lines = api.client.get("/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def ago(seconds: float) -> Any:
    return func.now() - timedelta(seconds=seconds)


def test_documents(api: Api) -> None:
    assert "swagger" in api.client.get("/docs").text.lower()
    document = api.client.get("/openapi.json").json()
    assert "Problem" in document["components"]["schemas"]
    references = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(document)))
    assert {name.removeprefix("#/components/schemas/") for name in references} <= document["components"][
        "schemas"
    ].keys()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 40
    for path, method, operation in operations:
        assert operation.get("summary"), (method, path)
        assert operation["responses"].keys() >= {"401", "422", "500", "503"}, (method, path)
        assert "application/problem+json" in operation["responses"]["500"]["content"], (method, path)
        assert "application/problem+json" in operation["responses"]["422"]["content"], (method, path)


def test_request_ids_are_kept_and_made(api: Api) -> None:
    assert api.client.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    made = api.client.get("/healthz", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"]
    assert made
    assert made != "a b\tc"


def test_the_api_never_loads_torch() -> None:
    loaded = "[name for name in sys.modules if name.split('.')[0] in ('torch', 'transformers')]"
    code = f"import sys, app.main; app.main.create_app(); print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_submitting_reaches_the_broker(api: Api, make: Maker, redis_url: str) -> None:
    pool = make.dataset()
    with redis.Redis.from_url(
        redis_url.replace("redis+socket:", "unix:").replace("virtual_host=", "db=")
    ) as broker:
        before = broker.llen("gpu")
        api.client.post("/v1/anchor-sets", json={"discover": {"dataset_id": pool, "k": 4}})
        for _ in range(500):
            if broker.llen("gpu") > before:
                break
            api.client.get("/healthz")
        assert broker.llen("gpu") == before + 1, broker_url()
