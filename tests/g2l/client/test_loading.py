"""Models: downloaded once into a cache, and loaded from there by their own library."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from g2l.client import ApiError, Client, MissingPackageError
from tests.g2l.client.scripted import Answer, Scripted, Seen, as_json
from tests.g2l.client.test_downloads import serving


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """A small network as transformers writes it."""
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=4, hidden_sizes=[4], depths=[1], layer_type="basic")
    ResNetModel(config).save_pretrained(tmp_path / "made")
    return {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}


def offering(files: dict[str, bytes]) -> Callable[[Seen], Answer]:
    listed = [
        {"path": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "href": ""}
        for name, content in files.items()
    ]
    servers = {name: serving(content, cuts=1) for name, content in files.items()}

    def answer(seen: Seen) -> Answer:
        name = seen.path.rpartition("/")[2]
        return servers[name](seen) if name in servers else as_json({"id": "mdl_1", "files": listed})

    return answer


def test_a_model_is_loaded_and_fetched_once(
    client: Client,
    service: Scripted,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("G2L_CACHE", str(tmp_path / "cache"))
    service.answer = offering(files)
    model = client.models.get("mdl_1")
    network: Any = model.load()
    assert type(network).__name__ == "ResNetModel"
    assert network.num_parameters() > 100
    asked = len(service.seen)
    assert type(model.load()) is type(network)
    assert len(service.seen) == asked
    assert {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} == set(files)


def test_a_model_goes_into_a_folder(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.answer = offering({"config.json": b"{}", "model.safetensors": b"weights"})
    folder = client.models.get("mdl_1").download(tmp_path / "mine")
    assert folder == tmp_path / "mine"
    assert (folder / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_what_is_not_installed_is_named(
    client: Client, service: Scripted, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    service.answer = offering({"config.json": b"{}", "model.safetensors": b"weights"})
    with pytest.raises(MissingPackageError, match=r"load needs transformers and torch; `pip install"):
        client.models.load("mdl_1")
    assert len(service.seen) == 1  # nothing was fetched


def test_an_onnx_network_needs_its_own_runtime(
    client: Client, service: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    service.answer = offering({"model.onnx": b"network"})
    with pytest.raises(MissingPackageError, match="load needs onnxruntime"):
        client.models.load("mdl_1")


def test_a_model_that_does_not_exist(client: Client, service: Scripted) -> None:
    with pytest.raises(ApiError):
        client.models.load("mdl_1")
