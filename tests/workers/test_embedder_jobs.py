"""Embedders by a real worker: trained without labels, imported as ONNX, several side by side."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sqlalchemy import select
from transformers import AutoModel

from core.db.resources import (
    AnchorSet,
    Artifact,
    Dataset,
    Embedder,
    Labeling,
    Model,
    Responses,
    Study,
    Transfer,
    Use,
)
from core.db.session import transaction
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.imports import OnnxPreprocessing
from core.specs.labelings import GeometryLabelingSpec
from core.specs.models import ImportModelSpec, PseudoLabelModelSpec, SelfSupervisedModelSpec
from core.specs.studies import TRANSFERS_FILE, StudySpec
from core.specs.transfers import TransferSpec
from g2l.data.pack import Pack
from g2l.data.splits import budget_indices
from g2l.nn.linear_probe import fit_probe
from tests.fixtures.images import saved
from tests.g2l.nn.onnx_graphs import save_network
from tests.workers.archives import folders, submit_dataset, upload
from tests.workers.service import Service


@pytest.fixture(scope="module", autouse=True)
def _worker(service: Service) -> None:
    service.worker()


@pytest.fixture(scope="module")
def dataset(service: Service, _worker: None) -> str:
    return service.succeeded(submit_dataset(service, folders(3, 20)))


@pytest.fixture(scope="module")
def source(service: Service, dataset: str) -> Model:
    """A source model without labels."""
    spec = SelfSupervisedModelSpec(
        objective="self-supervised", dataset_id=dataset, epochs=2, image_size=16, batch_size=16, name="body"
    )
    row: Model = service.row(Model, service.succeeded(service.submit("model", spec)))
    return row


@pytest.fixture(scope="module")
def network(service: Service, _worker: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An imported ONNX network."""
    path = save_network(tmp_path_factory.mktemp("onnx") / "net.onnx")
    spec = ImportModelSpec(
        name="theirs",
        upload=upload(service, path.read_bytes(), "net.onnx"),
        preprocessing=OnnxPreprocessing(image_mean=[0.5], image_std=[0.25]),
    )
    return service.succeeded(service.submit("model", spec))


@pytest.fixture(scope="module")
def anchors(service: Service, dataset: str, network: str, source: Model) -> AnchorSet:
    """Anchors in the responses of a fitted embedder, a network and a source, side by side."""
    embedders = ["patch-kmeans", network, source.id]
    spec = AnchorSetSpec.model_validate(
        {"embedder": embedders, "discover": {"dataset_id": dataset, "k": 4}, "name": "beside"}
    )
    row: AnchorSet = service.row(AnchorSet, service.succeeded(service.submit("anchor-set", spec)))
    return row


def stages(service: Service, job_id: str) -> list[str]:
    return [str(data["stage"]) for type_, data in service.events(job_id) if type_ == "stage"]


def responses(service: Service, dataset: str, embedder: str) -> Any:
    with transaction() as session:
        kept = session.get_one(Responses, (dataset, embedder))
    return np.load(service.store.path(kept.artifact) / "responses.npy")


def test_a_source_without_labels_is_a_body_that_stock_transformers_loads(
    service: Service, source: Model
) -> None:
    body = AutoModel.from_pretrained(service.store.path(source.artifact))
    assert source.parameters == body.num_parameters()
    assert (source.role, source.arch, source.n_outputs, source.dim) == ("source", "resnet-tiny", 0, 256)
    assert [record["epoch"] for record in source.metrics["history"]] == [1, 2]
    metrics = [data for type_, data in service.events(source.job_id) if type_ == "metric"]
    assert [data["epoch"] for data in metrics] == [1, 2]
    card = (service.store.path(source.artifact) / "README.md").read_text()
    assert "image-feature-extraction" in card
    assert "without labels" in card


def test_it_is_transferred(service: Service, source: Model, dataset: str) -> None:
    transfer = TransferSpec(
        dataset_id=dataset, model_id=source.id, label_budget=5, epochs=1, learning_rate=0.003
    )
    done = service.row(Transfer, service.succeeded(service.submit("transfer", transfer)))
    base = service.row(Model, done.base_model_id)
    assert (base.n_outputs, base.parent_model_id, base.third_party_weights) == (3, source.id, False)
    assert 0 <= done.knn_accuracy <= 1


def test_a_network_is_kept_as_it_came(service: Service, network: str, tmp_path: Path) -> None:
    row = service.row(Model, network)
    assert (row.role, row.arch, row.channels, row.image_size, row.dim) == ("embedder", "onnx", 3, 16, 6)
    assert row.third_party_weights
    assert row.parameters == 6 * 3 * 9
    kept = service.row(Artifact, row.artifact).files
    assert sorted(kept) == [
        "README.md", "embedder.json", "model.onnx", "preprocessor_config.json", "provenance.json"
    ]  # fmt: skip
    given = save_network(tmp_path / "net.onnx").read_bytes()
    assert (service.store.path(row.artifact) / "model.onnx").read_bytes() == given


@pytest.fixture(scope="module")
def digits(service: Service, _worker: None) -> str:
    """Handwriting, as images of 8 pixels."""
    numbers = load_digits(n_class=5)
    pictures = (numbers.images[:250] * 15).astype(np.uint8)
    members = {
        f"{digit}/{i}.png": saved(Image.fromarray(pixels), "PNG")
        for i, (pixels, digit) in enumerate(zip(pictures, numbers.target, strict=False))
    }
    return service.succeeded(submit_dataset(service, members, "digits"))


@pytest.fixture(scope="module")
def frozen(service: Service, network: str, digits: str) -> Any:
    """A transfer by the network's responses."""
    spec = TransferSpec(dataset_id=digits, model_id=network, label_budget=9, epochs=1, method="linear-probe")
    return service.row(Transfer, service.succeeded(service.submit("transfer", spec)))


def test_a_network_is_probed_frozen(service: Service, network: str, digits: str, frozen: Any) -> None:
    features = responses(service, digits, network)
    pack = Pack(service.store.path(service.row(Dataset, digits).artifact))
    split, truth = pack.target_split(), pack.class_ids
    train = budget_indices(truth, split.train, 9, seed=0)
    strength = fit_probe(features[train], truth[train], 5, seed=0).strength
    scaler = StandardScaler().fit(features[train].astype(np.float64))
    reference = LogisticRegression(C=1 / (strength * len(train)), tol=1e-10, max_iter=2000)
    reference.fit(scaler.transform(features[train]), truth[train])
    right = reference.predict(scaler.transform(features[split.test])) == truth[split.test]
    assert 0.3 < frozen.accuracy["value"] < 1
    assert frozen.accuracy["value"] == pytest.approx(right.mean())

    assert (frozen.base_model_id, frozen.arch, frozen.n_train) == (None, "onnx", len(train))
    assert (frozen.learning_curve, frozen.learning_rate) == ([], None)
    assert np.sum(frozen.confusion) == len(split.test)
    assert 0 < frozen.scores["knn"] == frozen.knn_accuracy < 1
    assert (frozen.twins["unknown_model_ids"], frozen.twins["n_with_pool"]) == ([network], None)
    assert frozen.seconds > 0
    with transaction() as session:
        assert set(session.scalars(select(Use.used_id).where(Use.user_id == frozen.id))) == {digits, network}


def test_a_study_compares_it_with_a_source_that_has_learnt_its_responses(
    service: Service, network: str, digits: str, frozen: Any
) -> None:
    arms = [
        {"name": "frozen", "model_id": network, "method": "linear-probe"},
        {"name": "taught", "model": {"objective": "distillation", "embedder": "source:frozen"}},
    ]
    spec = StudySpec.model_validate(
        {
            "targets": [digits],
            "pool": digits,
            "sources": arms,
            "label_budgets": [9],
            "model": {"epochs": 1, "image_size": 16},
            "transfer": {"epochs": 1, "learning_rate": 0.003},
        }
    )
    study = service.row(Study, service.succeeded(service.submit("study", spec)))
    assert (study.complete, study.n_transfers) == (True, 2)
    rows = pq.read_table(service.store.path(study.artifact) / TRANSFERS_FILE).to_pylist()
    found = {row["source"]: row for row in rows}
    assert found["frozen"]["base_model_id"] is None
    assert found["frozen"]["accuracy"] == frozen.accuracy["value"]
    for arm in found.values():
        assert (arm["n_train"], arm["n_test"]) == (frozen.n_train, np.sum(frozen.confusion))


def test_several_stand_side_by_side(
    service: Service, anchors: AnchorSet, dataset: str, network: str, source: Model
) -> None:
    row = service.row(Embedder, anchors.embedder_id)
    fitted, *given = row.spec["embedder"]
    assert (row.kind, row.spec["fit_on"], given) == ("side-by-side", [dataset], [network, source.id])
    assert service.row(Embedder, fitted).kind == "patch-kmeans"
    parts = [responses(service, dataset, part) for part in (fitted, network, source.id)]
    assert row.dim == sum(part.shape[1] for part in parts)
    with transaction() as session:
        assert session.get(Responses, (dataset, row.id)) is None  # each part's are kept, and no more
        used = set(session.scalars(select(Use.used_id).where(Use.user_id == row.id)))
    assert used == {fitted, network, source.id}


def label(service: Service, anchors: AnchorSet, dataset: str, **options: Any) -> Labeling:
    spec = GeometryLabelingSpec(dataset_id=dataset, anchor_set_id=anchors.id, **options)
    row: Labeling = service.row(Labeling, service.succeeded(service.submit("labeling", spec)))
    return row


@pytest.fixture(scope="module")
def labeling(service: Service, anchors: AnchorSet, dataset: str) -> Labeling:
    return label(service, anchors, dataset, length=1)


def test_no_dataset_is_embedded_twice(
    service: Service, anchors: AnchorSet, labeling: Labeling, dataset: str
) -> None:
    assert "embedding" in stages(service, anchors.job_id)
    assert "embedding" not in stages(service, labeling.job_id)
    again = AnchorSetSpec.model_validate(
        {"embedder": anchors.spec["embedder"], "discover": {"dataset_id": dataset, "k": 3}}
    )
    other = service.row(AnchorSet, service.succeeded(service.submit("anchor-set", again)))
    assert other.embedder_id == anchors.embedder_id
    assert not {"embedding", "fitting the embedder"} & set(stages(service, other.job_id))


def test_weights_of_others_are_told_on(service: Service, labeling: Labeling) -> None:
    spec = PseudoLabelModelSpec(labeling_id=labeling.id, epochs=1, image_size=16)
    assert service.row(Model, service.succeeded(service.submit("model", spec))).third_party_weights


@pytest.fixture(scope="module")
def other_images(service: Service, _worker: None) -> str:
    return service.succeeded(submit_dataset(service, folders(2, 10, first=700), "other images"))


def test_other_images_are_labelled_in_the_same_space(
    service: Service, anchors: AnchorSet, other_images: str
) -> None:
    made = label(service, anchors, other_images)
    assert made.n_items == 20
    assert 0 <= made.report["mirror_agreement"] <= 1


def test_the_built_in_embedder_without_labels_is_fitted_and_kept(service: Service, other_images: str) -> None:
    spec = AnchorSetSpec.model_validate(
        {"embedder": "self-supervised", "discover": {"dataset_id": other_images, "k": 3}}
    )
    row = service.row(AnchorSet, service.succeeded(service.submit("anchor-set", spec)))
    fitted = service.row(Embedder, row.embedder_id)
    assert (fitted.kind, fitted.dim, fitted.channels) == ("self-supervised", 256, 3)
    assert fitted.seconds is not None
