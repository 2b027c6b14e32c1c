"""Saved models are what stock transformers loads, and equal weights are equal bytes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from g2l.nn.images import Preprocessing
from g2l.nn.models import load_model, quiet, save_model
from g2l.nn.processors import load_preprocessing
from g2l.nn.training import predict
from g2l.nn.zoo import ARCHITECTURES, build
from tests.g2l.nn.samples import noise, save_random_model


@pytest.mark.parametrize("arch", [arch for arch in ARCHITECTURES if arch != "resnet-50"])
def test_stock_transformers_gives_our_logits(arch: str, tmp_path: Path) -> None:
    folder, images = save_random_model(tmp_path / "model", arch=arch, side=32), noise(3, 32, 3, seed=5)
    with quiet():
        model = AutoModelForImageClassification.from_pretrained(folder)
        processor = AutoImageProcessor.from_pretrained(folder)
    pixels = processor([Image.fromarray(image) for image in images], return_tensors="pt")
    ours = load_model(folder)
    with torch.inference_mode():
        theirs = model(**pixels).logits
    # pixels differ by one rounding of float32 a channel, and logits are of order 1
    assert torch.allclose(theirs, predict(ours.model, images, ours.preprocessing), atol=1e-4)
    assert model.config.id2label == {i: f"class-{i}" for i in range(4)}
    assert ours.labels == ("class-0", "class-1", "class-2", "class-3")


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (5, np.uint8), (3, np.uint16)])
def test_the_stock_processor_does_what_ours_does(channels: int, dtype: type, tmp_path: Path) -> None:
    images = noise(2, 16, channels, dtype=dtype)
    preprocessing = Preprocessing(
        (16, 16), (0.4,) * channels, (0.2,) * channels, bits=np.dtype(dtype).itemsize * 8
    )
    model = build("resnet-tiny", n_outputs=2, channels=channels, image_size=16)
    save_model(tmp_path, model, labels=["a", "b"], preprocessing=preprocessing, card="", provenance={})
    with quiet():
        processor = AutoImageProcessor.from_pretrained(tmp_path)
    pixels = processor(list(images), return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    assert torch.allclose(pixels, preprocessing.tensor(images), atol=1e-5)
    assert load_model(tmp_path).preprocessing == preprocessing


def test_the_folder_has_the_layout_and_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    digests = set()
    for name in "ab":
        folder = save_random_model(tmp_path / name)
        assert sorted(path.name for path in folder.iterdir()) == [
            "README.md",
            "config.json",
            "model.safetensors",
            "preprocessor_config.json",
            "provenance.json",
        ]
        digests.add(hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest())
    assert len(digests) == 1
    assert json.loads((folder / "provenance.json").read_text()) == {"third_party_weights": False}


def test_labels_must_be_as_many_as_outputs_and_unique(tmp_path: Path) -> None:
    model = build("resnet-tiny", n_outputs=2)
    preprocessing = Preprocessing((32, 32), (0.5,) * 3, (0.5,) * 3)
    for labels in (["a"], ["a", "a"]):
        with pytest.raises(ValueError, match="for 2 outputs"):
            save_model(tmp_path, model, labels=labels, preprocessing=preprocessing, card="", provenance={})


@pytest.mark.parametrize(
    ("processor", "size"),
    [
        ({"size": {"height": 48, "width": 64}}, (48, 64)),
        ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224}, (224, 224)),
        ({"size": {"shortest_edge": 96}}, (96, 96)),
        ({"size": 40}, (40, 40)),
        ({}, (32, 32)),
    ],
)
def test_sizes_of_foreign_processors_are_read(
    processor: dict[str, object], size: tuple[int, int], tmp_path: Path
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    preprocessing = load_preprocessing(tmp_path, {"num_channels": 3, "image_size": 32})
    assert preprocessing.size == size
    assert preprocessing.mean == (0.485, 0.456, 0.406)
