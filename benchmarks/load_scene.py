"""The service that `benchmarks.load` drives, and what there is to ask it for."""

import json
import os
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from sqlalchemy import select

from app.commands.database import database
from benchmarks import processes
from benchmarks.serving import service
from core.artifacts import open_store, record
from core.db.jobs import Job
from core.db.resources import Model
from core.db.session import transaction
from core.ids import new_id
from core.jobs import plans
from core.settings import Settings, get_settings
from g2l.client import Client

EPOCHS = 50
PAGE = 50  # jobs, as many as a page of the list shows
SMALL, LARGE = 1 << 20, 1 << 30  # bytes of weights


@dataclass(frozen=True)
class Scene:
    """A running service with jobs and models in it."""

    url: str
    pid: int
    uri: str  # of an archive that is quickly taken in
    finished: list[str]  # jobs
    dataset: str
    small: str  # models
    large: str

    @property
    def api(self) -> int:
        """The API's process."""
        return processes.named(self.pid, "API")[0]

    def submit(self) -> str:
        """A training, which tells of each epoch."""
        recipe = {"dataset_id": self.dataset, "objective": "human-labels", "epochs": EPOCHS, "image_size": 16}
        answer = httpx.post(f"{self.url}/v1/models", json=recipe, timeout=60).raise_for_status()
        return str(answer.json()["id"])

    def clear(self) -> None:
        """Cancel what waits for the worker."""
        with transaction() as session:
            for job_id in session.scalars(select(Job.id).where(Job.state == "queued")).all():
                plans.cancel(session, job_id)

    @contextmanager
    def a_job_that_waits(self) -> Iterator[str]:
        """While the block runs the worker is frozen, so that a job waits for it."""
        frozen = processes.named(self.pid, "worker")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield self.submit()
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """API, PostgreSQL, Redis and one worker, a page of finished jobs, and two models to download."""
    archive = folder / "pool.zip"
    _write_archive(archive)
    home = folder / "home"
    os.environ |= {"G2L_URI_ROOTS": str(folder), "G2L_HOME": str(home)}
    with service(home) as running, database(Settings()) as url:
        os.environ["G2L_DATABASE_URL"] = url
        get_settings.cache_clear()
        with Client(running.url) as client:
            jobs = [client.datasets.take_in(archive.as_uri(), "pool") for _ in range(PAGE)]
            finished = [client.jobs.wait(job) for job in jobs]
        yield Scene(
            url=running.url,
            pid=running.pid,
            uri=archive.as_uri(),
            finished=[job.id for job in finished],
            dataset=next(str(job.result["id"]) for job in finished if job.result),
            small=_model(SMALL),
            large=_model(LARGE),
        )


def _write_archive(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        for number, each in enumerate(pixels):
            buffer = BytesIO()
            Image.fromarray(each).save(buffer, "png")
            archive.writestr(f"{number % 2}/{number}.png", buffer.getvalue())


def _model(size: int) -> str:
    """Weights of so many bytes, in the store as a worker puts them there; a file of holes."""
    store = open_store(get_settings())
    with store.staging("job_load", 1) as staging:
        made = staging / "model"
        made.mkdir()
        (made / "config.json").write_text(json.dumps({"bytes": size}))
        with (made / "model.safetensors").open("wb") as file:
            file.truncate(size)
        published = store.publish(made)
    id_ = new_id("mdl")
    row = Model(
        id=id_,
        name=id_,
        job_id="job_load",
        spec={},
        role="source",
        revision=1,
        arch="resnet-tiny",
        image_size=32,
        channels=3,
        dim=256,
        n_outputs=2,
        parameters=10,
        third_party_weights=False,
        metrics={},
    )
    with transaction() as session:
        row.artifact = record(session, published)
        session.add(row)
    return id_
