"""The main job interrupted: cancelled while it trains, retried, followed to its end; one that must fail."""

import time
from typing import Any

import httpx
import pytest

from tests.fixtures.service import RunningService
from tests.workers.archives import folders, png, zipped

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def client(service: RunningService) -> Any:
    with httpx.Client(base_url=service.url, timeout=120) as client:
        yield client


def upload(client: httpx.Client, name: str, members: dict[str, bytes]) -> str:
    sent = {"file": (f"{name}.zip", zipped(members))}
    job = ended(client, client.post("/v1/datasets", data={"name": name}, files=sent).json()["id"])
    assert job["state"] == "succeeded", job["error"]
    return str(job["result"]["id"])


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    while (job := client.get(f"/v1/jobs/{job_id}?wait=30").json())["state"] in ("queued", "running"):
        pass
    return dict(job)


def child(client: httpx.Client, job_id: str, kind: str) -> dict[str, Any] | None:
    found = client.get("/v1/jobs", params={"parent_id": job_id, "kind": kind}).json()["items"]
    return dict(found[0]) if found else None


def test_a_cancelled_pipeline_goes_on_where_it_was(client: httpx.Client) -> None:
    pool = upload(client, "pool", {p.replace("/", "-"): data for p, data in folders(4, 30).items()})
    target = upload(client, "target", folders(2, 10, first=500))
    body = {
        "dataset_id": pool,
        "anchors": {"discover": {"k": 4}},
        "labeling": {"length": 2, "prefer": "far"},
        "model": {"epochs": 60, "seed": 0, "image_size": 16, "batch_size": 16},
        "transfer": {
            "dataset_id": target,
            "label_budget": 5,
            "epochs": 1,
            "image_size": 16,
            "learning_rate": 0.003,
        },
    }
    parent_id = client.post("/v1/pipelines", json=body).json()["id"]
    while True:
        training = child(client, parent_id, "model")
        if training and training["stage"] == "training" and training["progress"]["done"]:
            break
        time.sleep(0.05)
    assert client.post(f"/v1/jobs/{parent_id}/cancel").status_code == 202
    assert ended(client, training["id"])["state"] == "cancelled"
    assert ended(client, parent_id)["state"] == "cancelled"
    made = client.get(f"/v1/pipelines/{parent_id}").json()
    assert made["labeling_id"] is not None
    assert made["model_id"] is None
    assert client.get("/v1/models", params={"labeling_id": made["labeling_id"]}).json()["items"] == []
    assert client.post(f"/v1/jobs/{parent_id}/cancel").status_code == 409

    assert client.post(f"/v1/jobs/{parent_id}/retry").status_code == 202
    job = ended(client, parent_id)
    assert job["state"] == "succeeded", job["error"]
    again = client.get(f"/v1/pipelines/{parent_id}").json()
    assert again["labeling_id"] == made["labeling_id"]
    assert [key for key, value in again.items() if value is None] == ["name"]
    model = client.get(f"/v1/jobs/{training['id']}").json()
    assert (model["attempt"], model["result"]["id"]) == (2, again["model_id"])
    transfer = client.get(f"/v1/transfers/{again['transfer_id']}").json()
    assert transfer["accuracy"]["level"] == 0.95
    assert transfer["scratch_accuracy"] is not None
    assert client.head(f"/v1/models/{again['model_id']}/weights").status_code == 200


def test_a_stage_that_cannot_succeed_fails_the_pipeline_with_its_cure(client: httpx.Client) -> None:
    pool = upload(client, "copies", {f"{number}.png": png(number % 2) for number in range(6)})
    body = {"dataset_id": pool, "anchors": {"discover": {"k": 3}}}
    job = ended(client, client.post("/v1/pipelines", json=body).json()["id"])
    assert job["state"] == "failed"
    assert job["error"]["type"] == "/problems/stage-failed"
    made = client.get(f"/v1/pipelines/{job['id']}").json()
    assert made["anchor_set_id"] is None
    assert [entry["pointer"] for entry in job["error"]["errors"]] == ["#/anchors/discover/k"]
    makers = [entry["job_id"] for entry in client.get("/v1/anchor-sets").json()["items"]]
    assert job["children"][0] not in makers
    assert client.post(f"/v1/jobs/{job['id']}/retry").status_code == 202
    assert ended(client, job["id"])["state"] == "failed"
