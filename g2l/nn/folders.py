"""What a model folder must look like before anything in it is loaded."""

import json
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from safetensors import safe_open
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

from g2l.errors import G2LError

CONFIG, WEIGHTS, PREPROCESSOR = "config.json", "model.safetensors", "preprocessor_config.json"
PICKLED_ENDINGS = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack")
LARGEST_CONFIG = 1 << 20  # bytes; label tables of 21,000 classes fit

# Image models of transformers whose weights lie in the body or the head, so that a body can be moved.
MODEL_TYPES = (
    "beit",
    "bit",
    "convnext",
    "convnextv2",
    "dinov2",
    "dinov2_with_registers",
    "efficientnet",
    "mobilenet_v2",
    "regnet",
    "resnet",
    "swin",
    "swinv2",
    "vit",
)


class NotAModelFolderError(G2LError):
    """A file of the Hugging Face layout is missing or cannot be read."""

    code: ClassVar[str] = "not-a-model-folder"
    title: ClassVar[str] = "This is no model in the Hugging Face layout"


class PickledWeightsError(G2LError):
    """The weights are in a format that can run code when it is loaded."""

    code: ClassVar[str] = "pickled-weights"
    title: ClassVar[str] = "Pickled weights are refused"


class RemoteCodeError(G2LError):
    """The configuration asks for code that came with the model."""

    code: ClassVar[str] = "remote-code"
    title: ClassVar[str] = "Models that bring their own code are refused"


class UnsupportedModelError(G2LError):
    """The architecture is none of the image models that are supported here."""

    code: ClassVar[str] = "unsupported-model"
    title: ClassVar[str] = "The model's architecture is not supported"


class ForeignWeightsError(G2LError):
    """The weights are not those of the architecture that the configuration names."""

    code: ClassVar[str] = "foreign-weights"
    title: ClassVar[str] = "The weights do not belong to this architecture"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of bounded size.

    Raises:
        NotAModelFolderError: it is missing, too large, or no JSON object.
    """
    if not path.is_file():
        raise NotAModelFolderError(f"{path.name} is missing; give a folder with {CONFIG} and {WEIGHTS}")
    if path.stat().st_size > LARGEST_CONFIG:
        raise NotAModelFolderError(f"{path.name} is larger than {LARGEST_CONFIG} bytes")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise NotAModelFolderError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise NotAModelFolderError(f"{path.name} holds no JSON object")
    return content


def require_model_folder(folder: Path) -> dict[str, Any]:
    """Check files and configuration of a folder; loads no weights and runs nothing of it.

    Args:
        folder: in the Hugging Face layout.

    Returns:
        the content of its config.json.

    Raises:
        NotAModelFolderError, PickledWeightsError, RemoteCodeError, UnsupportedModelError,
        ForeignWeightsError: see there.
    """
    _require_weights(folder)
    config = read_json(folder / CONFIG)
    if "auto_map" in config or "auto_map" in _preprocessor(folder):
        raise RemoteCodeError(
            "the configuration has an auto_map to code of its own; export a stock architecture"
        )
    if "quantization_config" in config:
        raise UnsupportedModelError("the weights are quantized; export them in float32 or float16")
    model_class(config)
    _require_layers(folder, config)
    return config


def model_class(config: dict[str, Any]) -> str:
    """Name of the transformers class whose weights a folder holds: an image classifier or its body.

    Raises:
        UnsupportedModelError: the model type or the class is none of those supported.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in MODEL_TYPES:
        raise UnsupportedModelError(f"got model_type {kind!r}; supported are {', '.join(MODEL_TYPES)}")
    names = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES[kind]
    allowed = [*([names] if isinstance(names, str) else names), MODEL_MAPPING_NAMES[kind]]
    given = config.get("architectures") or allowed[:1]
    if not isinstance(given, list) or given[0] not in allowed:
        raise UnsupportedModelError(
            f"got architectures {given!r}; with {kind} give one of {', '.join(allowed)}"
        )
    return str(given[0])


def stored_weights(folder: Path) -> int:
    """How many numbers the weights file holds, by its header."""
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def _require_weights(folder: Path) -> None:
    weights = folder / WEIGHTS
    if not weights.is_file():
        pickled = sorted(p.name for p in folder.glob("*") if p.suffix.lower() in PICKLED_ENDINGS)
        if pickled:
            raise PickledWeightsError(
                f"found {pickled[0]} and no {WEIGHTS}; save with save_pretrained(…), which writes safetensors"
            )
        raise NotAModelFolderError(f"{WEIGHTS} is missing; weights in one safetensors file are wanted")
    try:
        with safe_open(weights, framework="pt") as file:
            file.keys()
    except Exception as error:  # safetensors has one error for all that can be wrong, not always exported
        raise NotAModelFolderError(f"{WEIGHTS} cannot be read as safetensors: {error}") from error


def _preprocessor(folder: Path) -> dict[str, Any]:
    path = folder / PREPROCESSOR
    return read_json(path) if path.exists() else {}


def _require_layers(folder: Path, config: dict[str, Any]) -> None:
    """A configuration of a million layers would be built before the weights could contradict it."""
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        tensors = len(list(file.keys()))
    depths = config.get("depths")
    asked = [config.get("num_hidden_layers"), *(depths if isinstance(depths, list) else [])]
    layers = sum(depth for depth in asked if isinstance(depth, int))
    if layers > tensors:
        raise ForeignWeightsError(
            f"the configuration has {layers} layers and the file only {tensors} tensors"
        )
