"""A study is understood as a whole, or refused with each mistake at its place; what it found is served."""

import io
import re
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.db.resources import Study
from core.jobs.study_grid import Grid
from core.specs.studies import StudySpec
from tests.app.conftest import Api
from tests.app.made import Maker, filled

ROOT = Path(__file__).parents[2]
BUILT_IN = "patch-kmeans"
GEOMETRY = {"anchors": {"discover": {"k": 4}}, "labeling": {"length": 2}, "model": {"epochs": 2}}


def body(make: Maker, *sources: Any, **fields: Any) -> dict[str, Any]:
    return {"targets": [make.dataset()], "pool": make.dataset(), "sources": list(sources)} | fields


def test_ids_and_null_are_sources_and_every_default_is_filled_in(api: Api, make: Maker) -> None:
    source = make.model(dataset_id=make.dataset())
    human = {"name": "human", "model": {"objective": "human-labels", "epochs": 3}}
    asked = body(make, source, None, human, {"name": "g2l", **GEOMETRY}, model={"batch_size": 64})
    answer = api.client.post("/v1/studies", json=asked)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert job["error"] is None
    assert (job["kind"], job["state"], job["progress"]["total"]) == ("study", "running", 4)
    assert len(job["children"]) == 4  # two transfers, human labels, anchors
    by_name = {each["name"]: each for each in job["spec"]["sources"]}
    assert list(by_name) == [source, "scratch", "human", "g2l"]
    assert by_name["human"]["model"] | {"epochs": 3, "batch_size": 64} == by_name["human"]["model"]
    assert by_name["g2l"]["labeling"]["prefer"] == "explain"
    assert by_name["g2l"]["model"]["targets"] == "soft"
    assert job["spec"]["baseline"] == source
    assert api.client.get(f"/v1/jobs/{job['id']}").json()["spec"] == job["spec"]


def test_labels_and_datasets_that_a_recipe_names_need_no_pool(api: Api, make: Maker) -> None:
    pool = make.dataset()
    labeling = make.labeling(pool, make.anchor_set(make.embedder()))
    sources = [
        {"name": "labelled", "model": {"labeling_id": labeling}},
        {"name": "human", "model": {"objective": "human-labels", "dataset_id": pool}},
    ]
    answer = api.client.post("/v1/studies", json=body(make, *sources, pool=None))
    assert answer.status_code == 202, answer.text
    assert len(answer.json()["children"]) == 2


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        ({"name": "a", "model": {"objective": "human-labels", "epochs": 0}}, "#/sources/0/model/epochs"),
        ({"name": "a", "model": {"objective": "human-labels", "epoch": 1}}, "#/sources/0/model/epoch"),
        ({"name": "a", "model": {"objective": "magic"}}, "#/sources/0/model/objective"),
        ({"name": "a", "model": {}}, "#/sources/0/model"),
        ({"name": "a", **GEOMETRY, "labeling": {"length": 5}}, "#/sources/0/labeling/length"),
        ({"name": "a", "anchors": {"discover": {"k": 4000}}}, "#/sources/0/anchors/discover/k"),
        ({"name": "a", "labeling": {"method": "k-means"}}, "#/sources/0/labeling/n_classes"),
        ({"name": "a", "labeling": {"method": "k-means", "n_classes": 99}}, "#/sources/0/labeling/n_classes"),
        ({"name": "a", "model_id": "mdl_none"}, "#/sources/0/model_id"),
        ({"name": "a", "model": {"labeling_id": "lab_none"}}, "#/sources/0/model/labeling_id"),
        ({"name": "a", "anchors": {"embedder": "source:b"}}, "#"),
        ({"name": "a", "model_id": "mdl_1", "model": {}}, "#/sources/0"),
        (
            {"name": "a", "labeling": {"method": "shuffled", "labeling_id": "lab_x"}},
            "#/sources/0/labeling/labeling_id",
        ),
    ],
)
def test_a_mistake_in_a_recipe_is_told_at_its_place(
    api: Api, make: Maker, source: dict[str, Any], pointer: str
) -> None:
    assert pointer in api.pointers("/v1/studies", body(make, source))


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"targets": []}, "#/targets"),
        ({"targets": ["ds_none"]}, "#/targets/0"),
        ({"baseline": "nobody"}, "#"),
        ({"pool": None}, "#/pool"),
        ({"seeds": list(range(100)), "pretraining_seeds": list(range(100))}, "#"),  # 10,000 transfers
        ({"seeds": [1, 1]}, "#"),
        ({"transfer": {"epochs": 0}}, "#/transfer/epochs"),
        ({"model": {"learning_rates": [0.1]}}, "#/model/learning_rates"),
    ],
)
def test_a_mistake_in_the_study_is_told_at_its_place(
    api: Api, make: Maker, fields: dict[str, Any], pointer: str
) -> None:
    assert pointer in api.pointers("/v1/studies", body(make, {"name": "g2l", **GEOMETRY}, **fields))


def test_targets_need_labels_and_their_channels_a_source_that_takes_them(api: Api, make: Maker) -> None:
    human = {"name": "human", "model": {"objective": "human-labels"}}
    assert api.pointers("/v1/studies", body(make, human, targets=[make.dataset({})])) == ["#/targets/0"]
    five = make.dataset(channels=5)
    assert api.pointers("/v1/studies", body(make, human, targets=[five])) == ["#/sources/0"]
    assert api.pointers("/v1/studies", body(make, make.model(), targets=[five])) == ["#/sources/0/model_id"]
    assert api.pointers("/v1/studies", body(make, human, pool=make.dataset({}))) == [
        "#/sources/0/model/dataset_id"
    ]


def test_a_source_may_have_a_pool_of_its_own(api: Api, make: Maker) -> None:
    mixed = make.dataset({}, n_items=400)
    wider = {"name": "wider", "pool": mixed, **GEOMETRY}
    assert api.client.post("/v1/studies", json=body(make, wider, pool=None)).status_code == 202
    assert api.pointers("/v1/studies", body(make, wider | {"pool": "ds_none"})) == ["#/sources/0/pool"]
    further = {"name": "further", "model": {"objective": "human-labels", "init_model_id": "source:wider"}}
    assert api.pointers("/v1/studies", body(make, wider, further, pool=None)) == ["#/pool"]


def test_a_source_on_target_pools_suits_each_of_them(api: Api, make: Maker) -> None:
    targets, large, small = [make.dataset(), make.dataset()], make.dataset({}, n_items=900), make.dataset({})
    own = {"name": "own", "on_target_pools": True, "anchors": {}}
    asked = body(make, own, targets=targets, target_pools=[large, small], pool=None)
    answer = api.client.post("/v1/studies", json=asked)
    assert answer.status_code == 202, answer.text
    (source,) = answer.json()["spec"]["sources"]
    alone = api.client.post("/v1/studies", json=body(make, {"name": "a", "anchors": {}}, pool=small)).json()
    assert source["anchors"] == alone["spec"]["sources"][0]["anchors"]  # as many as suit the smaller
    assert "dataset_id" not in source["labeling"]
    assert (source["pool"], source["on_target_pools"]) == (None, True)
    too_many = own | {"anchors": {"discover": {"k": 500}}}
    assert api.pointers("/v1/studies", asked | {"sources": [too_many]}) == ["#/sources/0/anchors/discover/k"]
    five = [large, make.dataset({}, channels=5)]
    assert api.pointers("/v1/studies", asked | {"target_pools": five}) == ["#/sources/0"]
    assert api.pointers("/v1/studies", asked | {"target_pools": [large, "ds_none"]}) == ["#/target_pools/1"]


@pytest.mark.parametrize(
    ("second", "fields", "why"),
    [
        ({"pool": "$pool"}, {}, "either `pool` or `on_target_pools`"),
        ({"model": {"objective": "human-labels", "dataset_id": "$pool"}}, {}, "leave dataset_id out"),
        ({"model": {"labeling_id": "source:human"}}, {}, "which has no labeling_id"),
        ({"labeling": {"method": "shuffled", "labeling_id": "source:labelled"}}, {}, "labels another pool"),
        ({"anchors": None}, {}, "give what to train"),
        ({}, {"target_pools": None}, "give one a target"),
        ({}, {"target_pools": ["$pool", "$pool"]}, "target_pools has 2 entries"),
    ],
)
def test_what_is_trained_on_target_pools_has_no_other(
    api: Api, make: Maker, second: dict[str, Any], fields: dict[str, Any], why: str
) -> None:
    human = {"name": "human", "model": {"objective": "human-labels"}}
    labelled = {"name": "labelled", **GEOMETRY}
    own = {"name": "own", "on_target_pools": True, "anchors": {}, **second}
    asked = body(make, human, labelled, own)
    asked |= {"target_pools": [asked["pool"]]} | fields
    refused = api.client.post("/v1/studies", json=filled(asked, {"pool": asked["pool"]}))
    assert refused.status_code == 422
    assert why in refused.text


def test_what_stands_on_a_source_on_target_pools_is_trained_on_them_too(api: Api, make: Maker) -> None:
    own = {"name": "own", "on_target_pools": True, "anchors": {}}
    top = {"name": "top", "model": {"objective": "human-labels", "init_model_id": "source:own"}}
    asked = body(make, own, top)
    refused = api.client.post("/v1/studies", json=asked | {"target_pools": [asked["pool"]]})
    assert (refused.status_code, "set on_target_pools there too" in refused.text) == (422, True)


def test_anchors_that_are_a_targets_classes_stay_so_in_the_study(api: Api, make: Maker) -> None:
    named = {"name": "named", "on_target_pools": True, "anchors": {"labelled": {}}, "labeling": {"length": 2}}
    top = {"name": "top", "on_target_pools": True, "model": {"labeling_id": "source:named"}}
    asked = body(make, named, top)
    asked |= {"target_pools": [asked["pool"]], "label_budgets": [2, 5], "seeds": [0, 1]}
    answer = api.client.post("/v1/studies", json=asked)
    assert answer.status_code == 202, answer.text
    source, _ = answer.json()["spec"]["sources"]
    assert source["anchors"]["labelled"] == {"dataset_id": None, "label_budget": None, "seed": None}
    spec = StudySpec.model_validate(answer.json()["spec"])
    draws = [
        part.request().model_dump()["labelled"]
        for part in Grid(spec, {}, lambda _: 0.0).parts.values()
        if part.kind == "anchor-set"
    ]
    target = asked["targets"][0]
    assert draws == [
        {"dataset_id": target, "label_budget": budget, "seed": seed} for budget in (2, 5) for seed in (0, 1)
    ]
    apart = named | {"on_target_pools": False}
    refused = api.client.post("/v1/studies", json=asked | {"sources": [apart]})
    assert (refused.status_code, "set on_target_pools" in refused.text) == (422, True)
    too_long = named | {"labeling": {"length": 3}}  # the target has two classes
    assert api.pointers("/v1/studies", asked | {"sources": [too_long]}) == ["#/sources/0/labeling/length"]


def test_a_source_may_embed_beside_a_built_in_embedder(api: Api, make: Maker) -> None:
    first = {"name": "first", "model": {"objective": "self-supervised"}}
    second = {"name": "second", **GEOMETRY}
    both = {"name": "both", **GEOMETRY, "anchors": {"embedder": ["source:first", "source:second"]}}
    mixed = {"name": "mixed", "model": {"objective": "distillation", "embedder": ["source:first", BUILT_IN]}}
    assert api.client.post("/v1/studies", json=body(make, first, second, both, mixed)).status_code == 202


def test_only_convolutions_take_larger_images_than_they_were_trained_on(api: Api, make: Maker) -> None:
    frozen = {"name": "onnx", "model_id": make.model(role="embedder", arch="onnx"), "method": "linear-probe"}
    sources = [frozen, make.model(), {"name": "g2l", **GEOMETRY}]
    larger = {"transfer": {"image_size": 64}}
    assert api.client.post("/v1/studies", json=body(make, *sources, **larger)).status_code == 202
    vit = {"name": "vit", **GEOMETRY, "model": {"arch": "vit-tiny"}}
    imported = make.model(role="imported", arch="vit", image_size=32)
    on_theirs = {"name": "theirs", **GEOMETRY, "model": {"init_model_id": imported}}
    for source in (make.model(arch="vit-tiny"), vit, on_theirs):
        assert api.pointers("/v1/studies", body(make, *sources, source, **larger)) == [
            "#/transfer/image_size"
        ]


def test_a_network_that_only_embeds_is_a_source_when_frozen(api: Api, make: Maker) -> None:
    onnx = {"name": "onnx", "model_id": make.model(role="embedder", arch="onnx")}
    frozen = onnx | {"method": "linear-probe"}
    taught = {"name": "taught", "model": {"objective": "distillation", "embedder": "source:onnx"}}
    assert api.client.post("/v1/studies", json=body(make, frozen, taught)).status_code == 202
    refused = api.client.post("/v1/studies", json=body(make, onnx)).json()["errors"]
    assert [mistake["pointer"] for mistake in refused] == ["#/sources/0/model_id"]
    assert '`method: "linear-probe"`' in refused[0]["detail"]
    further = {"name": "further", "model": {"objective": "human-labels", "init_model_id": "source:onnx"}}
    where = "#/sources/1/model/init_model_id"
    assert api.pointers("/v1/studies", body(make, frozen, further)) == [where]


def test_what_a_study_found_is_served(api: Api, make: Maker) -> None:
    found = pa.table({"source": ["human", "g2l"], "seed": [0, 0], "accuracy": [0.5, 0.625]})
    file = io.BytesIO()
    pq.write_table(found, file)
    page = b"<!doctype html><title>s</title>"
    interval = {"value": 0.125, "low": None, "high": None, "level": 0.95}
    ahead = {"source": "g2l", "baseline": "human", "target": None, "label_budget": 10, "difference": interval}
    results: dict[str, Any] = {"sources": [], "table": [], "forecasts": [], "missing": []}
    results["differences"] = [ahead | {"n_pairs": 1, "n_targets": 1, "wins": 1, "losses": 0}]
    id_ = make._add(
        Study,
        {"name": "s", "complete": True, "n_transfers": 2, "baseline": "human", "results": results},
        files={"transfers.parquet": file.getvalue(), "report.html": page},
    )
    study = api.client.get(f"/v1/studies/{id_}").json()
    assert study["differences"][0]["difference"] == interval
    listed = api.client.get("/v1/studies", params={"job_id": study["job_id"]}).json()["items"]
    assert [each["id"] for each in listed] == [id_]
    rows = api.client.get(f"/v1/studies/{id_}/transfers", params={"format": "csv"}).text.split()
    assert rows == ["source,seed,accuracy", "human,0,0.5", "g2l,0,0.625"]
    whole = api.client.get(f"/v1/studies/{id_}/transfers?format=parquet")
    assert whole.content == file.getvalue()
    shown = api.client.get(f"/v1/studies/{id_}/report")
    assert (shown.content, shown.headers["content-type"]) == (page, "text/html; charset=utf-8")
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert api.client.delete(f"/v1/studies/{id_}").status_code == 204
    assert api.problem("GET", f"/v1/studies/{id_}/report")["status"] == 404


def test_the_study_of_the_documentation_is_taken(api: Api, make: Maker) -> None:
    examples = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/studies.md").read_text(), flags=re.DOTALL)
    asked, further = map(tomllib.loads, examples)
    asked["pool"] = make.dataset({"cat": 60, "dog": 60})
    asked["targets"] = [make.dataset() for _ in asked["targets"]]
    job = api.client.post("/v1/studies", json=asked).json()
    assert job["state"] == "running", job
    # Three targets, two budgets, four seeds: scratch once, seven recipes at two pretraining seeds.
    assert job["progress"]["total"] == 24 * (1 + 7 * 2)
    asked["target_pools"] = [make.dataset({}, n_items=100) for _ in further["target_pools"]]
    asked["sources"] += further["sources"]
    job = api.client.post("/v1/studies", json=asked).json()
    assert job["progress"]["total"] == 24 * (1 + 8 * 2), job
