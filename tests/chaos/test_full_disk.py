"""A disk that is full: a clear problem, nothing half published, and work again once there is room."""

import base64
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel

from core.db.session import transaction
from core.jobs import plans
from core.jobs.states import FINISHED
from core.specs.anchor_sets import AnchorSetSpec, DiscoverSpec
from core.specs.datasets import DatasetSpec
from core.specs.kinds import Kind
from core.specs.models import HumanLabelModelSpec
from tests.chaos.arena import Arena
from tests.chaos.conftest import Tell
from tests.chaos.training import told_epochs
from tests.chaos.verdict import judge
from tests.fixtures.lengths import LONG
from tests.workers.archives import folders, zipped

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]
DISK = 64 << 20
SCARCE = 100 << 10  # bytes that are left
EPOCHS = 20
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture(scope="module")
def disk() -> int:
    return DISK


class Ballast:
    """A file that leaves little room on the store's disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fill(self) -> None:
        """Take what there is, but for a little."""
        disk = os.statvfs(self._path.parent)
        with suppress(OSError), self._path.open("ab") as file:  # somebody else was faster
            file.write(bytes(max(0, disk.f_bavail * disk.f_frsize - SCARCE)))


@contextmanager
def full(arena: Arena) -> Iterator[Ballast]:
    path = arena.store.root / "ballast"
    ballast = Ballast(path)
    try:
        ballast.fill()
        yield ballast
    finally:
        path.unlink()


def fails_for_want_of_room(arena: Arena, job_id: str, ballast: Ballast) -> None:
    """Fill the disk while a job works; it says why it failed, and leaves nothing half made."""
    artifacts = set((arena.store.root / "artifacts").glob("*/*"))
    while (job := arena.job(job_id)).state not in FINISHED:
        ballast.fill()
        time.sleep(0.02)
    assert job.error is not None, job.state
    assert job.error["code"] == "storage-full", f"{job.error}\n{arena.log(job_id)}"
    assert job.attempt == 1
    assert set((arena.store.root / "artifacts").glob("*/*")) == artifacts
    assert [path.name for path in arena.half_made() if path.name not in {job_id, "training.pt"}] == []


def retried(arena: Arena, job_id: str) -> None:
    with transaction() as session:
        plans.retry(session, job_id)
    arena.succeeded(job_id)


def test_jobs(arena: Arena, tell: Tell) -> None:
    worker = arena.worker()
    pool = arena.submit("dataset", DatasetSpec(name="pool", uri=arena.new_archive(3, 32)))
    dataset = arena.succeeded(pool)

    large = DatasetSpec(name="large", uri=arena.new_archive(2, 200))
    anchors = AnchorSetSpec(discover=DiscoverSpec(dataset_id=dataset, k=4))
    asked = [pool]
    works: list[tuple[Kind, BaseModel]] = [("dataset", large), ("anchor-set", anchors)]
    for kind, work in works if LONG else works[:1]:
        with full(arena) as ballast:
            asked.append(arena.submit(kind, work))
            fails_for_want_of_room(arena, asked[-1], ballast)
        retried(arena, asked[-1])

    options = {"epochs": EPOCHS, "image_size": 16, "batch_size": 16}
    spec = HumanLabelModelSpec(objective="human-labels", dataset_id=dataset, **options)
    training = arena.submit("model", spec)
    checkpoint = arena.store.root / "work" / training / "training.pt"
    arena.wait(training, lambda job: checkpoint.exists())
    with full(arena) as ballast:
        fails_for_want_of_room(arena, training, ballast)
    assert checkpoint.exists()
    retried(arena, training)
    assert told_epochs(arena, training) == list(range(1, EPOCHS + 1))
    worker.stop()
    verdict = judge(arena, dict.fromkeys([*asked, training], "succeeded"))
    assert (verdict.jobs, verdict.crashes) == (len(asked) + 1, 0)
    tell(
        "a full disk under jobs",
        "pack, responses, checkpoint: failed with `storage-full`, nothing half made; retried to the end",
        verdict=vars(verdict),
    )


def test_uploads(arena: Arena, tell: Tell) -> None:
    body = zipped(folders(2, 1000))
    api = arena.api()
    with httpx.Client(base_url=api.url, timeout=60) as client:
        metadata = {"Upload-Metadata": f"filename {base64.b64encode(b'pool.zip').decode()}"}
        announced = client.post(
            "/v1/uploads", headers=TUS | metadata | {"Upload-Length": str(len(body))}
        ).headers["location"]
        with full(arena):
            form = client.post("/v1/datasets", data={"name": "pool"}, files={"file": ("pool.zip", body)})
            assert_full(form)
            assert [path.name for path in (arena.store.root / "uploads").iterdir()] == [
                announced.rpartition("/")[2]
            ]
            assert_full(send(client, announced, body))
        assert send(client, announced, body).status_code == 204
        job = client.post(
            "/v1/datasets", json={"name": "pool", "upload_ids": [announced.rpartition("/")[2]]}
        ).json()
    arena.worker()
    verdict = judge(arena, {job["id"]: "succeeded"})
    assert (verdict.jobs, verdict.attempts) == (1, 1)
    tell("a full disk under uploads", "507 `storage-full`; the rest sent later", verdict=vars(verdict))


def send(client: httpx.Client, upload: str, body: bytes) -> httpx.Response:
    """What is missing of an upload."""
    offset = client.head(upload, headers=TUS).headers["upload-offset"]
    headers = {"Upload-Offset": offset, "Content-Type": "application/offset+octet-stream"}
    return client.patch(upload, headers=TUS | headers, content=body[int(offset) :])


def assert_full(answer: httpx.Response) -> None:
    assert answer.status_code == 507, answer.text
    assert answer.json()["type"] == "/problems/storage-full"
