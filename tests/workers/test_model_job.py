"""Training on human labels, and imports, by a real worker."""

import json
from typing import Any, Literal

import numpy as np
import pytest
from safetensors.numpy import load_file
from sqlalchemy import select
from transformers import AutoModelForImageClassification

from core.db.resources import Artifact, Embedder, Model, Use
from core.db.session import transaction
from core.manifests import MANIFEST
from core.specs.anchor_sets import AnchorSetSpec, DiscoverSpec
from core.specs.labelings import GeometryLabelingSpec, KMeansLabelingSpec
from core.specs.models import (
    DistillationModelSpec,
    HumanLabelModelSpec,
    ImportModelSpec,
    PseudoLabelModelSpec,
)
from tests.workers.archives import folders, submit_dataset, upload, zipped
from tests.workers.service import Service


@pytest.fixture(scope="module", autouse=True)
def _worker(service: Service) -> None:
    service.worker()


@pytest.fixture(scope="module")
def dataset(service: Service, _worker: None) -> str:
    return service.succeeded(submit_dataset(service, folders(3, 20)))


def human(dataset: str, **fields: Any) -> HumanLabelModelSpec:
    options = {"epochs": 2, "image_size": 16, "batch_size": 16, "seed": 3} | fields
    return HumanLabelModelSpec(objective="human-labels", dataset_id=dataset, **options)


@pytest.fixture(scope="module")
def model(service: Service, dataset: str) -> Model:
    row: Model = service.row(Model, service.succeeded(service.submit("model", human(dataset, name="cats"))))
    return row


def test_the_weights_load_with_stock_transformers(service: Service, model: Model) -> None:
    folder = service.store.path(model.artifact)
    network = AutoModelForImageClassification.from_pretrained(folder)
    assert [network.config.id2label[i] for i in range(3)] == ["kind0", "kind1", "kind2"]
    assert (model.n_outputs, model.channels, model.image_size) == (3, 3, 16)
    assert model.parameters == network.num_parameters()
    assert (model.role, model.revision, model.arch) == ("source", 1, "resnet-tiny")


def test_the_row_tells_how_it_went(service: Service, model: Model) -> None:
    history = model.metrics["history"]
    assert [record["epoch"] for record in history] == [1, 2]
    assert model.metrics["n_train"] + model.metrics["n_held_out"] == 60
    assert model.metrics["images_per_second"] > 0
    metrics = [data for type_, data in service.events(model.job_id) if type_ == "metric"]
    assert [data["epoch"] for data in metrics] == [1, 2]


def test_provenance_names_what_went_in(service: Service, model: Model, dataset: str) -> None:
    origin = json.loads((service.store.path(model.artifact) / "provenance.json").read_text())
    assert origin["data"]["dataset_id"] == dataset
    assert len(origin["data"]["sha256"]) == 64
    assert (origin["seed"], origin["parents"], origin["third_party_weights"]) == (3, [], False)
    assert origin["labeling"] is None


def test_the_same_seed_gives_the_same_weights_as_a_new_revision(
    service: Service, model: Model, dataset: str
) -> None:
    again = service.row(Model, service.succeeded(service.submit("model", human(dataset, name="cats"))))
    other = service.row(
        Model, service.succeeded(service.submit("model", human(dataset, name="cats", seed=4)))
    )
    weights = [
        service.row(Artifact, row.artifact).files["model.safetensors"]["sha256"]
        for row in (model, again, other)
    ]
    assert weights[0] == weights[1] != weights[2]
    assert (again.revision, other.revision) == (2, 3)


def test_a_model_is_trained_on(service: Service, model: Model, dataset: str) -> None:
    spec = human(dataset, init_model_id=model.id, epochs=1, learning_rate=1e-9)
    more = service.row(Model, service.succeeded(service.submit("model", spec)))
    assert (more.parent_model_id, more.arch, more.third_party_weights) == (model.id, "resnet-tiny", False)
    folder = service.store.path(more.artifact)
    before = load_file(service.store.path(model.artifact) / "model.safetensors")
    after = load_file(folder / "model.safetensors")
    filters = [name for name in before if before[name].ndim == 4]
    assert all(np.allclose(before[name], after[name], atol=1e-6) for name in filters)
    [parent] = json.loads((folder / "provenance.json").read_text())["parents"]
    assert parent["model_id"] == model.id
    assert f"from the body of the model {model.name}" in (folder / "README.md").read_text()


@pytest.fixture(scope="module")
def labelings(service: Service, dataset: str) -> list[str]:
    specs = [
        KMeansLabelingSpec(method="k-means", dataset_id=dataset, n_classes=n_classes) for n_classes in (3, 4)
    ]
    return [service.succeeded(service.submit("labeling", spec)) for spec in specs]


@pytest.mark.parametrize("heads", ["flat", "positions"])
def test_several_labelings_and_human_labels_are_heads_of_one_classifier(
    service: Service, dataset: str, labelings: list[str], heads: Literal["flat", "positions"]
) -> None:
    spec = PseudoLabelModelSpec(
        labeling_ids=labelings,
        human_labels=True,
        targets=["soft", "hard"],
        heads=heads,
        epochs=2,
        image_size=16,
        batch_size=16,
        validation_share=0.25,
        patience=1,
        balance="loss",
    )
    job_id = service.submit("model", spec)
    row = service.row(Model, service.succeeded(job_id))
    assert (row.labeling_id, row.labeling_ids, row.n_outputs) == (labelings[0], labelings, 10)
    folder = service.store.path(row.artifact)
    network = AutoModelForImageClassification.from_pretrained(folder)
    names = [network.config.id2label[i] for i in range(10)]
    behind = "1-" if heads == "positions" else ""
    assert names[:3] == [f"{labelings[0]}:{behind}cluster_{i}" for i in range(3)]
    assert names[3:7] == [f"{labelings[1]}:{behind}cluster_{i}" for i in range(4)]
    assert names[7:] == ["human:kind0", "human:kind1", "human:kind2"]
    found = [(h["labeling_id"], h["targets"], h["first"], h["n_classes"]) for h in row.metrics["heads"]]
    assert found == [(labelings[0], "soft", 0, 3), (labelings[1], "hard", 3, 4), (None, "hard", 7, 3)]
    accuracies = [head["accuracy"] for head in row.metrics["heads"]]
    assert row.metrics["source_accuracy"] == pytest.approx(sum(accuracies) / 3)
    assert row.metrics["n_held_out"] == 15
    history: list[dict[str, Any]] = row.metrics["history"]
    best = min(history, key=lambda record: record["held_out_loss"])
    assert best["epoch"] == row.metrics["best_epoch"]
    assert row.images_per_second > 0
    told = [data for type_, data in service.events(job_id) if type_ == "metric"]
    assert all(data.items() <= record.items() for data, record in zip(told, history, strict=True))
    origin = json.loads((folder / "provenance.json").read_text())
    assert origin["labeling"]["labeling_id"] == labelings[0]
    assert [entry["labeling"]["labeling_id"] for entry in origin["further_labelings"]] == labelings[1:]
    assert "soft k-means pseudo-labels with 3 classes" in (folder / "README.md").read_text()
    with transaction() as session:
        used = set(session.scalars(select(Use.used_id).where(Use.user_id == row.id)))
    assert used == {dataset, *labelings}


def test_a_rate_that_is_far_too_high_fails_the_job_and_says_so(service: Service, dataset: str) -> None:
    job = service.wait(service.submit("model", human(dataset, learning_rate=10)))
    assert job.state == "failed"
    error: dict[str, Any] = dict(job.error or {})
    assert error["code"] == "training-diverged"
    assert [one["pointer"] for one in error["errors"]] == ["#/learning_rate"]


def test_an_unlabelled_dataset_is_refused_by_name(service: Service) -> None:
    flat = {path.replace("/", "-"): data for path, data in folders(2, 3).items()}
    plain = service.succeeded(submit_dataset(service, flat))
    job = service.wait(service.submit("model", human(plain)))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["errors"] == [{"pointer": "#/dataset_id", "detail": job.error["detail"]}]


def exported(service: Service, model: Model, **files: bytes) -> bytes:
    folder = service.store.path(model.artifact)
    kept = {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}
    return zipped({f"export/{name}": data for name, data in (kept | files).items() if data})


def test_a_model_comes_back_in(service: Service, model: Model) -> None:
    sent = upload(service, exported(service, model, **{"training_args.bin": b"\x80\x04."}), "model.zip")
    job_id = service.submit("model", ImportModelSpec(name="mine", upload=sent))
    row = service.row(Model, service.succeeded(job_id))
    folder = service.store.path(row.artifact)
    assert (row.role, row.arch, row.third_party_weights, row.dim) == ("imported", "resnet", True, model.dim)
    assert sorted(path.name for path in folder.iterdir()) == [
        MANIFEST,
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "provenance.json",
    ]
    theirs = load_file(service.store.path(model.artifact) / "model.safetensors")
    ours = load_file(folder / "model.safetensors")
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    service.until(lambda: service.half_made() == [])


def test_what_is_trained_on_an_import_is_of_third_parties_too(
    service: Service, model: Model, dataset: str
) -> None:
    processor = (service.store.path(model.artifact) / "preprocessor_config.json").read_bytes()
    sent = upload(service, exported(service, model, **{"preprocessor_config.json": processor}), "model.zip")
    start = service.succeeded(service.submit("model", ImportModelSpec(name="start", upload=sent)))
    spec = human(dataset, init_model_id=start, arch=None, epochs=1)
    more = service.row(Model, service.succeeded(service.submit("model", spec)))
    assert (more.arch, more.third_party_weights, more.image_size) == ("resnet", True, 16)
    anchors = AnchorSetSpec(embedder=start, discover=DiscoverSpec(dataset_id=dataset, k=3))
    anchor_set = service.succeeded(service.submit("anchor-set", anchors))
    labels = GeometryLabelingSpec(dataset_id=dataset, anchor_set_id=anchor_set, length=1)
    labeling = service.succeeded(service.submit("labeling", labels))
    pseudo = PseudoLabelModelSpec(labeling_id=labeling, init_model_id=model.id, epochs=1, image_size=16)
    for source in (pseudo, distillation(dataset, start), distillation(dataset, [start, "patch-kmeans"])):
        row = service.row(Model, service.succeeded(service.submit("model", source)))
        assert row.third_party_weights, source


def distillation(dataset: str, embedder: str | list[str], **fields: Any) -> DistillationModelSpec:
    options = {"epochs": 1, "image_size": 16, "batch_size": 16} | fields
    return DistillationModelSpec(objective="distillation", dataset_id=dataset, embedder=embedder, **options)


def test_a_source_is_distilled_from_an_embedder_and_trained_on(service: Service, dataset: str) -> None:
    job_id = service.submit("model", distillation(dataset, "patch-kmeans", epochs=3, patience=2))
    row = service.row(Model, service.succeeded(job_id))
    assert (row.role, row.n_outputs, row.third_party_weights) == ("source", 0, False)
    assert row.metrics["n_held_out"] == 6
    assert len([data for type_, data in service.events(job_id) if type_ == "metric"]) == 3
    folder = service.store.path(row.artifact)
    origin = json.loads((folder / "provenance.json").read_text())
    embedder = service.row(Embedder, origin["embedder_id"])
    assert embedder.kind == "patch-kmeans"
    assert embedder.id in (folder / "README.md").read_text()
    with transaction() as session:
        used = set(session.scalars(select(Use.used_id).where(Use.user_id == row.id)))
    assert used == {dataset, embedder.id}
    gently = human(dataset, init_model_id=row.id, epochs=1, learning_rate=1e-9, label_smoothing=0.1)
    more = service.row(Model, service.succeeded(service.submit("model", gently)))
    assert more.parent_model_id == row.id
    before, after = (
        load_file(service.store.path(each.artifact) / "model.safetensors") for each in (row, more)
    )
    filters = [name for name in before if before[name].ndim == 4]
    assert all(np.allclose(before[name], after[f"resnet.{name}"], atol=1e-6) for name in filters)


def test_pickled_weights_are_refused(service: Service, model: Model) -> None:
    body = exported(service, model, **{"model.safetensors": b"", "pytorch_model.bin": b"\x80\x04."})
    spec = ImportModelSpec(name="evil", upload=upload(service, body, "model.zip"))
    job = service.wait(service.submit("model", spec))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["code"] == "pickled-weights"


def test_what_is_no_archive_is_refused(service: Service) -> None:
    spec = ImportModelSpec(name="noise", upload=upload(service, b"noise" * 500, "model.zip"))
    job = service.wait(service.submit("model", spec))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["code"] == "broken-archive"
