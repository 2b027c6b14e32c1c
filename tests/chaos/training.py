"""A training that may be cut at any time, and the weights that it must end in."""

from typing import Any

from core.db.jobs import Job
from core.db.resources import Artifact, Model
from core.specs.models import HumanLabelModelSpec
from tests.chaos.arena import processes_of
from tests.workers.service import Service

EPOCHS = 60  # long enough to be caught in the middle on fast cores


def training(dataset: str, **fields: Any) -> HumanLabelModelSpec:
    options = {"epochs": EPOCHS, "image_size": 16, "batch_size": 16, "seed": 1} | fields
    return HumanLabelModelSpec(objective="human-labels", dataset_id=dataset, **options)


def weights(service: Service, job_id: str) -> str:
    """The digest of the weights that a training has made."""
    model = service.row(Model, service.succeeded(job_id))
    return str(service.row(Artifact, model.artifact).files["model.safetensors"]["sha256"])


def told_epochs(service: Service, job_id: str) -> list[int]:
    """The epochs whose figures are events."""
    return [data["epoch"] for type_, data in service.events(job_id) if type_ == "metric"]


def mid_epoch(service: Service, job_id: str, *, attempt: int = 1) -> int:
    """Wait until an attempt trains and there is a checkpoint; the process that trains."""
    checkpoint = service.store.root / "work" / job_id / "training.pt"

    def under_way(job: Job) -> bool:
        trains = job.stage == "training" and job.attempt == attempt and job.state == "running"
        return trains and job.progress_done > 0 and checkpoint.exists()

    service.wait(job_id, under_way)
    return process(service, job_id, attempt=attempt)


def process(service: Service, job_id: str, *, attempt: int) -> int:
    """Wait for the process of an attempt."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = processes_of({job_id}, attempt=attempt).get(job_id, [])
        return bool(found)

    service.until(is_there)
    return found[0]
