"""Models as folders in the Hugging Face layout: saved so that stock transformers loads them, and loaded."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from g2l.nn.folders import (
    PREPROCESSOR,
    ForeignWeightsError,
    NotAModelFolderError,
    UnsupportedModelError,
    model_class,
    read_json,
    require_model_folder,
    stored_weights,
)
from g2l.nn.images import Preprocessing

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # if a folder names none
IMAGENET_SIDE = 224
BILINEAR = 2  # Pillow's number for it
NAMED_TENSORS = 5  # in an error
MOST_MISSING = 1.5  # times the stored weights; a pooler may be missing, and no more

# What transformers raises, in one place or another, for configurations that make no sense.
_BUILD_ERRORS = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    StrictDataclassError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class LoadedModel:
    """A model out of a folder.

    Attributes:
        model: on the CPU, float32, in evaluation mode.
        preprocessing: what its input goes through.
        labels: names of its outputs; empty for a body without classifier.
    """

    model: PreTrainedModel
    preprocessing: Preprocessing
    labels: tuple[str, ...]


def save_model(
    folder: Path,
    model: PreTrainedModel,
    *,
    labels: Sequence[str],
    preprocessing: Preprocessing,
    card: str,
    provenance: Mapping[str, Any],
) -> None:
    """Write a model that `AutoModelForImageClassification` and `AutoImageProcessor` load as they are.

    The same weights give the same bytes: safetensors orders several metadata entries at random, so its only
    entry is the format, and where the model comes from is in provenance.json.

    Args:
        folder: made if it is not there.
        model: an image classifier.
        labels: a name for each output, unique.
        preprocessing: what its input goes through.
        card: text of README.md; see `g2l.nn.cards.model_card`.
        provenance: JSON-like content of provenance.json.

    Raises:
        ValueError: the labels are not as many as the outputs, or repeat.
    """
    if len(labels) != model.config.num_labels or len(set(labels)) != len(labels):
        raise ValueError(
            f"got {len(labels)} labels, {len(set(labels))} of them different, "
            f"for {model.config.num_labels} outputs"
        )
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {label: number for number, label in enumerate(labels)}
    save_network(folder, model, preprocessing)
    _write_json(folder / "provenance.json", dict(provenance))
    (folder / "README.md").write_text(card, encoding="utf-8")


def save_network(folder: Path, model: PreTrainedModel, preprocessing: Preprocessing) -> None:
    """Write configuration, weights and preprocessing alone, which is all that loading needs.

    Args:
        folder: made if it is not there.
        model: classifier or body; moved to the CPU.
        preprocessing: what its input goes through.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.to(device="cpu", memory_format=torch.contiguous_format)
    with quiet():
        model.save_pretrained(folder, max_shard_size="1TB")
    _write_json(folder / PREPROCESSOR, processor_config(preprocessing))


def load_model(folder: Path) -> LoadedModel:
    """Load a folder that `save_model` or transformers wrote; nothing in it is run.

    Args:
        folder: in the Hugging Face layout, weights in safetensors.

    Returns:
        the model, with all of its weights out of the folder.

    Raises:
        NotAModelFolderError, PickledWeightsError, RemoteCodeError, UnsupportedModelError: see
        `require_model_folder`.
        ForeignWeightsError: tensors are missing, unexpected, or of another shape.
    """
    config_json = require_model_folder(folder)
    name = model_class(config_json)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            wanted = getattr(transformers, name)(config).num_parameters()
        _require_size(folder, name, wanted)
        with quiet(), torch.random.fork_rng(devices=[]):
            model, report = getattr(transformers, name).from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # reported below, all at once
                output_loading_info=True,
            )
    except ForeignWeightsError:
        raise
    except _BUILD_ERRORS as error:
        raise UnsupportedModelError(f"transformers cannot build a {name} from this: {error}") from error
    _require_own_weights(name, report)
    classifier = "ForImageClassification" in name
    labels = tuple(str(config.id2label[i]) for i in range(config.num_labels)) if classifier else ()
    return LoadedModel(model.eval(), load_preprocessing(folder, config_json), labels)


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
    processor = read_json(path) if path.exists() else {}
    channels = config.get("num_channels", 3)
    try:
        size = _size(processor, config.get("image_size", IMAGENET_SIDE))
        mean, std = (0.0,) * channels, (1.0,) * channels
        if processor.get("do_normalize", True):
            colour = channels == len(IMAGENET_MEAN)
            mean = _floats(processor.get("image_mean") or (IMAGENET_MEAN if colour else [0.5] * channels))
            std = _floats(processor.get("image_std") or (IMAGENET_STD if colour else [0.5] * channels))
        factor = float(processor.get("rescale_factor", 1 / 255))
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise NotAModelFolderError(f"{PREPROCESSOR} cannot be understood: {error!r}") from error
    if len(mean) != channels or len(std) != channels or min(std) <= 0:
        raise NotAModelFolderError(
            f"{PREPROCESSOR} has {len(mean)} means and {len(std)} deviations (all above 0 wanted) "
            f"for {channels} channels"
        )
    return Preprocessing(size=size, mean=mean, std=std, bits=16 if factor < 1 / 4096 else 8)


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


def _require_size(folder: Path, name: str, wanted: int) -> None:
    """Weights that the file lacks would be made up in memory before they could be reported."""
    stored = stored_weights(folder)
    if wanted > MOST_MISSING * stored:
        raise ForeignWeightsError(
            f"{name} has {wanted} weights by its configuration and the file holds {stored}"
        )


def _require_own_weights(name: str, report: Mapping[str, Any]) -> None:
    faults = []
    missing = sorted(key for key in report["missing_keys"] if not _is_unused(key))
    for what, keys in (
        ("missing", missing),
        ("unexpected", sorted(report["unexpected_keys"])),
        ("of another shape", sorted(str(mismatch[0]) for mismatch in report["mismatched_keys"])),
    ):
        if keys:
            more = f" and {len(keys) - NAMED_TENSORS} more" if len(keys) > NAMED_TENSORS else ""
            faults.append(f"{what}: {', '.join(keys[:NAMED_TENSORS])}{more}")
    if faults:
        raise ForeignWeightsError(f"the tensors are not those of {name}; {'; '.join(faults)}")


def _is_unused(key: str) -> bool:
    """A transformer's pooler: often not saved, and left out of our responses (`g2l.nn.heads.pooled`)."""
    return "pooler." in key


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and load reports; what matters is raised."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
