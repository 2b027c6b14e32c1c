"""Ingest by a real worker."""

import io
import zipfile
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from core.db.resources import Artifact, Dataset
from core.ids import new_id
from core.specs.base import Upload
from core.specs.datasets import DatasetSpec
from tests.workers.service import Service


def png(seed: int, side: int = 12) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def upload(service: Service, members: dict[str, bytes], name: str = "pool.zip") -> Upload:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    body = file.getvalue()
    id_ = new_id("job")
    service.store.upload(id_).write_bytes(body)
    return Upload(id=id_, filename=name, sha256=sha256(body).hexdigest(), bytes=len(body))


@pytest.fixture(scope="module", autouse=True)
def _worker(service: Service) -> None:
    service.worker()


def test_an_upload_becomes_a_dataset_and_leaves_nothing_else(service: Service) -> None:
    members = {f"{label}/{n}.png": png(hash((label, n)) % 1000) for label in ("cat", "dog") for n in range(6)}
    sent = upload(service, members | {"cat/broken.png": b"\x89PNG"})
    job_id = service.submit("dataset", DatasetSpec(name="pets", upload=sent))
    dataset = service.row(Dataset, service.succeeded(job_id))
    assert (dataset.name, dataset.n_items, dataset.n_rejected) == ("pets", 12, 1)
    assert (dataset.sha256, dataset.bytes) == (sent.sha256, sent.bytes)
    assert [c["name"] for c in dataset.classes] == ["cat", "dog"]
    assert dataset.job_id == job_id
    artifact = service.row(Artifact, dataset.artifact)
    folder = service.store.path(dataset.artifact)
    assert {p.name for p in folder.iterdir()} == set(artifact.files)
    assert service.half_made() == []
