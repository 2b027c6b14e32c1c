"""The worked example of the HTTP contract, against the whole service: images in, weights out."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from safetensors.numpy import load as load_weights

from tests.fixtures.images import picture, saved
from tests.fixtures.service import RunningService

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
N_POOL = 120


@pytest.fixture(scope="module")
def client(service: RunningService) -> Any:
    with httpx.Client(base_url=service.url, timeout=120) as client:
        yield client


def _zip(names: list[str]) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, saved(picture(seed), "PNG"))
    return file.getvalue()


def _wait(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The job, followed by long polls to its end."""
    assert answer.status_code == 202, answer.text
    etag, url = "", answer.headers["location"]
    while True:
        polled = client.get(f"{url}?wait=60", headers={"If-None-Match": etag} if etag else {})
        if polled.status_code == 304:
            continue
        etag, job = polled.headers["etag"], polled.json()
        if job["state"] not in ("queued", "running"):
            assert job["state"] == "succeeded", (job["error"], client.get(f"{url}/logs").text[-3000:])
            return dict(job)


def _made(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The resource that a job has made."""
    job = _wait(client, answer)
    resource = client.get(job["result"]["href"])
    assert resource.status_code == 200
    assert resource.json()["id"] == job["result"]["id"]
    assert resource.json()["job_id"] == job["id"]
    return dict(resource.json())


@pytest.fixture(scope="module")
def pool(client: httpx.Client) -> dict[str, Any]:
    files = {"file": ("pool.zip", _zip([f"{i}.png" for i in range(N_POOL)]))}
    return _made(client, client.post("/v1/datasets", data={"name": "pool"}, files=files))


@pytest.fixture(scope="module")
def target(client: httpx.Client) -> dict[str, Any]:
    names = [f"{'cat' if i % 2 else 'dog'}/{i}.png" for i in range(40)]
    files = {"file": ("target.zip", _zip(names))}
    return _made(client, client.post("/v1/datasets", data={"name": "target"}, files=files))


@pytest.fixture(scope="module")
def pipeline(client: httpx.Client, pool: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    body = {
        "dataset_id": pool["id"],
        "anchors": {"discover": {"k": 14}},
        "labeling": {"length": 2, "prefer": "far"},
        "model": {"epochs": 1, "seed": 0, "image_size": 16},
        "transfer": {
            "dataset_id": target["id"],
            "label_budget": 10,
            "epochs": 2,
            "seed": 0,
            "learning_rate": 0.01,
        },
    }
    answer = client.post("/v1/pipelines", json=body)
    first = client.get(f"/v1/pipelines/{answer.json()['id']}").json()
    assert first["dataset_id"] == pool["id"]
    assert first["transfer_id"] is None
    job = _wait(client, answer)
    assert job["result"] == {"kind": "pipeline", "id": job["id"], "href": f"/v1/pipelines/{job['id']}"}
    assert len(job["children"]) == 6
    return dict(client.get(job["result"]["href"]).json())


def test_datasets(client: httpx.Client, pool: dict[str, Any], target: dict[str, Any]) -> None:
    assert pool["n_items"] == N_POOL
    assert pool["classes"] == []
    assert pool["splits"] == {"train": N_POOL, "test": 0, "derived": False}
    assert [entry["count"] for entry in target["classes"]] == [20, 20]
    assert target["splits"] == {"train": 28, "test": 12, "derived": True}
    item = client.get(f"/v1/datasets/{pool['id']}/items?limit=1").json()["items"][0]
    assert client.get(item["image"]).headers["content-type"] == "image/png"


def test_the_pipeline_names_all_it_made(client: httpx.Client, pipeline: dict[str, Any]) -> None:
    places = {
        "anchor_set_id": "anchor-sets",
        "labeling_id": "labelings",
        "model_id": "models",
        "transfer_id": "transfers",
        "forecast_id": "forecasts",
    }
    for name, place in places.items():
        assert client.get(f"/v1/{place}/{pipeline[name]}").status_code == 200
    embedders = [entry["source"] for entry in client.get("/v1/embedders").json()["items"]]
    assert {"built-in", "fitted", "model"} <= set(embedders)


def test_labels(client: httpx.Client, pool: dict[str, Any], pipeline: dict[str, Any]) -> None:
    labeling = client.get(f"/v1/labelings/{pipeline['labeling_id']}").json()
    assert labeling["n_items"] == N_POOL
    assert sum(entry["count"] for entry in labeling["classes"]) == N_POOL
    lines = client.get(f"/v1/labelings/{labeling['id']}/labels?format=jsonl").text.splitlines()
    labels = [json.loads(line) for line in lines]
    assert [label["item_id"] for label in labels] == list(range(N_POOL))
    items = client.get(f"/v1/datasets/{pool['id']}/items?limit=200").json()["items"]
    assert [item["path"] for item in items] == [label["path"] for label in labels]
    for item, label in zip(items, labels, strict=True):
        assert {"labeling_id": labeling["id"], "label": label["label"]} in item["pseudo_labels"]
        assert label["label"] == "-".join(label["anchors"])
        assert len(label["anchors"]) == len(set(label["anchors"])) <= 2
    table = client.get(f"/v1/labelings/{labeling['id']}/labels", headers={"Accept": "text/csv"}).text
    assert len(table.splitlines()) == N_POOL + 1


def test_weights(client: httpx.Client, pipeline: dict[str, Any]) -> None:
    model = client.get(f"/v1/models/{pipeline['model_id']}").json()
    assert model["role"] == "source"
    answer = client.get(f"/v1/models/{model['id']}/weights")
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert load_weights(answer.content)
    half = len(answer.content) // 2
    parts = [
        client.get(f"/v1/models/{model['id']}/weights", headers={"Range": asked}).content
        for asked in (f"bytes=0-{half - 1}", f"bytes={half}-")
    ]
    assert b"".join(parts) == answer.content
    assert client.get(f"/v1/models/{model['id']}/card").text.startswith("---\n")


def test_weights_load_with_stock_transformers(
    client: httpx.Client, pipeline: dict[str, Any], tmp_path: Path
) -> None:
    from transformers import AutoModelForImageClassification

    for entry in client.get(f"/v1/models/{pipeline['model_id']}").json()["files"]:
        (tmp_path / entry["path"]).write_bytes(client.get(entry["href"]).content)
    model, report = AutoModelForImageClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.num_parameters() > 0


def test_the_transfer_shows_its_gain_beside_scratch(client: httpx.Client, pipeline: dict[str, Any]) -> None:
    transfer = client.get(f"/v1/transfers/{pipeline['transfer_id']}").json()
    assert transfer["model_id"] == pipeline["model_id"]
    base = client.get(f"/v1/models/{transfer['base_model_id']}").json()
    assert (base["role"], base["parent_model_id"]) == ("base", pipeline["model_id"])
    for name in ("accuracy", "scratch_accuracy"):
        assert 0 <= transfer[name]["low"] <= transfer[name]["value"] <= transfer[name]["high"] <= 1
        assert transfer[name]["level"] == 0.95
    assert sum(map(sum, transfer["confusion"])) == 12
    scratch = client.get(f"/v1/transfers/{pipeline['scratch_transfer_id']}").json()
    assert scratch["model_id"] is None
    assert scratch["accuracy"] == transfer["scratch_accuracy"]


def test_the_forecast_is_honest_about_its_evidence(client: httpx.Client, pipeline: dict[str, Any]) -> None:
    forecast = client.get(f"/v1/forecasts/{pipeline['forecast_id']}").json()
    assert forecast["calibrated"] is False
    (source,) = forecast["sources"]
    assert source["model_id"] == pipeline["model_id"]
    assert (source["expected_accuracy"]["low"], source["expected_accuracy"]["high"]) == (0, 1)


def test_what_the_pipeline_made_is_in_use(client: httpx.Client, pipeline: dict[str, Any]) -> None:
    for path in (
        f"/v1/models/{pipeline['model_id']}",
        f"/v1/labelings/{pipeline['labeling_id']}",
        f"/v1/anchor-sets/{pipeline['anchor_set_id']}",
    ):
        problem = client.delete(path)
        assert problem.status_code == 409
        assert problem.json()["type"] == "/problems/in-use"


def test_a_broken_archive_fails_with_a_cure_and_leaves_nothing(
    client: httpx.Client, service: RunningService
) -> None:
    before = client.get("/v1/datasets").json()["items"]
    answer = client.post("/v1/datasets", data={"name": "broken"}, files={"file": ("x.zip", b"PK\3\4 broken")})
    url = answer.headers["location"]
    while (job := client.get(f"{url}?wait=30").json())["state"] in ("queued", "running"):
        pass
    assert job["state"] == "failed"
    assert job["error"]["status"] == 422
    assert client.get(job["error"]["type"]).status_code == 200
    assert job["result"] is None
    assert client.get("/v1/datasets").json()["items"] == before
    told = client.get(f"{url}/events").text
    assert '"failed"' in told
