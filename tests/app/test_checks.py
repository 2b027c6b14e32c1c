"""What can be known at POST is refused at POST, with a pointer to the field."""

from typing import Any

import pytest

from app.checks.starts import SMALLEST_IMAGE
from core.specs.models import Architecture
from tests.app.conftest import Api
from tests.app.made import Maker, filled


@pytest.fixture
def ruled(ids: dict[str, str], make: Maker) -> str:
    """A labeling with a rule of its own, made before there were views."""
    rule = {"length": 2, "prefer": "far", "project": False, "ordered": False, "min_class_size": 4}
    spec = {"method": "geometry", "anchor_set_id": ids["anc"], "max_classes": None, "temperature": None}
    return make.labeling(ids["pool"], ids["anc"], spec=rule | spec | {"dataset_id": ids["pool"]})


@pytest.fixture(scope="module")
def ids(make: Maker) -> dict[str, str]:
    """One of everything that requests name."""
    emb = make.embedder()
    vectors, other_vectors = make.embeddings(16), make.embeddings(8)
    identity = make.embedder(kind="identity", dim=16, channels=16)
    pool = make.dataset({"cat": 60, "dog-s": 60})
    anchors = make.anchor_set(emb, k=4)
    labeling = make.labeling(pool, anchors)
    vector_anchors = make.anchor_set(identity, k=4)
    return {
        "pool": pool,
        "grey": make.dataset(channels=1),
        "bands": make.dataset(channels=5),
        "more_bands": make.dataset(channels=7),
        "unlabelled": make.dataset({}, n_items=100),
        "one_class": make.dataset({"cat": 12}),
        "single": make.dataset({"cat": 12, "dog": 1}),
        "alike": make.dataset({"cat!": 6, "cat?": 6}),
        "patients": make.dataset(spec={"group_by": "folder"}),
        "vectors": vectors,
        "other_vectors": other_vectors,
        "emb": emb,
        "identity": identity,
        "beside": make.embedder(kind="side-by-side", spec={"embedder": [emb, "mdl_x"]}),
        "anc": anchors,
        "vector_anc": vector_anchors,
        "lab": labeling,
        "k_means": make.labeling(pool, soft=False),
        "same": make.labeling(pool, n_classes=1),
        "lab2": make.labeling(pool, anchors),
        "other_lab": make.labeling(make.dataset(), anchors),
        "bare_lab": make.labeling(make.dataset({}, n_items=100), anchors),
        "vector_lab": make.labeling(vectors, vector_anchors),
        "mdl": make.model(),
        "bands_mdl": make.model(channels=5),
        "large_mdl": make.model(arch="resnet-18", image_size=48),
        "vit": make.model(arch="vit-tiny"),
        "theirs": make.model(role="imported", arch="resnet", image_size=64),
        "their_vit": make.model(role="imported", arch="vit", image_size=64),
        "onnx": make.model(role="embedder", arch="onnx"),
        "huge": make.model(role="imported", image_size=2048),
    }


def _two(**second: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "dataset_id": "$pool"}, {"name": "b", "dataset_id": "$grey"} | second]


def _found(dataset_id: str, k: int) -> dict[str, Any]:
    return {"discover": {"dataset_id": dataset_id, "k": k}}


GIVEN = {"anchor_set_id": "$anc"}
ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("anchor-sets", _found("$pool", 120)),
    (
        "anchor-sets",
        {"discover": {"dataset_id": "$pool", "k": 2, "names": ["a b", "a c"]}, "fit_on": "$grey"},
    ),
    ("anchor-sets", _found("$pool", 4) | {"embedder": "$mdl", "metric": "hellinger"}),
    ("anchor-sets", _found("$grey", 4) | {"embedder": "$emb"}),
    ("anchor-sets", _found("$bands", 4)),
    ("anchor-sets", _found("$vectors", 4) | {"embedder": "identity"}),
    ("anchor-sets", _found("$vectors", 4) | {"embedder": "$identity"}),
    ("anchor-sets", {"anchors": _two(), "embedder": "anchor-network"}),
    ("anchor-sets", _found("$pool", 4) | {"embedder": "self-supervised"}),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["patch-kmeans"]}),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["patch-kmeans", "$mdl", "$onnx"]}),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["$emb", "$mdl"], "fit_on": "$grey"}),
    ("anchor-sets", {"anchors": _two(), "embedder": ["anchor-network", "self-supervised"]}),
    ("labelings", {"method": "k-means", "dataset_id": "$pool", "n_classes": 2, "embedder": ["$emb", "$mdl"]}),
    ("anchor-sets", {"anchors": _two(dataset_id="$pool", **{"class": "dog-s"})}),
    ("anchor-sets", {"labelled": {"dataset_id": "$pool", "label_budget": 10, "seed": 3}}),
    ("anchor-sets", {"labelled": {"dataset_id": "$pool"}, "embedder": "$mdl"}),
    (
        "pipelines",
        {
            "dataset_id": "$grey",
            "anchors": {"labelled": {}},
            "labeling": {"length": 2},
            "transfer": {"dataset_id": "$pool", "label_budget": 10},
        },
    ),
    (
        "pipelines",
        {
            "dataset_id": "$unlabelled",
            "anchors": {"labelled": {"dataset_id": "$pool"}},
            "labeling": {"length": 1},
        },
    ),
    ("datasets", {"name": "drawn", "procedural": {}}),
    ("labelings", {"dataset_id": "$pool", "anchor_set_id": "$anc", "length": 4}),
    ("labelings", {"dataset_id": "$grey", "anchor_set_id": "$anc", "prefer": "near", "ordered": False}),
    ("labelings", {"dataset_id": "$vectors", "anchor_set_id": "$vector_anc"}),
    ("labelings", {"method": "k-means", "dataset_id": "$pool", "n_classes": 120, "views": 16}),
    ("labelings", {"method": "k-means", "dataset_id": "$vectors", "n_classes": 2, "embedder": "identity"}),
    ("labelings", {"method": "shuffled", "labeling_id": "$lab"}),
    ("models", {"labeling_id": "$lab", "heads": "positions", "targets": "hard"}),
    ("models", {"labeling_id": "$lab", "targets": "soft"}),
    ("models", {"labeling_id": "$k_means"}),
    ("models", {"labeling_ids": ["$lab", "$lab2", "$k_means"], "human_labels": True}),
    ("models", {"labeling_ids": ["$lab", "$k_means"], "targets": ["soft", "hard"], "heads": "positions"}),
    ("models", {"labeling_id": "$lab", "balance": "loss", "validation_share": 0.5, "patience": 1}),
    ("models", {"objective": "human-labels", "dataset_id": "$pool"}),
    ("models", {"objective": "self-supervised", "dataset_id": "$unlabelled"}),
    ("models", {"objective": "self-supervised", "dataset_id": "$bands", "method": "swav"}),
    ("models", {"objective": "self-supervised", "dataset_id": "$pool", "init_model_id": "$mdl"}),
    ("models", {"objective": "human-labels", "dataset_id": "$single", "label_smoothing": 0.1}),
    ("models", {"objective": "distillation", "dataset_id": "$pool", "embedder": "$onnx"}),
    ("models", {"objective": "distillation", "dataset_id": "$unlabelled", "embedder": ["$mdl", "$emb"]}),
    ("models", {"labeling_id": "$lab", "human_labels": True, "label_smoothing": 0.1}),
    ("models", {"labeling_id": "$lab", "init_model_id": "$mdl", "arch": "resnet-tiny", "image_size": 32}),
    ("models", {"labeling_id": "$lab", "init_model_id": "$mdl", "image_size": 64}),
    ("models", {"objective": "human-labels", "dataset_id": "$grey", "init_model_id": "$large_mdl"}),
    (
        "models",
        {"objective": "self-supervised", "dataset_id": "$pool", "init_model_id": "$huge", "image_size": 64},
    ),
    ("pipelines", {"dataset_id": "$pool", "model": {"init_model_id": "$mdl", "image_size": 64}}),
    ("transfers", {"dataset_id": "$pool", "model_id": "$mdl"}),
    ("transfers", {"dataset_id": "$grey", "model_id": "$mdl", "arch": "resnet-tiny", "label_budget": 5}),
    ("transfers", {"dataset_id": "$pool", "arch": "vit-tiny", "layer_decay": 0.7}),
    ("transfers", {"dataset_id": "$bands", "model_id": "$bands_mdl", "method": "linear-probe"}),
    ("transfers", {"dataset_id": "$pool", "model_id": "$mdl", "image_size": 64}),
    ("transfers", {"dataset_id": "$pool", "model_id": "$theirs", "image_size": 48}),
    ("transfers", {"dataset_id": "$pool", "model_id": "$vit", "image_size": 32}),
    ("transfers", {"dataset_id": "$grey", "model_id": "$onnx", "method": "linear-probe"}),
    ("forecasts", {"dataset_id": "$unlabelled", "model_ids": ["$mdl"]}),
    ("forecasts", {"dataset_id": "$pool", "model_ids": ["$mdl", "$theirs"], "image_size": 48}),
    ("pipelines", {"dataset_id": "$pool"}),
    ("pipelines", {"dataset_id": "$pool", "transfer": {"dataset_id": "$grey"}}),
    ("pipelines", {"dataset_id": "$pool", "anchors": GIVEN, "labeling": {"length": 4}}),
    ("labelings", {"dataset_id": "$pool", "anchor_set_id": "$anc", "length": "auto"}),
    ("pipelines", {"dataset_id": "$pool", "labeling": {"length": "auto"}}),
    ("pipelines", {"dataset_id": "$pool", "anchors": {"anchors": _two()}}),
    ("pipelines", {"dataset_id": "$pool", "anchors": GIVEN, "rounds": 10}),
    ("pipelines", {"dataset_id": "$pool", "anchors": {"embedder": ["patch-kmeans", "self-supervised"]}}),
]

POOL = {"dataset_id": "$pool"}
BARE = {"dataset_id": "$unlabelled"}
GREY = {"dataset_id": "$grey"}
TWO = {"discover": {"k": 2}}
IDENTITY = {"embedder": "identity"}
KMEANS = {"method": "k-means", "n_classes": 2}
REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    # What the ids name.
    ("anchor-sets", _found("ds_none", 4), ["#/discover/dataset_id"]),
    ("anchor-sets", _found("$mdl", 4), ["#/discover/dataset_id"]),
    ("anchor-sets", _found("$pool", 4) | {"fit_on": ["$pool", "ds_x"]}, ["#/fit_on/1"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": "none"}, ["#/embedder"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": "$pool"}, ["#/embedder"]),
    ("anchor-sets", _found("$mdl", 4) | {"embedder": "$mdl"}, ["#/discover/dataset_id"]),
    ("anchor-sets", {"anchors": _two(dataset_id="ds_x")}, ["#/anchors/1/dataset_id"]),
    ("labelings", {"dataset_id": "ds_x", "anchor_set_id": "anc_x"}, ["#/dataset_id", "#/anchor_set_id"]),
    ("labelings", {"method": "shuffled", "labeling_id": "lab_x"}, ["#/labeling_id"]),
    (
        "labelings",
        {"dataset_id": "$pool", "anchor_set_id": "$anc", "classes_of": "lab_x"},
        ["#/classes_of"],
    ),
    ("models", {"labeling_id": "lab_x"}, ["#/labeling_id"]),
    ("transfers", {"dataset_id": "$pool", "model_id": "mdl_x"}, ["#/model_id"]),
    ("forecasts", {"dataset_id": "$pool", "model_ids": ["$mdl", "mdl_x"]}, ["#/model_ids/1"]),
    ("pipelines", {"dataset_id": "$pool", "transfer": {"dataset_id": "ds_x"}}, ["#/transfer/dataset_id"]),
    # Bounds.
    ("anchor-sets", _found("$pool", 121), ["#/discover/k"]),
    ("pipelines", {"dataset_id": "$grey", "anchors": {"discover": {"k": 64}}}, ["#/anchors/discover/k"]),
    ("labelings", {"dataset_id": "$pool", "anchor_set_id": "$anc", "length": 5}, ["#/length"]),
    ("labelings", {"dataset_id": "$pool", "anchor_set_id": "$anc", "length": "long"}, ["#/length"]),
    ("labelings", {"dataset_id": "$pool", "anchor_set_id": "$anc", "length": 0}, ["#/length"]),
    ("pipelines", {**POOL, "anchors": TWO, "labeling": {"length": 3}}, ["#/labeling/length"]),
    ("pipelines", {**POOL, "anchors": GIVEN, "labeling": {"length": 5}}, ["#/labeling/length"]),
    ("labelings", {"method": "k-means", "dataset_id": "$pool", "n_classes": 121}, ["#/n_classes"]),
    ("models", {"labeling_id": "$lab", "arch": "convnextv2-atto", "image_size": 16}, ["#/image_size"]),
    ("pipelines", {**POOL, "model": {"arch": "resnet-50", "image_size": 8}}, ["#/model/image_size"]),
    ("transfers", {"dataset_id": "$pool", "arch": "resnet-18", "image_size": 8}, ["#/image_size"]),
    # Anchors.
    ("anchor-sets", {}, ["#"]),
    ("anchor-sets", {"anchors": _two(), "discover": {"dataset_id": "$pool"}}, ["#"]),
    ("anchor-sets", {"anchors": []}, ["#/anchors"]),
    ("anchor-sets", {"anchors": _two()[:1]}, ["#/anchors"]),
    ("anchor-sets", {"anchors": _two(name="a")}, ["#/anchors/1/name"]),
    ("anchor-sets", {"anchors": [{**POOL, "name": "a!"}, {**GREY, "name": "a?"}]}, ["#/anchors/1/name"]),
    ("anchor-sets", {"anchors": _two(name="é")}, ["#/anchors/1/name"]),
    ("anchor-sets", {"anchors": _two(name=" ")}, ["#/anchors/1/name"]),
    ("anchor-sets", {"anchors": _two(**{"class": "cow"})}, ["#/anchors/1/class"]),
    ("anchor-sets", {"anchors": _two(dataset_id="$pool")}, ["#/anchors/1"]),
    ("anchor-sets", {"discover": {**POOL, "k": 2, "names": ["a", "a"]}}, ["#/discover/names/1"]),
    ("anchor-sets", _found("$pool", 4) | {"fit_on": []}, ["#/fit_on"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": "$emb", "fit_on": "$pool"}, ["#/fit_on"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": "anchor-network"}, ["#/embedder"]),
    ("labelings", {**KMEANS, **POOL, "embedder": "anchor-network"}, ["#/embedder"]),
    ("pipelines", {**POOL, "anchors": {**GIVEN, "metric": "euclidean"}}, ["#/anchors/metric"]),
    # Anchors that are the classes of labelled images.
    ("anchor-sets", _found("$pool", 4) | {"labelled": POOL}, ["#"]),
    ("anchor-sets", {"labelled": {"dataset_id": "$unlabelled"}}, ["#/labelled/dataset_id"]),
    ("anchor-sets", {"labelled": {"dataset_id": "$one_class"}}, ["#/labelled/dataset_id"]),
    ("anchor-sets", {"labelled": {"dataset_id": "$alike"}}, ["#/labelled/dataset_id"]),
    ("anchor-sets", {"labelled": {"dataset_id": "ds_x"}}, ["#/labelled/dataset_id"]),
    ("anchor-sets", {"labelled": {**POOL, "label_budget": 0}}, ["#/labelled/label_budget"]),
    ("anchor-sets", {"labelled": POOL, "embedder": "anchor-network"}, ["#/embedder"]),
    ("pipelines", {**POOL, "anchors": {"labelled": {}}}, ["#"]),
    ("pipelines", {**POOL, "anchors": {"labelled": {}, "discover": {}}}, ["#/anchors"]),
    (
        "pipelines",
        {**POOL, "anchors": {"labelled": {"label_budget": 5}}, "transfer": POOL},
        ["#/anchors/labelled"],
    ),
    (
        "pipelines",
        {**POOL, "anchors": {"labelled": {"dataset_id": "$unlabelled"}}},
        ["#/anchors/labelled", "#/labeling/length"],
    ),
    (
        "pipelines",
        {**POOL, "anchors": {"labelled": {}}, "labeling": {"length": 3}, "transfer": POOL},
        ["#/labeling/length"],
    ),
    # Several embedders side by side.
    ("anchor-sets", _found("$pool", 4) | {"embedder": []}, ["#/embedder"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": [f"mdl_{i}" for i in range(9)]}, ["#/embedder"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": 3}, ["#/embedder"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["$mdl", "mdl_x"]}, ["#/embedder/1"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["$mdl", "$emb", "$mdl"]}, ["#/embedder/2"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["$mdl", "identity"]}, ["#/embedder/1"]),
    (
        "anchor-sets",
        _found("$vectors", 4) | {"embedder": ["identity", "$emb"]},
        ["#/embedder/0", "#/embedder/1"],
    ),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["$mdl", "$identity"]}, ["#/embedder/1"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["$mdl", "$beside"]}, ["#/embedder/1"]),
    ("anchor-sets", _found("$bands", 4) | {"embedder": ["patch-kmeans", "$mdl"]}, ["#/embedder/1"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": ["$mdl", "anchor-network"]}, ["#/embedder/1"]),
    ("labelings", {**KMEANS, **POOL, "embedder": ["$mdl", "anchor-network"]}, ["#/embedder/1"]),
    ("pipelines", {**POOL, "anchors": {"embedder": ["$mdl", "$mdl"]}}, ["#/anchors/embedder/1"]),
    # Embeddings take only `identity`, of equal dimension, and train nothing; `identity` takes nothing else.
    ("anchor-sets", _found("$vectors", 4), ["#/embedder"]),
    ("anchor-sets", _found("$vectors", 4) | {"embedder": "$mdl"}, ["#/embedder"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": "identity"}, ["#/embedder"]),
    ("anchor-sets", _found("$pool", 4) | {"embedder": "$identity"}, ["#/embedder"]),
    ("anchor-sets", _found("$other_vectors", 4) | {"embedder": "$identity"}, ["#/embedder"]),
    ("anchor-sets", _found("$vectors", 4) | IDENTITY | {"fit_on": "$other_vectors"}, ["#/embedder"]),
    ("labelings", {"dataset_id": "$vectors", "anchor_set_id": "$anc"}, ["#/anchor_set_id"]),
    ("labelings", {"dataset_id": "$pool", "anchor_set_id": "$vector_anc"}, ["#/anchor_set_id"]),
    ("labelings", {"dataset_id": "$other_vectors", "anchor_set_id": "$vector_anc"}, ["#/anchor_set_id"]),
    ("labelings", {**KMEANS, "dataset_id": "$vectors"}, ["#/embedder"]),
    ("labelings", {**KMEANS, **IDENTITY, "dataset_id": "$vectors", "views": 2}, ["#/views"]),
    ("labelings", {**KMEANS, **POOL, "views": 17}, ["#/views"]),
    # An image has fewer neighbours than there are images.
    ("labelings", {**POOL, "anchor_set_id": "$anc", "neighbours": 101}, ["#/neighbours"]),
    ("labelings", {**BARE, "anchor_set_id": "$anc", "neighbours": 100}, ["#/neighbours"]),
    ("pipelines", {**BARE, "labeling": {"neighbours": 100}}, ["#/labeling/neighbours"]),
    ("models", {"labeling_id": "$vector_lab"}, ["#/labeling_id"]),
    ("models", {"objective": "human-labels", "dataset_id": "$vectors"}, ["#/dataset_id"]),
    ("transfers", {"dataset_id": "$vectors", "model_id": "$mdl"}, ["#/dataset_id", "#/model_id"]),
    ("forecasts", {"dataset_id": "$vectors", "model_ids": ["$mdl"]}, ["#/dataset_id"]),
    ("pipelines", {"dataset_id": "$vectors"}, ["#/dataset_id"]),
    ("pipelines", {"dataset_id": "$pool", "transfer": {"dataset_id": "$vectors"}}, ["#/transfer/dataset_id"]),
    ("models", {"objective": "self-supervised", "dataset_id": "$vectors"}, ["#/dataset_id"]),
    # What is drawn.
    ("datasets", {"name": "a", "procedural": {"n_classes": 1}}, ["#/procedural/n_classes"]),
    ("datasets", {"name": "a", "procedural": {"n_items": 99}}, ["#/procedural"]),
    ("datasets", {"name": "a", "procedural": {"kind": "clouds"}}, ["#/procedural/kind"]),
    ("datasets", {"name": "a", "procedural": {}, "uri": "file:///a"}, ["#"]),
    ("datasets", {"name": "a", "procedural": {}, "extends": "$pool"}, ["#"]),
    ("datasets", {"name": "a", "procedural": {"n_items": 10_000_001}}, ["#/procedural/n_items"]),
    # What distillation and smoothing need.
    ("models", {"objective": "distillation", **POOL}, ["#/embedder"]),
    ("models", {"objective": "distillation", **POOL, "embedder": "mdl_x"}, ["#/embedder"]),
    ("models", {"objective": "distillation", **POOL, "embedder": "anchor-network"}, ["#/embedder"]),
    ("models", {"objective": "distillation", **POOL, "embedder": "$mdl", "balance": "loss"}, ["#/balance"]),
    ("models", {"objective": "distillation", "dataset_id": "$bands", "embedder": "$mdl"}, ["#/embedder"]),
    ("models", {"objective": "human-labels", **POOL, "label_smoothing": 1}, ["#/label_smoothing"]),
    ("models", {"labeling_id": "$lab", "label_smoothing": 0.1}, ["#/label_smoothing"]),
    ("pipelines", {**POOL, "model": {"label_smoothing": 0.1}}, ["#/model/label_smoothing"]),
    # Networks that only embed.
    ("transfers", {"dataset_id": "$pool", "model_id": "$onnx"}, ["#/model_id"]),
    ("transfers", {"dataset_id": "$bands", "model_id": "$onnx", "method": "linear-probe"}, ["#/model_id"]),
    ("forecasts", {"dataset_id": "$pool", "model_ids": ["$mdl", "$onnx"]}, ["#/model_ids/1"]),
    ("forecasts", {**POOL, "model_ids": ["$mdl", "$vit"], "image_size": 64}, ["#/image_size"]),
    # Channels.
    ("anchor-sets", _found("$bands", 4) | {"embedder": "$mdl"}, ["#/embedder"]),
    ("anchor-sets", _found("$bands", 4) | {"fit_on": "$pool"}, ["#/embedder"]),
    ("anchor-sets", _found("$bands", 4) | {"embedder": "$emb"}, ["#/embedder"]),
    ("labelings", {"dataset_id": "$bands", "anchor_set_id": "$anc"}, ["#/anchor_set_id"]),
    ("transfers", {"dataset_id": "$bands", "model_id": "$mdl"}, ["#/model_id"]),
    ("transfers", {"dataset_id": "$more_bands", "model_id": "$bands_mdl"}, ["#/model_id"]),
    ("forecasts", {"dataset_id": "$bands", "model_ids": ["$bands_mdl", "$mdl"]}, ["#/model_ids/1"]),
    ("pipelines", {"dataset_id": "$pool", "transfer": {"dataset_id": "$bands"}}, ["#/transfer/dataset_id"]),
    # Labels.
    ("models", {"objective": "human-labels", "dataset_id": "$unlabelled"}, ["#/dataset_id"]),
    ("models", {"objective": "human-labels", "dataset_id": "$one_class"}, ["#/dataset_id"]),
    ("models", {"labeling_id": "$same", "targets": "hard"}, ["#/labeling_id"]),
    ("models", {"labeling_id": "$k_means", "targets": "soft"}, ["#/targets"]),
    ("transfers", {"dataset_id": "$unlabelled", "model_id": "$mdl"}, ["#/dataset_id"]),
    ("transfers", {"dataset_id": "$one_class", "model_id": "$mdl"}, ["#/dataset_id"]),
    ("transfers", {"dataset_id": "$single", "model_id": "$mdl"}, ["#/dataset_id"]),
    ("pipelines", {"dataset_id": "$pool", "transfer": {"dataset_id": "$single"}}, ["#/transfer/dataset_id"]),
    # Several labelings, human labels beside them, and what is held out.
    ("models", {"objective": "pseudo-labels"}, ["#"]),
    ("models", {"labeling_id": "$lab", "labeling_ids": ["$lab2"]}, ["#"]),
    ("models", {"labeling_ids": []}, ["#/labeling_ids"]),
    ("models", {"labeling_ids": ["$lab"] * 17}, ["#/labeling_ids"]),
    ("models", {"labeling_ids": ["$lab", "lab_x"]}, ["#/labeling_ids/1"]),
    ("models", {"labeling_ids": ["$lab", "$lab2", "$lab"]}, ["#/labeling_ids/2"]),
    ("models", {"labeling_ids": ["$lab", "$other_lab"]}, ["#/labeling_ids/1"]),
    ("models", {"labeling_ids": ["$lab", "$k_means"], "targets": "soft"}, ["#/targets"]),
    ("models", {"labeling_ids": ["$lab", "$k_means"], "targets": ["hard", "soft"]}, ["#/targets/1"]),
    ("models", {"labeling_ids": ["$lab", "$k_means"], "targets": ["hard"]}, ["#"]),
    ("models", {"labeling_ids": ["$lab", "$same"], "targets": "hard"}, ["#/labeling_ids/1"]),
    ("models", {"labeling_ids": ["$vector_lab"]}, ["#/labeling_ids/0"]),
    ("models", {"labeling_id": "$bare_lab", "human_labels": True}, ["#/human_labels"]),
    ("models", {"labeling_id": "$lab", "validation_share": 0.6}, ["#/validation_share"]),
    ("models", {"labeling_id": "$lab", "validation_share": 0, "patience": 2}, ["#/patience"]),
    ("models", {"labeling_id": "$lab", "balance": "evenly"}, ["#/balance"]),
    ("pipelines", {"dataset_id": "$unlabelled", "model": {"human_labels": True}}, ["#/model/human_labels"]),
    ("pipelines", {**POOL, "model": {"validation_share": 0, "patience": 2}}, ["#/model/patience"]),
    # Models to train on.
    ("models", {"labeling_id": "$lab", "init_model_id": "mdl_x"}, ["#/init_model_id"]),
    ("models", {"labeling_id": "$lab", "init_model_id": "$lab"}, ["#/init_model_id"]),
    ("models", {"labeling_id": "$lab", "init_model_id": "$onnx"}, ["#/init_model_id"]),
    ("models", {"labeling_id": "$lab", "init_model_id": "$bands_mdl"}, ["#/init_model_id"]),
    ("models", {"objective": "self-supervised", **POOL, "init_model_id": "$onnx"}, ["#/init_model_id"]),
    ("models", {"labeling_id": "$lab", "init_model_id": "$huge"}, ["#/init_model_id"]),
    ("models", {"labeling_id": "$lab", "init_model_id": "$large_mdl", "arch": "resnet-tiny"}, ["#/arch"]),
    ("models", {"labeling_id": "$lab", "init_model_id": "$theirs", "arch": "resnet-18"}, ["#/arch"]),
    ("models", {"labeling_id": "$lab", "init_model_id": "$vit", "image_size": 48}, ["#/image_size"]),
    ("pipelines", {**POOL, "model": {"init_model_id": "$bands_mdl"}}, ["#/model/init_model_id"]),
    ("pipelines", {**POOL, "model": {"init_model_id": "$vit", "image_size": 64}}, ["#/model/image_size"]),
    # Recipes.
    ("transfers", {"dataset_id": "$pool", "model_id": "$mdl", "arch": "vit-tiny"}, ["#/arch"]),
    ("transfers", {"dataset_id": "$pool", "method": "linear-probe"}, ["#/method"]),
    ("transfers", {"dataset_id": "$pool", "model_id": "$vit", "image_size": 64}, ["#/image_size"]),
    ("transfers", {"dataset_id": "$pool", "model_id": "$large_mdl", "image_size": 8}, ["#/image_size"]),
    (
        "pipelines",
        {**POOL, "model": {"arch": "vit-tiny"}, "transfer": {"dataset_id": "$pool", "image_size": 64}},
        ["#/transfer/image_size"],
    ),
    (
        "pipelines",
        {
            **POOL,
            "model": {"init_model_id": "$their_vit"},
            "transfer": {"dataset_id": "$pool", "image_size": 32},
        },
        ["#/transfer/image_size"],
    ),
    ("transfers", {**POOL, "layer_decay": 0, "batch_norms": "new"}, ["#/layer_decay", "#/batch_norms"]),
    ("forecasts", {"dataset_id": "$pool", "model_ids": []}, ["#/model_ids"]),
    ("forecasts", {"dataset_id": "$pool", "model_ids": ["$mdl", "$mdl"]}, ["#/model_ids/1"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), ACCEPTED, ids=lambda value: str(value)[:100])
def test_accepted(api: Api, ids: dict[str, str], path: str, body: dict[str, Any]) -> None:
    answer = api.client.post(f"/v1/{path}", json=filled(body, ids))
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"


@pytest.mark.parametrize(("path", "body", "pointers"), REFUSED, ids=lambda value: str(value)[:100])
def test_refused(api: Api, ids: dict[str, str], path: str, body: dict[str, Any], pointers: list[str]) -> None:
    before = api.client.get("/v1/jobs?limit=1").json()["items"]
    assert api.pointers(f"/v1/{path}", filled(body, ids)) == pointers
    assert api.client.get("/v1/jobs?limit=1").json()["items"] == before


def test_targets_follow_the_labeling(api: Api, ids: dict[str, str]) -> None:
    def targets(labeling: str, **more: Any) -> Any:
        body = {"labeling_id": ids[labeling], **more}
        return api.client.post("/v1/models", json=body).json()["spec"]["targets"]

    assert targets("lab") == "soft"
    assert targets("lab", targets="hard") == "hard"
    assert targets("k_means") == "hard"
    body = {"labeling_ids": [ids["lab"], ids["k_means"]]}
    assert api.client.post("/v1/models", json=body).json()["spec"]["targets"] == ["soft", "hard"]


def test_a_training_takes_over_what_the_model_to_train_on_is(api: Api, ids: dict[str, str]) -> None:
    def start(init: str, **more: Any) -> tuple[Any, Any]:
        body = {"dataset_id": ids["pool"], "model": {"init_model_id": ids[init], **more}}
        answer = api.client.post("/v1/pipelines", json=body)
        assert answer.status_code == 202, answer.text
        model = answer.json()["spec"]["model"]
        return model["arch"], model["image_size"]

    assert start("large_mdl") == ("resnet-18", 48)
    assert start("large_mdl", arch="resnet-18") == ("resnet-18", 48)
    assert start("theirs") == (None, 64)
    answer = api.client.post("/v1/models", json={"labeling_id": ids["lab"], "arch": None})
    assert answer.json()["spec"]["arch"] == "resnet-tiny"


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"length": 2, "prefer": "far"}, []),
        ({"length": 3}, ["#/length"]),
        ({"views": 4}, ["#/views"]),
        ({"prefer": "near", "min_class_size": 9}, ["#/prefer", "#/min_class_size"]),
        ({"anchor_set_id": "$vector_anc"}, ["#/anchor_set_id"]),
        ({"classes_of": "$k_means"}, ["#/classes_of"]),
    ],
)
def test_a_labeling_under_known_classes_follows_their_rule(
    api: Api, ids: dict[str, str], ruled: str, fields: dict[str, Any], pointers: list[str]
) -> None:
    body = {"dataset_id": "$pool", "anchor_set_id": "$anc", "classes_of": ruled} | fields
    if pointers:
        assert sorted(api.pointers("/v1/labelings", filled(body, ids))) == sorted(pointers)
        return
    answer = api.client.post("/v1/labelings", json=filled(body, ids))
    assert answer.status_code == 202, answer.text
    spec = answer.json()["spec"]
    assert [spec[name] for name in ("length", "prefer", "min_class_size", "ordered")] == [2, "far", 4, False]


def test_clusters_that_were_not_kept_label_nothing(api: Api, ids: dict[str, str]) -> None:
    body = {"method": "k-means", "dataset_id": ids["pool"], "classes_of": ids["k_means"]}
    assert api.pointers("/v1/labelings", body) == ["#/classes_of"]
    assert api.pointers("/v1/labelings", {"method": "k-means", "dataset_id": ids["pool"]}) == ["#/n_classes"]


def test_a_dataset_extends_one_that_is_there(api: Api, ids: dict[str, str]) -> None:
    (api.images / "more").mkdir(exist_ok=True)
    body = {"name": "more", "uri": (api.images / "more").as_uri()}
    assert api.pointers("/v1/datasets", body | {"extends": "ds_none"}) == ["#/extends"]
    assert api.pointers("/v1/datasets", body | {"extends": ids["mdl"]}) == ["#/extends"]
    assert api.pointers("/v1/datasets", body | {"group_by": ""}) == ["#/group_by"]
    answer = api.client.post("/v1/datasets", json=body | {"extends": ids["patients"]})
    assert answer.json()["spec"]["group_by"] == "folder"
    answer = api.client.post("/v1/datasets", json=body | {"extends": ids["patients"], "group_by": "patient"})
    assert answer.json()["spec"]["group_by"] == "patient"


def test_the_smallest_images_are_those_of_the_networks() -> None:
    from typing import get_args

    from g2l.nn.zoo import ArchitectureTooDeepError, configuration

    assert SMALLEST_IMAGE.keys() == set(get_args(Architecture))
    for arch, smallest in SMALLEST_IMAGE.items():
        configuration(arch, n_outputs=2, channels=3, image_size=smallest)
        with pytest.raises(ArchitectureTooDeepError):
            configuration(arch, n_outputs=2, channels=3, image_size=smallest - 1)


def test_a_small_pool_gets_fewer_anchors_unless_their_number_is_given(api: Api, make: Maker) -> None:
    pool = make.dataset({"a": 40})

    def anchors(**fields: Any) -> int:
        answer = api.client.post("/v1/pipelines", json={"dataset_id": pool, **fields})
        assert answer.status_code == 202, answer.text
        return int(answer.json()["spec"]["anchors"]["discover"]["k"])

    assert anchors() == 5
    assert anchors(labeling={"length": 7}) == 7
    assert anchors(anchors={"discover": {"k": 9}}) == 9
