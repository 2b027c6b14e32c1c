"""Whatever dies, a job ends once, with the same weights, and leaves nothing behind."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import update

from core.db.jobs import Job
from core.db.resources import Artifact, Model
from core.db.session import transaction
from core.jobs import plans
from core.settings import get_settings
from core.specs.models import HumanLabelModelSpec
from tests.workers.archives import folders, submit_dataset
from tests.workers.service import Service, WorkerProcess, alive

EPOCHS = 60  # long enough to be caught in the middle on fast cores


@pytest.fixture
def worker(service: Service) -> Iterator[WorkerProcess]:
    process = service.worker()
    yield process
    process.end()  # of a test that failed: the next must not find its job taken


@pytest.fixture(scope="module")
def dataset(service: Service) -> str:
    worker = service.worker()
    made = service.succeeded(submit_dataset(service, folders(3, 32)))
    worker.stop()
    return made


def training(dataset: str, **fields: Any) -> HumanLabelModelSpec:
    options = {"epochs": EPOCHS, "image_size": 16, "batch_size": 16, "seed": 1} | fields
    return HumanLabelModelSpec(objective="human-labels", dataset_id=dataset, **options)


def weights(service: Service, job_id: str) -> str:
    model = service.row(Model, service.succeeded(job_id))
    return str(service.row(Artifact, model.artifact).files["model.safetensors"]["sha256"])


@pytest.fixture(scope="module")
def undisturbed(service: Service, dataset: str) -> str:
    """The weights of the training that nothing has cut."""
    worker = service.worker()
    digest = weights(service, service.submit("model", training(dataset)))
    worker.stop()
    return digest


def told_epochs(service: Service, job_id: str) -> list[int]:
    """The epochs whose figures are events."""
    return [data["epoch"] for type_, data in service.events(job_id) if type_ == "metric"]


def mid_epoch(service: Service, worker: WorkerProcess, job_id: str, *, attempt: int = 1) -> int:
    """Wait until the training is past its first checkpoint; the process that trains."""
    checkpoint = service.store.root / "work" / job_id / "training.pt"

    def under_way(job: Job) -> bool:
        done = job.stage == "training" and job.attempt == attempt and job.state == "running"
        return done and job.progress_done > 0 and checkpoint.exists()

    service.wait(job_id, under_way)
    child = worker.child()
    assert child is not None
    return child


def test_a_killed_process_goes_on_to_the_same_weights(
    service: Service, worker: WorkerProcess, dataset: str, undisturbed: str
) -> None:
    job_id = service.submit("model", training(dataset))
    child = mid_epoch(service, worker, job_id)
    service.wait(job_id, lambda job: job.state == "running" and told_epochs(service, job_id) != [])
    os.kill(child, signal.SIGKILL)
    assert weights(service, job_id) == undisturbed
    job = service.job(job_id)
    assert (job.attempt, job.crashes) == (2, 1)
    reasons = [data.get("reason") for type_, data in service.events(job_id) if type_ == "state"]
    assert any("SIGKILL" in reason for reason in reasons if reason)
    assert told_epochs(service, job_id) == list(range(1, EPOCHS + 1))  # each once, though it was cut
    worker.stop()


def test_a_killed_worker_takes_its_job_down_and_another_goes_on(
    service: Service, worker: WorkerProcess, dataset: str, undisturbed: str
) -> None:
    job_id = service.submit("model", training(dataset))
    child = mid_epoch(service, worker, job_id)
    worker.kill()
    service.until(lambda: not alive(child))
    other = service.worker()
    assert weights(service, job_id) == undisturbed
    assert (service.job(job_id).attempt, service.job(job_id).crashes) == (2, 1)
    other.stop()


def test_a_worker_that_is_told_to_leave_hands_its_job_back(
    service: Service, worker: WorkerProcess, dataset: str, undisturbed: str
) -> None:
    job_id = service.submit("model", training(dataset))
    child = mid_epoch(service, worker, job_id)
    assert worker.stop() == 0
    job = service.job(job_id)
    assert (job.state, job.attempt, job.crashes) == ("queued", 1, 0)
    assert not alive(child)
    other = service.worker()
    assert weights(service, job_id) == undisturbed
    assert (service.job(job_id).attempt, service.job(job_id).crashes) == (2, 0)
    other.stop()


def test_cancel_mid_epoch_leaves_only_the_checkpoint_and_retry_goes_on_from_it(
    service: Service, worker: WorkerProcess, dataset: str, undisturbed: str
) -> None:
    models = service.count(Model)
    job_id = service.submit("model", training(dataset))
    child = mid_epoch(service, worker, job_id)
    with transaction() as session:
        plans.cancel(session, job_id)
    assert service.wait(job_id).state == "cancelled"
    assert not alive(child)
    assert service.count(Model) == models
    work = service.store.root / "work"
    service.until(lambda: {p.name for p in work.rglob("*")} == {job_id, "training.pt"})
    with transaction() as session:
        plans.retry(session, job_id)
    assert weights(service, job_id) == undisturbed
    assert told_epochs(service, job_id) == list(range(1, EPOCHS + 1))
    service.until(lambda: service.half_made() == [])
    worker.stop()


def test_a_job_that_always_dies_fails_at_the_bound_and_says_why(
    service: Service, worker: WorkerProcess, dataset: str
) -> None:
    job_id = service.submit("model", training(dataset, epochs=2000))
    for attempt in (1, 2, 3):
        os.kill(mid_epoch(service, worker, job_id, attempt=attempt), signal.SIGKILL)
    job = service.wait(job_id)
    assert job.state == "failed"
    assert job.attempt == 3
    assert job.error is not None
    assert job.error["code"] == "worker-lost"
    assert "SIGKILL" in str(job.error["detail"])
    worker.stop()


def test_a_process_whose_lease_is_lost_ends_and_writes_nothing(
    service: Service, worker: WorkerProcess, dataset: str
) -> None:
    job_id = service.submit("model", training(dataset, epochs=2000))
    child = mid_epoch(service, worker, job_id)
    models = service.count(Model)
    with transaction() as session:  # as if another worker had taken it while we were cut off
        session.execute(
            update(Job)
            .where(Job.id == job_id)
            .values(attempt=Job.attempt + 1, owner="another", stage="theirs", lease_expires_at=None)
        )
    service.until(lambda: not alive(child))
    job = service.job(job_id)
    assert (job.state, job.attempt, job.owner, job.stage) == ("running", 2, "another", "theirs")
    assert service.count(Model) == models
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state="failed"))
    service.store.discard_work(job_id)
    worker.stop()


def test_cut_database_connections_cost_no_attempt(
    service: Service, worker: WorkerProcess, dataset: str, undisturbed: str
) -> None:
    job_id = service.submit("model", training(dataset))
    mid_epoch(service, worker, job_id)
    with psycopg.connect(get_settings().require_database_url(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert weights(service, job_id) == undisturbed
    assert service.job(job_id).attempt == 1
    worker.stop()
