"""Anchors that are the classes of labelled images, by a real worker."""

import json
from typing import Any

import numpy as np
import pytest

from core.db.resources import AnchorSet, Dataset, Embedder, Labeling, Model, Pipeline
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.pipelines import PipelineSpec
from g2l.anchors import load_anchor_set
from g2l.data.pack import Pack
from g2l.data.splits import budget_indices
from g2l.nn.embedders import load_embedder
from tests.workers.archives import folders, png, submit_dataset
from tests.workers.service import Service
from workers.labels import FILE, read_labels

BUDGET, SEED = 3, 5


@pytest.fixture(scope="module", autouse=True)
def _worker(service: Service) -> None:
    service.worker()


@pytest.fixture(scope="module")
def target(service: Service, _worker: None) -> str:
    """Three kinds, with a test part whose images lie in other folders than they belong to."""
    train = {f"train/{path}": image for path, image in folders(3, 12).items()}
    wrong = {f"test/kind{kind}/{n}.png": png(900 + n, kind=4) for kind in range(3) for n in range(9)}
    return service.succeeded(submit_dataset(service, train | wrong))


def test_they_are_the_means_of_the_labelled_images_that_a_transfer_is_given(
    service: Service, target: str
) -> None:
    labelled = {"dataset_id": target, "label_budget": BUDGET, "seed": SEED}
    spec = AnchorSetSpec.model_validate({"labelled": labelled, "seed": 1})
    row = service.row(AnchorSet, service.succeeded(service.submit("anchor-set", spec)))
    assert row.names == ["kind0", "kind1", "kind2"]
    assert row.metric == "mahalanobis"  # unless another is asked for, below
    made = load_anchor_set(service.store.path(row.artifact) / "anchors.npz")
    dataset = service.row(Dataset, target)
    pack = Pack(service.store.path(dataset.artifact))
    items = budget_indices(pack.class_ids, pack.target_split().train, BUDGET, seed=SEED)
    assert len(items) == 3 * BUDGET
    embedder = service.row(Embedder, row.embedder_id)
    network = load_embedder(service.store.path(embedder.artifact))
    prepared = made.metric.prepare(network.embed(pack.resized(16, 3, items)))
    assert row.label_accuracy["low"] < row.label_accuracy["value"] <= 1
    right = row.label_accuracy["value"] * len(items)
    assert right == pytest.approx(round(right))  # each was asked once
    for number, mean in enumerate(made.means):
        of_class = prepared[pack.class_ids[items] == number]
        np.testing.assert_allclose(mean, of_class.mean(0), atol=1e-5)


def test_they_lie_apart_in_the_metric_that_is_asked_for(service: Service, target: str) -> None:
    labelled = {"dataset_id": target, "label_budget": BUDGET, "seed": SEED}
    spec = AnchorSetSpec.model_validate({"labelled": labelled, "metric": "euclidean"})
    row = service.row(AnchorSet, service.succeeded(service.submit("anchor-set", spec)))
    assert row.metric == "euclidean"
    assert load_anchor_set(service.store.path(row.artifact) / "anchors.npz").metric.spread is None


def test_a_class_that_has_no_labelled_image_is_named(service: Service) -> None:
    images = {f"train/kind{kind}/{n}.png": png(n, kind=kind) for kind in range(2) for n in range(4)}
    images |= {f"test/{name}/0.png": png(90, kind=2) for name in ("kind0", "kind1", "unseen")}
    dataset = service.succeeded(submit_dataset(service, images))
    spec = AnchorSetSpec.model_validate({"labelled": {"dataset_id": dataset}})
    job = service.wait(service.submit("anchor-set", spec))
    assert job.state == "failed"
    error: Any = job.error
    assert "'unseen' has no labelled image" in error["detail"]
    assert [mistake["pointer"] for mistake in error["errors"]] == ["#/labelled"]


def test_a_pipeline_labels_the_pool_by_its_targets_classes(service: Service, target: str) -> None:
    pool = service.succeeded(
        submit_dataset(service, {f"all/{n}.png": png(50 + n, kind=n % 3) for n in range(45)})
    )
    asked = PipelineSpec.model_validate(
        {
            "dataset_id": pool,
            "anchors": {"labelled": {}},
            "labeling": {"length": 1, "prefer": "near"},
            "model": {"epochs": 1, "image_size": 16, "batch_size": 16},
            "transfer": {
                "dataset_id": target,
                "label_budget": BUDGET,
                "seed": SEED,
                "epochs": 1,
                "learning_rate": 0.003,
            },
        }
    )
    made = service.row(Pipeline, service.succeeded(service.submit("pipeline", asked)))
    labelled = {"dataset_id": target, "label_budget": BUDGET, "seed": SEED}
    anchors = service.row(AnchorSet, made.anchor_set_id)
    assert (anchors.spec["labelled"], anchors.metric) == (labelled, "mahalanobis")
    source = service.store.path(service.row(Model, made.model_id).artifact)
    origin = json.loads((source / "provenance.json").read_text())
    assert origin["anchor_set"]["labelled"] == labelled  # human labels went in, and whose
    labels = read_labels(service.store.path(service.row(Labeling, made.labeling_id).artifact) / FILE)
    right = [
        labels.classes[class_id] == f"kind{int(path.split('/')[-1].removesuffix('.png')) % 3}"
        for class_id, path in zip(labels.class_ids, labels.paths, strict=True)
    ]
    assert np.mean(right) > 0.8  # by chance a third
