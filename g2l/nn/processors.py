"""Preprocessing as Hugging Face words it: preprocessor_config.json, written and read."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from g2l.nn.folders import PREPROCESSOR, NotAModelFolderError, read_json
from g2l.nn.images import Preprocessing

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # if a folder names none
IMAGENET_SIDE = 224
BILINEAR = 2  # Pillow's number for it


def save_preprocessing(folder: Path, preprocessing: Preprocessing) -> None:
    """Write the preprocessor_config.json that `load_preprocessing` and stock image processors read."""
    text = json.dumps(processor_config(preprocessing), indent=2, sort_keys=True)
    (folder / PREPROCESSOR).write_text(text + "\n", encoding="utf-8")


def processor_config(preprocessing: Preprocessing) -> dict[str, Any]:
    """The preprocessor_config.json by which a stock image processor does what `Preprocessing` does.

    The class is ViT's, since it resizes to a fixed size, crops nothing, and loads without torchvision.
    Pillow resizes 8-bit images of 1 or 3 channels; others are taken at their own size.
    """
    height, width = preprocessing.size
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": preprocessing.bits == 8 and preprocessing.channels in (1, 3),
        "size": {"height": height, "width": width},
        "resample": BILINEAR,
        "do_rescale": True,
        "rescale_factor": 1 / (2**preprocessing.bits - 1),
        "do_normalize": True,
        "image_mean": list(preprocessing.mean),
        "image_std": list(preprocessing.std),
    }


def load_preprocessing(folder: Path, config: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing that a folder's preprocessor_config.json asks for; ImageNet's where it says nothing.

    Args:
        folder: of the model.
        config: content of its config.json, which gives channels, and the size if nothing else does.

    Raises:
        NotAModelFolderError: sizes, means or deviations cannot be read as such.
    """
    path = folder / PREPROCESSOR
    return preprocessing_of(read_json(path) if path.exists() else {}, config)


def preprocessing_of(processor: Mapping[str, Any], config: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing that the content of a preprocessor_config.json asks for.

    Its means and deviations are of pixels times `rescale_factor`; ours are of pixels between 0 and 1.

    Args:
        processor: that content.
        config: content of config.json; see `load_preprocessing`.

    Raises:
        NotAModelFolderError: sizes, means or deviations cannot be read as such.
    """
    channels = config.get("num_channels", 3)
    try:
        size = _size(processor, config.get("image_size", IMAGENET_SIDE))
        mean, std = (0.0,) * channels, (1.0,) * channels
        if processor.get("do_normalize", True):
            colour = channels == len(IMAGENET_MEAN)
            mean = _floats(processor.get("image_mean") or (IMAGENET_MEAN if colour else [0.5] * channels))
            std = _floats(processor.get("image_std") or (IMAGENET_STD if colour else [0.5] * channels))
        factor = float(processor.get("rescale_factor", 1 / 255)) if processor.get("do_rescale", True) else 1.0
        bits = 16 if factor < 1 / 4096 else 8
        top = factor * (2**bits - 1)  # what the brightest pixel becomes
        if not math.isclose(top, 1):
            mean, std = tuple(value / top for value in mean), tuple(value / top for value in std)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise NotAModelFolderError(f"{PREPROCESSOR} cannot be understood: {error!r}") from error
    if len(mean) != channels or len(std) != channels or not all(0 < value < math.inf for value in std):
        raise NotAModelFolderError(
            f"{PREPROCESSOR} has {len(mean)} means and {len(std)} deviations (all above 0 wanted) "
            f"for {channels} channels"
        )
    return Preprocessing(size=size, mean=mean, std=std, bits=bits)


def _floats(values: Iterable[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _size(processor: Mapping[str, Any], fallback: Any) -> tuple[int, int]:
    given = processor.get("crop_size") if processor.get("do_center_crop") else None
    given = given or processor.get("size", fallback)
    if isinstance(given, Mapping):
        side = given.get("shortest_edge")
        given = (given["height"], given["width"]) if side is None else side
    height, width = given if isinstance(given, list | tuple) else (given, given)
    if not (1 <= int(height) <= 4096 and 1 <= int(width) <= 4096):
        raise ValueError(f"a size of {height} by {width} pixels")
    return int(height), int(width)
