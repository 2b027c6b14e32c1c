"""What a dataset is like, over HTTP, from what jobs have left."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.artifacts import record
from core.db.resources import Responses
from core.db.session import transaction
from g2l.anchors import AnchorSet, fit_anchors
from g2l.dataset_labels import label_dataset
from g2l.standardization import Standardization, fit_standardization
from tests.app.conftest import Api
from tests.app.made import Maker

Matrix = NDArray[np.float32]
NAMES = ("animal", "plant", "texture")


def domain(number: int, n: int = 50, *, seed: int = 0) -> Matrix:
    noise = np.random.default_rng([seed, number]).normal(size=(n, 8))
    return (np.random.default_rng([9, number]).normal(size=8) + 0.4 * noise).astype(np.float32)


def anchors_of(metric: str = "euclidean") -> AnchorSet:
    return fit_anchors({name: domain(number) for number, name in enumerate(NAMES)}, metric)


def keep(make: Maker, files: dict[str, bytes]) -> str:
    with transaction() as session:
        return record(session, make.publish(files))


def keep_responses(make: Maker, dataset_id: str, embedder_id: str, responses: Matrix) -> None:
    content = io.BytesIO()
    np.save(content, responses)
    artifact = keep(make, {"responses.npy": content.getvalue()})
    with transaction() as session:
        session.add(Responses(dataset_id=dataset_id, embedder_id=embedder_id, artifact=artifact))


def keep_anchors(make: Maker, embedder_id: str, anchors: AnchorSet, folder: Path) -> str:
    anchors.save(folder / "anchors.npz")
    artifact = keep(make, {"anchors.npz": (folder / "anchors.npz").read_bytes()})
    return make.anchor_set(embedder_id, 3, names=list(NAMES), metric=anchors.metric.name, artifact=artifact)


@pytest.mark.parametrize("metric", ["euclidean", "energy"])
def test_a_dataset_says_what_it_is_like(api: Api, make: Maker, tmp_path: Path, metric: str) -> None:
    dataset_id, embedder_id, anchors = make.dataset(), make.embedder(), anchors_of(metric)
    anchor_set_id = keep_anchors(make, embedder_id, anchors, tmp_path)
    mixed = np.concatenate([domain(2, 30, seed=1), domain(1, 20, seed=1)])
    keep_responses(make, dataset_id, embedder_id, mixed)
    plain = api.client.get(f"/v1/datasets/{dataset_id}").json()
    body = api.client.get(f"/v1/datasets/{dataset_id}?anchor_set_id={anchor_set_id}").json()
    expected = label_dataset(mixed, anchors)
    assert plain["pseudo_label"] is None
    assert body["pseudo_label"] == {
        "anchor_set_id": anchor_set_id,
        "label": "texture-plant",
        "margin": expected.margin,
        "anchors": [
            {"name": NAMES[k], "squared_distance": expected.squared_distances[k]}
            for k in np.argsort(expected.squared_distances)
        ],
    }
    assert body | {"pseudo_label": None} == plain


def test_embedders_side_by_side_are_joined(api: Api, make: Maker, tmp_path: Path) -> None:
    dataset_id, parts = make.dataset(), [make.embedder(), make.embedder()]
    responses = [np.tile(domain(number, 200), 2) for number in (0, 1)]
    fitted: Standardization = fit_standardization(responses)
    fitted.save(tmp_path / "standardization.npz")
    artifact = keep(make, {"standardization.npz": (tmp_path / "standardization.npz").read_bytes()})
    joined_id = make.embedder(kind="side-by-side", dim=32, spec={"embedder": parts}, artifact=artifact)
    joined = fitted.join(responses)
    anchors = fit_anchors(dict(zip(NAMES, np.split(joined[:180], 3), strict=True)))
    anchor_set_id = keep_anchors(make, joined_id, anchors, tmp_path)
    path = f"/v1/datasets/{dataset_id}?anchor_set_id={anchor_set_id}"
    keep_responses(make, dataset_id, parts[0], responses[0])
    assert api.problem("GET", path)["status"] == 409
    keep_responses(make, dataset_id, parts[1], responses[1])
    found = api.client.get(path).json()["pseudo_label"]
    distances = label_dataset(joined, anchors).squared_distances
    assert [entry["squared_distance"] for entry in found["anchors"]] == pytest.approx(sorted(distances))


def test_without_responses_the_refusal_names_the_request_that_makes_them(api: Api, make: Maker) -> None:
    dataset_id, anchor_set_id = make.dataset(), make.anchor_set(make.embedder())
    refused = api.problem("GET", f"/v1/datasets/{dataset_id}?anchor_set_id={anchor_set_id}")
    assert (refused["status"], refused["type"]) == (409, "/problems/no-responses")
    assert f'POST /v1/labelings {{"dataset_id": "{dataset_id}"' in refused["detail"]
    assert anchor_set_id in refused["detail"]


def test_what_can_never_be_is_refused_at_the_query(api: Api, make: Maker) -> None:
    dataset_id = make.dataset()
    wide = make.anchor_set(make.embedder(channels=13))
    vectors = make.anchor_set(make.embedder(kind="identity", dim=16))
    for anchor_set_id in ("anc_none", dataset_id, "x y\x7f", wide, vectors):
        refused = api.problem("GET", f"/v1/datasets/{dataset_id}", params={"anchor_set_id": anchor_set_id})
        assert refused["status"] == 422, anchor_set_id
        assert [error["pointer"] for error in refused["errors"]] == ["#/query/anchor_set_id"]
    assert api.problem("GET", f"/v1/datasets/ds_none?anchor_set_id={wide}")["status"] == 404
