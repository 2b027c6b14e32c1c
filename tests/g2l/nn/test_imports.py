"""Models that users bring: what is taken, and what is refused before it can do harm."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from g2l.nn.folders import (
    MODEL_TYPES,
    ForeignWeightsError,
    NotAModelFolderError,
    PickledWeightsError,
    RemoteCodeError,
    UnsupportedModelError,
)
from g2l.nn.heads import body, head
from g2l.nn.imports import inspect_import
from g2l.nn.models import quiet
from tests.g2l.nn.samples import save_random_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_random_model(tmp_path / "archive")


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_good_folder_is_described(folder: Path) -> None:
    found = inspect_import(folder)
    assert (found.arch, found.channels, found.image_size, found.dim) == ("resnet", 3, (16, 16), 256)
    assert found.labels == ("class-0", "class-1", "class-2", "class-3")
    assert found.folder == folder


def test_one_wrapping_folder_is_looked_into_and_other_files_are_not_kept(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(b"\x80\x04.")
    (folder / "modeling_own.py").write_text("raise SystemExit")
    (folder.parent / "__MACOSX").mkdir()
    found = inspect_import(folder.parent)
    assert found.folder == folder
    assert found.files == ("config.json", "model.safetensors", "preprocessor_config.json", "README.md")


def test_a_body_without_classifier_or_pooler_is_taken(tmp_path: Path) -> None:
    settings = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    with quiet():
        ViTModel(ViTConfig(**settings), add_pooling_layer=False).save_pretrained(tmp_path / "vit")
        Dinov2Model(Dinov2Config(**settings)).save_pretrained(tmp_path / "dino")
    for name in ("vit", "dino"):
        found = inspect_import(tmp_path / name)
        assert (found.dim, found.labels, found.image_size) == (32, (), (16, 16))


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(PickledWeightsError, match=r"pytorch_model\.bin.*safetensors"):
        inspect_import(folder)


def test_pickled_bytes_under_the_name_of_safetensors_are_refused(folder: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(NotAModelFolderError, match="cannot be read as safetensors"):
        inspect_import(folder)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_code_of_its_own_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoModel": "own.Model"}}))
    with pytest.raises(RemoteCodeError, match="auto_map"):
        inspect_import(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "bert"},
        {"model_type": None},
        {"architectures": ["Own"]},
        {"architectures": "Own"},
        {"quantization_config": {}},
        {"depths": "deep"},
    ],
)
def test_other_architectures_are_refused(folder: Path, changes: dict[str, object]) -> None:
    edit_config(folder, **changes)
    with pytest.raises(UnsupportedModelError):
        inspect_import(folder)


def test_weights_of_another_architecture_are_refused_by_name(folder: Path) -> None:
    edit_weights(
        folder, lambda t: t.update({"stray.weight": t.pop("resnet.embedder.embedder.convolution.weight")})
    )
    with pytest.raises(ForeignWeightsError, match=r"missing: resnet\.embedder.*unexpected: stray\.weight"):
        inspect_import(folder)


def test_weights_of_another_shape_are_refused_by_name(folder: Path) -> None:
    edit_config(folder, num_channels=1)
    with pytest.raises(
        ForeignWeightsError, match=r"another shape: resnet\.embedder\.embedder\.convolution\.weight"
    ):
        inspect_import(folder)


def test_weights_that_are_not_numbers_are_refused(folder: Path) -> None:
    edit_weights(folder, lambda t: t["classifier.1.weight"].fill_(float("nan")))
    with pytest.raises(ForeignWeightsError, match="not finite"):
        inspect_import(folder)


def test_a_configuration_of_a_million_layers_is_refused_unbuilt(folder: Path) -> None:
    edit_config(folder, depths=[10**6, 1, 1])
    with pytest.raises(ForeignWeightsError, match="1000002 layers"):
        inspect_import(folder)


def test_a_configuration_of_far_more_weights_than_the_file_is_refused_unbuilt(folder: Path) -> None:
    edit_config(folder, hidden_sizes=[64, 128, 10**6])
    with pytest.raises(ForeignWeightsError, match="weights by its configuration and the file holds 1215470"):
        inspect_import(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"model_type": "resnet"'])
def test_a_configuration_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(NotAModelFolderError, match=r"config\.json"):
        inspect_import(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(NotAModelFolderError, match=name):
        inspect_import(folder)


@pytest.mark.parametrize(
    "content",
    [
        '{"size": {}}',
        '{"image_mean": [0.5]}',
        '{"image_std": [0, 0, 0]}',
        '{"size": -1}',
        '{"image_mean": "grey"}',
        '{"rescale_factor": "x"}',
    ],
)
def test_a_processor_that_cannot_be_understood_is_refused(folder: Path, content: str) -> None:
    (folder / "preprocessor_config.json").write_text(content)
    with pytest.raises(NotAModelFolderError, match="preprocessor_config"):
        inspect_import(folder)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_every_supported_kind_keeps_its_weights_in_body_and_head(kind: str) -> None:
    """`classifier_on` moves the body and makes a new head: nothing else may hold weights."""
    from transformers import AutoConfig, AutoModel, AutoModelForImageClassification

    config = AutoConfig.for_model(kind)
    with torch.device("meta"):
        classifier = AutoModelForImageClassification.from_config(config)
        alone = AutoModel.from_config(config)
    placed = {id(p) for p in [*body(classifier).parameters(), *head(classifier).parameters()]}
    assert [name for name, p in classifier.named_parameters() if id(p) not in placed] == []
    inside = {name for name in body(classifier).state_dict() if "pooler." not in name}
    assert inside == {name for name in alone.state_dict() if "pooler." not in name}
