"""Machines that share a bucket and no disk: what one has begun or made, another goes on with and serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from core.db.resources import Artifact, Model
from core.specs.models import HumanLabelModelSpec
from tests.app.conftest import serving
from tests.fixtures.environment import environment
from tests.workers.archives import folders, submit_dataset, zipped
from tests.workers.conftest import TIMES
from tests.workers.service import Service, WorkerProcess, alive

EPOCHS = 30  # long enough to be caught in the middle on fast cores


@pytest.fixture(scope="module")
def service(
    database_url: str,
    redis_url: str,
    bucket_variables: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """The machine of the API: no worker runs on its home."""
    home = tmp_path_factory.mktemp("api")
    variables = {"G2L_DATABASE_URL": database_url, "G2L_REDIS_URL": redis_url, "G2L_HOME": str(home)}
    with (
        environment(**variables, **bucket_variables, **TIMES, OMP_NUM_THREADS="1"),
        Service(home, home) as running,
    ):
        yield running


@contextmanager
def machine(service: Service, home: Path) -> Iterator[WorkerProcess]:
    """A worker with a home of its own."""
    home.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("G2L_HOME", str(home))
        worker = service.worker()
    yield worker
    worker.end()


def test_a_job_goes_on_where_another_machine_died_and_its_model_is_served_by_a_third(
    service: Service, tmp_path: Path
) -> None:
    with machine(service, tmp_path / "first") as worker:
        dataset_id = service.succeeded(submit_dataset(service, folders(2, 16)))
        service.until(lambda: in_bucket(service, "uploads") == [])
        spec = HumanLabelModelSpec(
            objective="human-labels", dataset_id=dataset_id, epochs=EPOCHS, image_size=16, batch_size=16
        )
        job_id = service.submit("model", spec)
        service.until(lambda: in_bucket(service, "work") == [f"work/{job_id}/training.pt"])
        child = worker.child()
        assert child is not None
        worker.kill()
        service.until(lambda: not alive(child))
    with machine(service, tmp_path / "second"):
        model = service.row(Model, service.succeeded(job_id))
        service.until(lambda: in_bucket(service, "work") == [])  # what is over leaves no checkpoint
    assert service.job(job_id).attempt == 2
    assert "checkpoint fetched" in service.log(job_id)
    told = [data["epoch"] for type_, data in service.events(job_id) if type_ == "metric"]
    assert told == list(range(1, EPOCHS + 1))
    assert not service.store.folder(model.artifact).exists()
    with serving() as url, httpx.Client(base_url=url) as client:
        weights = client.get(f"/v1/models/{model.id}/weights").content
        ready = client.get("/readyz").json()
    entry = service.row(Artifact, model.artifact).files["model.safetensors"]
    assert sha256(weights).hexdigest() == entry["sha256"]
    assert ready["checks"]["store"]["ok"]


def test_an_upload_that_came_through_the_api_is_taken_in_elsewhere(service: Service, tmp_path: Path) -> None:
    body = zipped(folders(2, 6))
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    with serving() as url, httpx.Client(base_url=url) as client:
        whole = client.post("/v1/datasets", data={"name": "whole"}, files={"file": ("pool.zip", body)}).json()
        announced = client.post("/v1/uploads", headers=tus | {"Upload-Length": str(len(body))})
        place = announced.headers["location"]
        for start, piece in ((0, body[:1000]), (1000, body[1000:])):
            client.patch(place, content=piece, headers=tus | {"Upload-Offset": str(start)}).raise_for_status()
        for path in (service.store.root / "uploads").iterdir():
            path.unlink()  # the request that names them may come to another replica
        upload_id = place.rpartition("/")[2]
        pieces = client.post("/v1/datasets", json={"name": "pieces", "upload_ids": [upload_id]}).json()
        refused = client.post("/v1/datasets", data={"none": "such"}, files={"file": ("pool.zip", body)})
    assert refused.status_code == 422
    with machine(service, tmp_path / "worker"):
        for job in (whole, pieces):
            service.succeeded(job["id"])
        service.until(lambda: in_bucket(service, "uploads") == [])


def in_bucket(service: Service, prefix: str) -> list[str]:
    """The keys of what lies there."""
    assert service.store.bucket is not None
    return [kept.key for kept in service.store.bucket.list(prefix)]
