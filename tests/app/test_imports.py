"""What goes with an imported model: fields for ONNX networks, refused where they mean nothing."""

from typing import Any

import pytest

from app.checks import imports
from tests.app.conftest import Api
from tests.app.made import Maker


def sent(filename: str, **fields: str) -> dict[str, Any]:
    return {"data": {"name": "mine"} | fields, "files": {"file": (filename, b"bytes")}}


@pytest.mark.parametrize(
    ("mean", "understood"),
    [("0.5", [0.5]), ("0.485, 0.456,0.406", [0.485, 0.456, 0.406]), ("[0.1, 0.2]", [0.1, 0.2])],
)
def test_the_fields_of_a_network_are_understood(api: Api, mean: str, understood: list[float]) -> None:
    asked = sent("Net.ONNX", image_size="128", image_mean=mean, image_std="2", rescale_factor="1")
    answer = api.client.post("/v1/models", **asked)
    assert answer.status_code == 202, answer.text
    assert answer.json()["spec"]["preprocessing"] == {
        "image_size": 128,
        "image_mean": understood,
        "image_std": [2.0],
        "rescale_factor": 1.0,
    }


@pytest.mark.parametrize(
    ("filename", "fields", "pointer"),
    [
        ("net.onnx", {"image_size": "7"}, "#/image_size"),
        ("net.onnx", {"image_mean": "grey"}, "#/image_mean"),
        ("net.onnx", {"image_mean": ""}, "#/image_mean"),
        ("net.onnx", {"image_std": "0"}, "#/image_std"),
        ("net.onnx", {"image_std": "nan"}, "#/image_std"),
        ("net.onnx", {"rescale_factor": "0"}, "#/rescale_factor"),
        ("net.onnx", {"crop": "1"}, "#/crop"),
        ("model.zip", {"image_mean": "0.5"}, "#/image_mean"),
    ],
)
def test_other_fields_are_refused(api: Api, filename: str, fields: dict[str, str], pointer: str) -> None:
    problem = api.problem("POST", "/v1/models", **sent(filename, **fields))
    assert problem["errors"][0]["pointer"].startswith(pointer)


def test_a_network_too_large_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "LARGEST_ONNX", 4)
    problem = api.problem("POST", "/v1/models", **sent("net.onnx"))
    assert [error["pointer"] for error in problem["errors"]] == ["#/file"]
    assert api.client.post("/v1/models", **sent("model.zip")).status_code == 202


def test_a_network_says_where_its_weights_are(api: Api, make: Maker) -> None:
    network = make.model(role="embedder", arch="onnx")
    problem = api.problem("GET", f"/v1/models/{network}/weights")
    assert problem["status"] == 404
    assert f"/v1/models/{network}/files/model.onnx" in problem["detail"]
    assert api.client.get(f"/v1/embedders/{network}").json()["kind"] == "onnx"
