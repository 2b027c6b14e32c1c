"""Every resource is listed newest first, read, and deleted unless something needs it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.db.session import transaction
from core.jobs import transitions
from core.specs.anchor_sets import AnchorSetSpec
from tests.app.conftest import Api
from tests.app.made import ACCURACY, Maker


def _walk(api: Api, path: str, **params: Any) -> list[list[dict[str, Any]]]:
    """The pages of a list, by its `Link` headers."""
    pages: list[list[dict[str, Any]]] = []
    url: str | None = path
    while url is not None:
        answer = api.client.get(url, params=params if url == path else None)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body.keys() == {"items", "next_cursor"}
        pages.append(body["items"])
        following = answer.links.get("next")
        url = following["url"] if following else None
        assert (url is None) == (body["next_cursor"] is None)
        assert url is None or body["next_cursor"] in url
    return pages


def test_lists_are_paged_newest_first_while_rows_come_and_go(api: Api, make: Maker) -> None:
    ids = [make.dataset(name="listed") for _ in range(7)]
    pages = _walk(api, "/v1/datasets", limit=3, name="listed")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [entry["id"] for page in pages for entry in page] == ids[::-1]
    first = api.client.get("/v1/datasets?limit=3&name=listed").json()
    make.dataset(name="listed")
    api.client.delete(f"/v1/datasets/{ids[4]}")  # the last of the first page
    second = api.client.get(f"/v1/datasets?limit=3&name=listed&cursor={first['next_cursor']}").json()
    assert [entry["id"] for entry in second["items"]] == ids[3:0:-1]


def test_a_list_of_one_page_has_no_next(api: Api, make: Maker) -> None:
    make.dataset(name="alone")
    (page,) = _walk(api, "/v1/datasets", name="alone", limit=1)
    assert len(page) == 1
    assert _walk(api, "/v1/datasets", name="none such") == [[]]


def test_a_dataset(api: Api, make: Maker) -> None:
    body = api.client.get(f"/v1/datasets/{make.dataset(name='pool')}").json()
    fields = (
        "id name n_items n_rejected rejected classes splits image_size channels dtype sha256 bytes created_at"
    )
    assert set(fields.split()) <= body.keys()
    assert body["classes"] == [{"name": "cat", "count": 6}, {"name": "dog", "count": 6}]
    assert body["splits"] == {"train": 12, "test": 0, "derived": False}
    assert body["image_size"] == {"min": 24, "max": 32}
    assert body["created_at"].endswith("Z")
    vectors = api.client.get(f"/v1/datasets/{make.embeddings(16)}").json()
    assert (vectors["kind"], vectors["image_size"], vectors["channels"]) == ("embeddings", None, 16)


def test_embedders_are_built_in_fitted_and_models(api: Api, make: Maker) -> None:
    embedder, model = make.embedder(), make.model()
    for limit in (1, 2, 50):
        found = [entry for page in _walk(api, "/v1/embedders", limit=limit) for entry in page]
        assert [entry["id"] for entry in found][:6] == [
            "self-supervised", "patch-kmeans", "identity", "anchor-network", model, embedder,
        ]  # fmt: skip
        assert [entry["source"] for entry in found][:6] == ["built-in"] * 4 + ["model", "fitted"]
    assert [entry["id"] for entry in found if entry["default"]] == ["patch-kmeans"]
    for id_ in ("patch-kmeans", embedder, model):
        assert api.client.get(f"/v1/embedders/{id_}").json()["id"] == id_
    assert api.problem("DELETE", "/v1/embedders/patch-kmeans")["status"] == 409
    assert api.problem("DELETE", f"/v1/embedders/{model}")["status"] == 404
    assert api.client.delete(f"/v1/embedders/{embedder}").status_code == 204


def test_an_anchor_set_has_its_distances_and_its_file(api: Api, make: Maker) -> None:
    anchors = make.anchor_set(make.embedder(), k=3, name="three")
    body = api.client.get(f"/v1/anchor-sets/{anchors}").json()
    assert body["k"] == 3
    assert body["squared_distances"] == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    ((listed,),) = _walk(api, "/v1/anchor-sets", name="three")
    assert listed == body | {"squared_distances": None}
    assert api.client.get(f"/v1/anchor-sets/{anchors}/anchors").content == b"numbers"


def test_a_labeling(api: Api, make: Maker) -> None:
    dataset = make.dataset()
    labeling = make.labeling(dataset, name="mine")
    body = api.client.get(f"/v1/labelings/{labeling}").json()
    fields = "classes n_items n_classes entropy degenerate_share margin_quantiles"
    assert set(fields.split()) <= body.keys()
    for params in ({"dataset_id": dataset}, {"name": "mine"}, {"method": "k-means"}):
        assert labeling in [entry["id"] for entry in _walk(api, "/v1/labelings", **params)[0]]
    assert _walk(api, "/v1/labelings", dataset_id="ds_none") == [[]]


def test_models_are_found_by_what_they_are(api: Api, make: Maker) -> None:
    dataset = make.dataset()
    model = make.model(dataset_id=dataset, arch="vit-tiny", role="imported", name="found")
    make.model()
    for params in (
        {"dataset_id": dataset}, {"arch": "vit-tiny"}, {"role": "imported"}, {"name": "found"},
    ):  # fmt: skip
        assert [entry["id"] for entry in _walk(api, "/v1/models", **params)[0]] == [model]
    body = api.client.get(f"/v1/models/{model}").json()
    assert [entry["path"] for entry in body["files"]] == [
        "README.md", "config.json", "model.safetensors", "provenance.json",
    ]  # fmt: skip
    for entry in body["files"]:
        assert len(api.client.get(entry["href"]).content) == entry["bytes"]


def test_a_transfer_stands_beside_the_same_recipe_from_scratch(api: Api, make: Maker) -> None:
    target, model = make.dataset(), make.model()
    transfer = make.transfer(target, model)
    get: Callable[[], Any] = lambda: api.client.get(f"/v1/transfers/{transfer}").json()  # noqa: E731
    assert get()["accuracy"] == ACCURACY
    assert get()["scratch_accuracy"] is None
    for other in (
        {"epochs": 4},
        {"seed": 1},
        {"label_budget": None},
        {"label_budget": 5},
        {"arch": "vit-tiny"},
    ):
        make.transfer(target, None, **other)
    make.transfer(make.dataset(), None)
    assert get()["scratch_accuracy"] is None
    scratch = ACCURACY | {"value": 0.3}
    make.transfer(target, None, accuracy=scratch)
    assert get()["scratch_accuracy"] == scratch
    whole = make.transfer(target, model, label_budget=None)
    assert api.client.get(f"/v1/transfers/{whole}").json()["scratch_accuracy"] == ACCURACY
    listed = {entry["id"]: entry for entry in _walk(api, "/v1/transfers", dataset_id=target)[0]}
    assert listed[transfer] == get()


def test_a_forecast(api: Api, make: Maker) -> None:
    forecast = make.forecast(make.dataset(), make.model())
    body = api.client.get(f"/v1/forecasts/{forecast}").json()
    assert body["calibrated"] is False
    assert body["sources"][0]["expected_accuracy"] == {"value": None, "low": 0, "high": 1, "level": 0.9}
    assert body["calibration"] is None
    assert body["sources"][0]["outcome"] is None


def test_a_forecast_meets_its_outcome(api: Api, make: Maker, tmp_path: Path) -> None:
    target, other = make.dataset(), make.packed(tmp_path)
    source, unmet = make.model(), make.model()
    expected = {"value": 0.5, "low": 0.4, "high": 0.6, "level": 0.9}
    forecast = make.forecast(
        target,
        source,
        spec={"model_ids": [source, unmet], "label_budget": 5},
        sources=[
            {"model_id": id_, "divergence": None, "expected_accuracy": expected, "rank": 1}
            for id_ in (source, unmet)
        ],
        calibrated=True,
        calibration={"version": "abc", "figures": ["knn"], "n_past_transfers": 90, "n_past_targets": 9},
    )

    def transfer(dataset: str, accuracy: float, *, budget: int = 5, method: str = "fine-tune") -> None:
        value = {"value": accuracy, "low": 0.0, "high": 1.0, "level": 0.95}
        make.transfer(dataset, source, accuracy=value, label_budget=budget, spec={"method": method})

    transfer(target, 0.9, budget=20)
    transfer(target, 0.9, method="linear-probe")
    transfer(other, 0.9)
    assert [s["outcome"] for s in api.client.get(f"/v1/forecasts/{forecast}").json()["sources"]] == [None] * 2
    transfer(target, 0.55)
    transfer(target, 0.57)
    met, never = api.client.get(f"/v1/forecasts/{forecast}").json()["sources"]
    assert met["outcome"] == {"accuracy": pytest.approx(0.56), "n_transfers": 2, "inside": True}
    assert never["outcome"] is None
    listed = _walk(api, "/v1/forecasts", dataset_id=target)[0]
    assert listed[0]["sources"][0]["outcome"] == met["outcome"]
    scores = {entry["version"]: entry for entry in api.client.get("/v1/forecasts/outcomes").json()["items"]}
    assert scores["abc"] == {
        "version": "abc",
        "calibrated": True,
        "n_outcomes": 1,
        "n_targets": 1,
        "mean_absolute_error": pytest.approx(0.06),
        "coverage": 1,
    }


def test_a_model_is_found_by_any_of_its_labelings(api: Api, make: Maker) -> None:
    dataset = make.dataset()
    first, second, other = (make.labeling(dataset) for _ in range(3))
    of_two = make.model(labeling_id=first, labeling_ids=[first, second])
    older = make.model(labeling_id=other)  # as a worker of before wrote it

    def found(labeling: str) -> list[str]:
        page = api.client.get("/v1/models", params={"labeling_id": labeling}).json()
        return [item["id"] for item in page["items"]]

    assert found(first) == found(second) == [of_two]
    assert found(other) == [older]
    assert api.client.get(f"/v1/models/{of_two}").json()["labeling_ids"] == [first, second]


def test_what_is_in_use_is_not_deleted(api: Api, make: Maker) -> None:
    dataset, embedder = make.dataset(), make.embedder()
    anchors = make.anchor_set(embedder)
    labeling = make.labeling(dataset, anchors)
    model = make.model(labeling_id=labeling, dataset_id=dataset)
    target = make.dataset()
    transfer = make.transfer(target, model)
    base = api.client.get(f"/v1/transfers/{transfer}").json()["base_model_id"]
    forecast = make.forecast(target, model)
    order = [
        (f"/v1/forecasts/{forecast}", []),
        (f"/v1/transfers/{transfer}", []),
        (f"/v1/models/{base}", [transfer]),
        (f"/v1/models/{model}", [transfer, base, forecast]),
        (f"/v1/labelings/{labeling}", [model]),
        (f"/v1/anchor-sets/{anchors}", [labeling]),
        (f"/v1/embedders/{embedder}", [anchors]),
        (f"/v1/datasets/{dataset}", [labeling, model]),
        (f"/v1/datasets/{target}", [transfer, base, forecast]),
    ]
    for path, users in order[2:]:
        problem = api.problem("DELETE", path)
        assert problem["type"] == "/problems/in-use"
        for user in users:
            assert user in problem["detail"]
    for path, _ in order:
        answer = api.client.delete(path)
        assert (answer.status_code, answer.content) == (204, b""), (path, answer.text)
        assert api.problem("GET", path)["status"] == 404
        assert api.problem("DELETE", path)["status"] == 404


def test_an_unfinished_job_needs_its_inputs(api: Api, make: Maker) -> None:
    dataset = make.dataset()
    job = api.client.post("/v1/anchor-sets", json={"discover": {"dataset_id": dataset, "k": 4}}).json()["id"]
    assert job in api.problem("DELETE", f"/v1/datasets/{dataset}")["detail"]
    api.client.post(f"/v1/jobs/{job}/cancel")
    assert api.client.delete(f"/v1/datasets/{dataset}").status_code == 204


def test_a_deletion_under_way_makes_a_submission_fail(api: Api, make: Maker) -> None:
    dataset = make.dataset()
    spec = AnchorSetSpec.model_validate({"discover": {"dataset_id": dataset, "k": 4}})
    with transaction() as session:
        transitions.submit(session, "anchor-set", spec)
        session.flush()
        import threading

        answers: list[int] = []
        deleting = threading.Thread(
            target=lambda: answers.append(api.client.delete(f"/v1/datasets/{dataset}").status_code)
        )
        deleting.start()
        deleting.join(0.5)
        assert answers == []  # it waits for the submission, which locks the row
    deleting.join(30)
    assert answers == [409]


@pytest.mark.parametrize(
    "path",
    [
        "datasets",
        "embedders",
        "anchor-sets",
        "labelings",
        "models",
        "transfers",
        "forecasts",
        "pipelines",
        "jobs",
    ],
)
def test_every_list_takes_the_same_query(api: Api, path: str) -> None:
    assert api.problem("GET", f"/v1/{path}?limit=201")["errors"][0]["pointer"] == "#/query/limit"
    assert api.problem("GET", f"/v1/{path}?cursor=@")["errors"][0]["pointer"] == "#/query/cursor"
    assert api.problem("GET", f"/v1/{path}?page=2")["errors"][0]["pointer"] == "#/query/page"
    assert api.client.get(f"/v1/{path}?limit=200").status_code == 200
