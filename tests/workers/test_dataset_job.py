"""Ingest by a real worker."""

from hashlib import sha256
from pathlib import Path

import pytest

from core.db.resources import Artifact, Dataset
from core.manifests import MANIFEST
from core.specs.datasets import DatasetSpec, Procedural
from tests.fixtures.shards import webdataset
from tests.workers.archives import folders, png, submit_dataset, upload, zipped
from tests.workers.service import Service


@pytest.fixture(scope="module", autouse=True)
def _worker(service: Service) -> None:
    service.worker()


def test_an_upload_becomes_a_dataset_and_leaves_nothing_else(service: Service) -> None:
    sent = upload(service, zipped(folders(2, 6) | {"kind0/broken.png": b"\x89PNG"}))
    job_id = service.submit("dataset", DatasetSpec(name="pets", uploads=[sent]))
    dataset = service.row(Dataset, service.succeeded(job_id))
    assert (dataset.name, dataset.n_items, dataset.n_rejected) == ("pets", 12, 1)
    assert (dataset.sha256, dataset.bytes) == (sent.sha256, sent.bytes)
    assert [c["name"] for c in dataset.classes] == ["kind0", "kind1"]
    assert dataset.job_id == job_id
    assert service.job(job_id).result == {
        "kind": "dataset",
        "id": dataset.id,
        "href": f"/v1/datasets/{dataset.id}",
    }
    artifact = service.row(Artifact, dataset.artifact)
    folder = service.store.path(dataset.artifact)
    assert {path.name for path in folder.iterdir()} == set(artifact.files) | {MANIFEST}
    service.until(lambda: service.half_made() == [])


def test_fractals_are_drawn_the_same_again(service: Service) -> None:
    asked = Procedural(n_classes=5, n_items=23, image_size=16, seed=3)
    spec = DatasetSpec(name="fractals", procedural=asked)
    first, again = (
        service.row(Dataset, service.succeeded(service.submit("dataset", spec))) for _ in range(2)
    )
    assert [(c["name"], c["count"]) for c in first.classes] == [
        (f"fractal-{number}", 5 - (number > 2)) for number in range(5)
    ]
    assert first.image_size == {"min": 16, "max": 16}
    assert (first.artifact, first.sha256) == (again.artifact, again.sha256)


def test_a_folder_below_an_allowed_root(service: Service) -> None:
    for path, data in folders(2, 3).items():
        file = service.images / "pets" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    spec = DatasetSpec(name="pets", uri=(service.images / "pets").as_uri())
    dataset = service.row(Dataset, service.succeeded(service.submit("dataset", spec)))
    assert dataset.n_items == 6
    assert (service.images / "pets" / "kind0" / "0.png").exists()


def test_a_link_out_of_the_allowed_root_is_refused(service: Service) -> None:
    (service.images / "out").symlink_to("/etc")
    job = service.wait(
        service.submit("dataset", DatasetSpec(name="x", uri=(service.images / "out").as_uri()))
    )
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["errors"] == [{"pointer": "#/uri", "detail": job.error["detail"]}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "broken-archive"),
        (zipped(folders(2, 6))[:-200], "broken-archive"),
        (zipped({"readme.txt": b"hello"}), "no-images"),
        (png(0), "unsupported-archive"),
    ],
    ids=["empty", "cut short", "no images", "one image"],
)
def test_a_bad_archive_fails_its_job_and_leaves_no_dataset(service: Service, body: bytes, code: str) -> None:
    before = service.count(Dataset)
    job_id = service.submit("dataset", DatasetSpec(name="bad", uploads=[upload(service, body)]))
    job = service.wait(job_id)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["code"] == code
    assert "Traceback" not in service.log(job_id)
    assert service.count(Dataset) == before
    assert not (service.store.root / "work" / job_id).exists()


def test_a_fault_of_ours_is_told_without_a_trace_and_logged_with_one(service: Service) -> None:
    sent = upload(service, zipped(folders(2, 6)))
    service.store.upload(sent.id).unlink()
    job_id = service.submit("dataset", DatasetSpec(name="lost", uploads=[sent]))
    job = service.wait(job_id)
    assert job.error is not None
    assert job.error["code"] == "internal-error"
    assert "Traceback" not in str(job.error)
    assert "Traceback" in service.log(job_id)


def test_the_log_tells_of_the_work_to_its_end(service: Service) -> None:
    job_id = submit_dataset(service, folders(2, 6))
    dataset_id = service.succeeded(job_id)
    service.until(lambda: dataset_id in service.log(job_id))  # written once its process has ended
    told = [line.split("] ")[1].split(" [")[0] for line in service.log(job_id).splitlines()]
    assert told == ["started", "reading", "storing", "succeeded"]


def test_progress_and_states_are_events(service: Service) -> None:
    job_id = submit_dataset(service, folders(2, 30))
    service.succeeded(job_id)
    events = service.events(job_id)
    assert [data["state"] for type_, data in events if type_ == "state"] == ["queued", "running", "succeeded"]
    assert [data["stage"] for type_, data in events if type_ == "stage"] == ["reading", "storing"]


def test_shards_become_one_dataset_and_go(service: Service, tmp_path: Path) -> None:
    images = [(png(i, kind=i % 3), f"kind{i % 3}") for i in range(12)]
    names = ("train-0.tar", "train-1.tar", "test-0.tar")
    parts = [webdataset(tmp_path / name, images[i::3]) for i, name in enumerate(names)]
    sent = [upload(service, path.read_bytes(), path.name) for path in parts]
    dataset = service.row(
        Dataset, service.succeeded(service.submit("dataset", DatasetSpec(name="pets", uploads=sent)))
    )
    assert (dataset.n_items, dataset.n_rejected) == (12, 0)
    assert dataset.splits == {"train": 8, "test": 4, "derived": False}
    assert dataset.bytes == sum(one.bytes for one in sent)
    lines = "".join(f"{one.sha256}  {one.filename}\n" for one in sorted(sent, key=lambda u: u.filename))
    assert dataset.sha256 == sha256(lines.encode()).hexdigest()
    service.until(lambda: not any(service.store.upload(one.id).exists() for one in sent))
