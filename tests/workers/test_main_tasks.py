"""The main job by a real worker: anchors, labels, a source, forecasts, transfers, by what each has left."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from transformers import AutoModelForImageClassification

from app.schemas.resources import DivergencesOut, ScoresOut
from core.db.jobs import Job
from core.db.resources import (
    AnchorSet,
    Artifact,
    Dataset,
    Embedder,
    Forecast,
    Labeling,
    Model,
    Responses,
    Transfer,
    Use,
)
from core.db.session import transaction
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.base import Upload
from core.specs.forecasts import ForecastSpec
from core.specs.labelings import GeometryLabelingSpec, KMeansLabelingSpec, ShuffledLabelingSpec
from core.specs.models import HumanLabelModelSpec, ImportModelSpec, PseudoLabelModelSpec
from core.specs.pipelines import PipelineSpec
from core.specs.transfers import TransferSpec
from g2l.anchors import load_anchor_set
from g2l.data.crops import crops
from g2l.data.pack import Pack
from g2l.dataset_labels import label_dataset
from g2l.geometry import greedy_simplices
from g2l.labeling import soft_targets
from g2l.neighbours import over_neighbours
from g2l.nn.embedders import load_embedder
from tests.fixtures.images import photographs, saved
from tests.workers.archives import folders, submit_dataset, upload, zipped
from tests.workers.service import Service
from workers.labels import read_labels
from workers.past_transfers import accuracies_from_scratch, past_transfers

SMALL = {"epochs": 2, "image_size": 16, "batch_size": 32}
QUICK = {"epochs": 1, "learning_rate": 0.003, "image_size": 16}


@pytest.fixture(scope="module", autouse=True)
def _worker(service: Service) -> None:
    service.worker()


@pytest.fixture(scope="module")
def pool(service: Service, _worker: None) -> str:
    members = {path.replace("/", "-"): data for path, data in folders(5, 30).items()}
    return service.succeeded(submit_dataset(service, members))


@pytest.fixture(scope="module")
def target(service: Service, _worker: None) -> str:
    return service.succeeded(submit_dataset(service, folders(3, 12, first=1000), "target"))


@pytest.fixture(scope="module")
def children(service: Service, pool: str, target: str) -> dict[str, Job]:
    """The stages of a pipeline that has run to its end."""
    spec = PipelineSpec.model_validate(
        {
            "dataset_id": pool,
            "anchors": {"discover": {"k": 5}},
            "labeling": {"length": 2, "prefer": "far"},
            "model": SMALL | {"seed": 0, "name": "source"},
            "transfer": {"dataset_id": target, "label_budget": 5, "seed": 0} | QUICK,
        }
    )
    parent_id = service.submit("pipeline", spec)
    service.succeeded(parent_id)
    with transaction() as session:
        jobs = session.scalars(select(Job).where(Job.parent_id == parent_id)).all()
    return {str(job.role): job for job in jobs}


def made(service: Service, children: dict[str, Job], role: str, table: type[Any]) -> Any:
    return service.row(table, str((children[role].result or {})["id"]))


def test_the_embedder_is_fitted_on_the_pool_and_kept(
    service: Service, children: dict[str, Job], pool: str
) -> None:
    anchors = made(service, children, "anchors", AnchorSet)
    embedder = service.row(Embedder, anchors.embedder_id)
    assert embedder.kind == "patch-kmeans"
    assert embedder.spec == {"embedder": "patch-kmeans", "fit_on": [pool], "seed": 0}
    with transaction() as session:
        assert session.get(Responses, (pool, embedder.id)) is not None
        assert session.get(Use, (anchors.id, embedder.id)) is not None


def test_the_anchor_set_has_its_distances(service: Service, children: dict[str, Job]) -> None:
    anchors = made(service, children, "anchors", AnchorSet)
    distances = np.array(anchors.squared_distances)
    assert (anchors.k, len(set(anchors.names)), distances.shape) == (5, 5, (5, 5))
    np.testing.assert_array_equal(distances, distances.T)
    assert (np.diag(distances) == 0).all()


def test_labels_are_the_greedy_simplices_of_the_responses(
    service: Service, children: dict[str, Job], pool: str
) -> None:
    labeling = made(service, children, "labeling", Labeling)
    anchor_row = made(service, children, "anchors", AnchorSet)
    anchors = load_anchor_set(service.store.path(anchor_row.artifact) / "anchors.npz")
    with transaction() as session:
        kept = session.get_one(Responses, (pool, anchor_row.embedder_id))
    responses = np.load(service.store.path(kept.artifact) / "responses.npy")
    grown = greedy_simplices(anchors.distances_to(responses), anchors.squared_distances, 2, "far")
    labels = read_labels(service.store.path(labeling.artifact) / "labels.parquet")
    np.testing.assert_array_equal(labels.full, grown.order)
    assert labels.log_content is not None
    np.testing.assert_allclose(labels.log_content, grown.log_content[:, 1])
    assert labels.soft is not None
    assert labels.soft.shape == (150, 2, 5)
    np.testing.assert_allclose(labels.soft.sum(2), 1, rtol=1e-5)
    assert [labels.classes[i] for i in labels.class_ids[:3]] == [
        "-".join(anchors.names[a] for a in row) for row in grown.order[:3]
    ]


def test_labels_of_responses_that_are_averaged_over_views(
    service: Service, children: dict[str, Job], pool: str
) -> None:
    anchor_row = made(service, children, "anchors", AnchorSet)
    spec = GeometryLabelingSpec(dataset_id=pool, anchor_set_id=anchor_row.id, prefer="near", views=3)
    labeling = service.row(Labeling, service.succeeded(service.submit("labeling", spec)))
    images = Pack(service.store.path(service.row(Dataset, pool).artifact)).resized(16, 3)
    embedder = load_embedder(service.store.path(service.row(Embedder, anchor_row.embedder_id).artifact))
    seen = [images, *(crops(images, np.arange(len(images)), number) for number in (1, 2))]
    responses = np.mean([embedder.embed(each) for each in seen], axis=0)
    anchors = load_anchor_set(service.store.path(anchor_row.artifact) / "anchors.npz")
    grown = greedy_simplices(anchors.distances_to(responses), anchors.squared_distances, 2, "near")
    kept = read_labels(service.store.path(labeling.artifact) / "labels.parquet")
    assert (kept.full == grown.order).all(axis=1).mean() > 0.98  # ties aside
    k_means = KMeansLabelingSpec(method="k-means", dataset_id=pool, n_classes=4, views=2)
    assert service.row(Labeling, service.succeeded(service.submit("labeling", k_means))).n_classes == 4


def test_labels_of_responses_that_are_averaged_over_neighbours(
    service: Service, children: dict[str, Job], pool: str
) -> None:
    anchor_row = made(service, children, "anchors", AnchorSet)
    spec = GeometryLabelingSpec(dataset_id=pool, anchor_set_id=anchor_row.id, prefer="near", neighbours=4)
    labeling = service.row(Labeling, service.succeeded(service.submit("labeling", spec)))
    with transaction() as session:
        kept = session.get_one(Responses, (pool, anchor_row.embedder_id))
    anchors = load_anchor_set(service.store.path(anchor_row.artifact) / "anchors.npz")
    responses = np.load(service.store.path(kept.artifact) / "responses.npy")
    averaged = over_neighbours(responses, anchors.metric, 4)
    labels = read_labels(service.store.path(labeling.artifact) / "labels.parquet")
    of_averaged, of_plain = (
        greedy_simplices(anchors.distances_to(each), anchors.squared_distances, 2, "near").order
        for each in (averaged, responses)
    )
    assert (labels.full == of_averaged).all(axis=1).mean() > 0.98  # ties aside
    assert (labels.full == of_plain).all(axis=1).mean() < 0.98
    assert labels.soft is not None
    np.testing.assert_allclose(
        labels.soft, soft_targets(averaged, anchors, length=2, prefer="near"), atol=1e-4
    )


def test_the_labeling_reports_on_itself(service: Service, children: dict[str, Job]) -> None:
    labeling = made(service, children, "labeling", Labeling)
    report = labeling.report
    assert sum(entry["count"] for entry in labeling.classes) == labeling.n_items == 150
    assert len(report["bits_per_position"]) == 2
    assert sum(report["bits_per_position"]) == pytest.approx(labeling.entropy)
    assert 0 <= report["mirror_agreement"] <= 1
    assert report["images_per_second"] > 0
    assert report["largest_share"] == max(e["count"] for e in labeling.classes) / 150


def test_the_source_is_trained_on_soft_targets_over_the_anchors(
    service: Service, children: dict[str, Job]
) -> None:
    model, anchors = made(service, children, "model", Model), made(service, children, "anchors", AnchorSet)
    network = AutoModelForImageClassification.from_pretrained(service.store.path(model.artifact))
    assert [network.config.id2label[i] for i in range(5)] == anchors.names
    origin = json.loads((service.store.path(model.artifact) / "provenance.json").read_text())
    assert origin["labeling"]["labeling_id"] == model.labeling_id
    assert origin["anchor_set"] == {"anchor_set_id": anchors.id, "artifact": anchors.artifact}
    assert (origin["embedder_id"], origin["third_party_weights"]) == (anchors.embedder_id, False)
    card = (service.store.path(model.artifact) / "README.md").read_text()
    assert "no weights of third parties" in card


def test_the_transfer_is_tested_on_the_derived_split(
    service: Service, children: dict[str, Job], target: str
) -> None:
    model = made(service, children, "model", Model)
    gained, scratch = (made(service, children, role, Transfer) for role in ("transfer", "scratch"))
    n_test = service.row(Dataset, target).splits["test"]
    for transfer in (gained, scratch):
        assert np.sum(transfer.confusion) == n_test
        assert transfer.accuracy["low"] <= transfer.accuracy["value"] <= transfer.accuracy["high"]
        base = service.row(Model, transfer.base_model_id)
        assert (base.role, base.n_outputs, base.dataset_id) == ("base", 3, target)
    assert (gained.model_id, scratch.model_id) == (model.id, None)
    assert service.row(Model, gained.base_model_id).parent_model_id == model.id
    assert 0 < gained.divergence == gained.divergences["jensen_shannon"]
    assert gained.divergences.keys() == DivergencesOut.model_fields.keys()
    assert all(value > 0 for value in gained.divergences.values())
    assert 0 <= gained.knn_accuracy == gained.scores["knn"] <= 1
    assert gained.scores.keys() == ScoresOut.model_fields.keys()
    assert 0 < gained.scores["h_score"] < 2
    assert -6 <= gained.scores["gbc"] <= 0
    assert -np.log(3) <= gained.scores["nce"] <= 0
    assert gained.scores["leep"] <= 0
    assert (scratch.divergence, scratch.knn_accuracy) == (None, None)
    assert (scratch.scores, scratch.divergences) == (None, None)
    assert (scratch.twins["n_with_pool"], scratch.twins["dataset_ids"]) == (None, [])
    origin = json.loads(
        (
            service.store.path(service.row(Model, gained.base_model_id).artifact) / "provenance.json"
        ).read_text()
    )
    weights = service.row(Artifact, model.artifact).files["model.safetensors"]["sha256"]
    assert origin["parents"] == [{"model_id": model.id, "weights_sha256": weights}]
    assert origin["data"]["n_labelled_items"] == 15


def test_a_transfer_tells_which_test_images_its_weights_have_seen(service: Service) -> None:
    images = [Image.fromarray(pixels) for pixels in photographs(0, 32)]
    plain = [saved(image, "PNG") for image in images]
    altered = [  # other files of them, larger, left and right exchanged
        saved(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((40, 48)), "JPEG", quality=60)
        for image in images
    ]
    members = {f"kind{i % 2}/{i}.png": plain[i] for i in range(12)}
    pool = service.succeeded(submit_dataset(service, members))
    members = {f"train/kind{i % 2}/{i}.png": plain[i] for i in range(12, 20)}
    members |= {f"test/kind{i % 2}/{i}.jpg": altered[i] for i in (3, 4, 8, 15, *range(20, 24))}
    target = service.succeeded(submit_dataset(service, members, "planted"))
    paths = {
        id_: Pack(service.store.path(service.row(Dataset, id_).artifact)).paths.to_pylist()
        for id_ in (pool, target)
    }

    def transferred(model_id: str) -> tuple[str, dict[str, Any]]:
        spec = TransferSpec(dataset_id=target, model_id=model_id, **QUICK)
        done = service.row(Transfer, service.succeeded(service.submit("transfer", spec)))
        return done.base_model_id, done.twins or {}

    human = HumanLabelModelSpec(objective="human-labels", dataset_id=pool, **(SMALL | {"epochs": 1}))
    base_id, twins = transferred(service.succeeded(service.submit("model", human)))
    assert (twins["n_with_pool"], twins["n_with_train"], twins["share"]) == (3, 1, 0.5)
    assert (twins["dataset_ids"], twins["unknown_model_ids"]) == ([pool], [])
    assert twins["accuracy_without"]["value"] in {0, 0.25, 0.5, 0.75, 1}  # of four images
    pairs = {
        (paths[target][pair["item"]], paths[pair["dataset_id"]][pair["other_item"]])
        for pair in twins["pairs"]
        if pair["mirrored"] and pair["similarity"] >= 0.95
    }
    seen = {(f"test/kind{i % 2}/{i}.jpg", f"kind{i % 2}/{i}.png") for i in (3, 4, 8)}
    assert pairs == seen | {("test/kind1/15.jpg", "train/kind1/15.png")}
    _, of_base = transferred(base_id)  # whose weights have seen what those of its source had, too
    assert (of_base["n_with_pool"], of_base["dataset_ids"]) == (4, [target, pool])


def test_a_forecast_without_past_is_the_knn_score(service: Service, children: dict[str, Job]) -> None:
    forecast, transfer = (
        made(service, children, "forecast", Forecast),
        made(service, children, "transfer", Transfer),
    )
    (source,) = forecast.sources
    assert (forecast.calibrated, forecast.n_past_transfers) == (False, 0)
    assert source["expected_accuracy"] == {
        "value": transfer.knn_accuracy,
        "low": 0,
        "high": 1,
        "level": 0.9,
    }
    scratch = made(service, children, "scratch", Transfer)
    assert source["scratch_accuracy"] == pytest.approx(scratch.accuracy["value"])
    assert source["divergence"] == transfer.divergence
    assert source["scores"] == pytest.approx(transfer.scores)
    assert source["divergences"] == pytest.approx(transfer.divergences)


def test_sources_are_measured_at_the_size_of_the_transfer(
    service: Service, children: dict[str, Job], target: str
) -> None:
    """Not at their own: fine-tuning starts from the features that larger images have."""
    model = made(service, children, "model", Model)
    own = made(service, children, "transfer", Transfer)  # at its 16 pixels
    larger = QUICK | {"image_size": 32, "label_budget": 5, "seed": 0}
    asked = TransferSpec(dataset_id=target, model_id=model.id, **larger)
    transfer = service.row(Transfer, service.succeeded(service.submit("transfer", asked)))
    assert set(transfer.scores) == set(own.scores)
    assert all(transfer.scores[name] != own.scores[name] for name in ("logme", "h_score", "leep"))
    assert transfer.divergences == pytest.approx(own.divergences)
    spec = ForecastSpec(dataset_id=target, model_ids=[model.id], label_budget=5, image_size=32)
    forecast = service.row(Forecast, service.succeeded(service.submit("forecast", spec)))
    assert forecast.sources[0]["scores"] == pytest.approx(transfer.scores)


def test_a_forecast_says_what_the_target_is_like_in_the_sources_words(
    service: Service, children: dict[str, Job], target: str, pool: str
) -> None:
    (source,) = made(service, children, "forecast", Forecast).sources
    anchor_row = made(service, children, "anchors", AnchorSet)
    # By energy, with the pool's own embedder: another anchor set for the same responses.
    spec = AnchorSetSpec.model_validate(
        {
            "discover": {"dataset_id": pool, "k": 4},
            "embedder": anchor_row.embedder_id,
            "metric": "energy",
        }
    )
    by_energy = service.row(AnchorSet, service.succeeded(service.submit("anchor-set", spec)))
    asked = GeometryLabelingSpec(dataset_id=target, anchor_set_id=by_energy.id, length=2, prefer="explain")
    labeling = service.row(Labeling, service.succeeded(service.submit("labeling", asked)))
    assert labeling.report["negative_share"] == 0
    with transaction() as session:
        kept = session.get_one(Responses, (target, anchor_row.embedder_id))
    responses = np.load(service.store.path(kept.artifact) / "responses.npy")
    anchors, energy = (
        load_anchor_set(service.store.path(row.artifact) / "anchors.npz") for row in (anchor_row, by_energy)
    )
    here = label_dataset(responses, anchors).to_dict()
    label = dict(source["target_label"])
    # Another process may add up in another order, on some processors.
    assert label.pop("margin") == pytest.approx(here.pop("margin"), rel=1e-9)
    told, measured = (
        {a["name"]: a["squared_distance"] for a in each.pop("anchors")} for each in (label, here)
    )
    assert list(told) == list(measured)
    assert told == pytest.approx(measured, rel=1e-9)
    assert label == {"anchor_set_id": anchor_row.id, **here}
    grown = greedy_simplices(energy.distances_to(responses), energy.squared_distances, 2, "explain")
    labels = read_labels(service.store.path(labeling.artifact) / "labels.parquet")
    np.testing.assert_array_equal(labels.full, grown.order)


def test_a_forecast_leaves_out_transfers_to_the_same_target(
    service: Service, children: dict[str, Job], target: str, pool: str
) -> None:
    model = made(service, children, "model", Model)
    again = service.succeeded(submit_dataset(service, folders(3, 12, first=1000), "the same, uploaded again"))
    spec = ForecastSpec(dataset_id=again, model_ids=[model.id], label_budget=5, target_accuracy=0.99)
    forecast = service.row(Forecast, service.succeeded(service.submit("forecast", spec)))
    targets = [past.target_id for past in past_transfers(accuracies_from_scratch())]  # of other tests too
    content = service.row(Dataset, again).artifact
    elsewhere = [target for target in targets if target != content]
    assert len(elsewhere) < len(targets)
    assert (forecast.n_past_transfers, forecast.n_past_targets) == (len(elsewhere), len(set(elsewhere)))
    assert forecast.sources[0]["reaches_target"] is None
    scratch = made(service, children, "scratch", Transfer)  # of the upload before
    assert forecast.sources[0]["scratch_accuracy"] == pytest.approx(scratch.accuracy["value"])
    beside = [past for past in past_transfers(accuracies_from_scratch()) if past.target_id == content]
    assert scratch.accuracy["value"] in [past.source.figures["scratch"] for past in beside]
    other = service.succeeded(submit_dataset(service, folders(2, 8, first=2000), "another"))
    spec = ForecastSpec(dataset_id=other, model_ids=[model.id])
    forecast = service.row(Forecast, service.succeeded(service.submit("forecast", spec)))
    assert forecast.sources[0]["scratch_accuracy"] is None
    known = {"n_past_transfers": len(targets), "n_past_targets": len(set(targets))}
    assert (forecast.n_past_transfers, forecast.n_past_targets) == tuple(known.values())
    assert forecast.calibration is not None
    assert forecast.calibration.pop("version")
    assert forecast.calibration == {"figures": ["knn"], **known}


def test_the_controls(service: Service, children: dict[str, Job], pool: str) -> None:
    labeling = made(service, children, "labeling", Labeling)
    spec = KMeansLabelingSpec(method="k-means", dataset_id=pool, embedder=labeling.embedder_id, n_classes=4)
    clusters = service.row(Labeling, service.succeeded(service.submit("labeling", spec)))
    labels = read_labels(service.store.path(clusters.artifact) / "labels.parquet")
    assert (clusters.method, clusters.n_classes, clusters.embedder_id) == ("k-means", 4, labeling.embedder_id)
    assert labels.soft is not None
    assert (labels.soft[:, 0].argmax(1) == labels.class_ids).mean() > 0.9
    shuffle = ShuffledLabelingSpec(method="shuffled", labeling_id=clusters.id, seed=1)
    shuffled = service.row(Labeling, service.succeeded(service.submit("labeling", shuffle)))
    dealt = read_labels(service.store.path(shuffled.artifact) / "labels.parquet")
    assert shuffled.classes == clusters.classes
    assert not np.array_equal(dealt.class_ids, labels.class_ids)
    assert dealt.paths == labels.paths


@pytest.mark.parametrize(
    ("heads", "targets"), [("positions", "soft"), ("positions", "hard"), ("flat", "hard")]
)
def test_every_head_and_target_trains(
    service: Service, children: dict[str, Job], target: str, heads: Any, targets: Any
) -> None:
    labeling = made(service, children, "labeling", Labeling)
    spec = PseudoLabelModelSpec(
        labeling_id=labeling.id, heads=heads, targets=targets, **(SMALL | {"epochs": 1})
    )
    model = service.row(Model, service.succeeded(service.submit("model", spec)))
    assert model.n_outputs == (2 * 5 if heads == "positions" else labeling.n_classes)
    asked = ForecastSpec(dataset_id=target, model_ids=[model.id], label_budget=5)
    (known,) = service.row(Forecast, service.succeeded(service.submit("forecast", asked))).sources
    assert all(value is not None for value in known["scores"].values())


def test_given_anchors_carry_their_names_and_an_import_marks_what_is_made_of_it(
    service: Service, children: dict[str, Job], target: str, pool: str
) -> None:
    source = service.store.path(made(service, children, "model", Model).artifact)
    body = zipped({name: (source / name).read_bytes() for name in ("config.json", "model.safetensors")})
    sent: Upload = upload(service, body, "model.zip")
    imported = service.succeeded(service.submit("model", ImportModelSpec(name="theirs", upload=sent)))
    anchors = [{"name": f"of-{c}", "dataset_id": target, "class": c} for c in ("kind0", "kind1", "kind2")]
    spec = AnchorSetSpec.model_validate({"embedder": imported, "anchors": anchors, "metric": "hellinger"})
    row = service.row(AnchorSet, service.succeeded(service.submit("anchor-set", spec)))
    assert (row.names, row.embedder_id) == (["of_kind0", "of_kind1", "of_kind2"], imported)
    transfer = TransferSpec(
        dataset_id=target, model_id=imported, label_budget=5, epochs=1, method="linear-probe"
    )
    done = service.row(Transfer, service.succeeded(service.submit("transfer", transfer)))
    assert (done.divergence, done.divergences) == (None, None)  # no pool is known
    assert done.scores["leep"] <= 0  # by the imported classifier
    assert done.learning_rate is None
    assert done.twins is not None
    assert (done.twins["n_with_pool"], done.twins["unknown_model_ids"]) == (None, [imported])
    assert service.row(Model, done.base_model_id).third_party_weights


def test_nothing_half_made_is_left(service: Service, children: dict[str, Job]) -> None:
    service.until(lambda: service.half_made() == [])
    assert service.half_made() == []
