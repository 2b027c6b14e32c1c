"""Models as folders in the Hugging Face layout: saved so that stock transformers loads them, and loaded."""

import json
from collections.abc import Iterator, Mapping, Sequence
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
    ForeignWeightsError,
    UnsupportedModelError,
    model_class,
    require_model_folder,
    stored_weights,
)
from g2l.nn.heads import body
from g2l.nn.images import Preprocessing
from g2l.nn.processors import load_preprocessing, save_preprocessing

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

    A body without classifier is one for `AutoModel`.

    The same weights give the same bytes: safetensors orders several metadata entries at random, so its only
    entry is the format, and where the model comes from is in provenance.json.

    Args:
        folder: made if it is not there.
        model: an image classifier, or a body.
        labels: a name for each output, unique; none for a body.
        preprocessing: what its input goes through.
        card: text of README.md; see `g2l.nn.cards.model_card`.
        provenance: JSON-like content of provenance.json.

    Raises:
        ValueError: the labels are not as many as the outputs, or repeat.
    """
    outputs = 0 if body(model) is model else model.config.num_labels
    if len(labels) != outputs or len(set(labels)) != len(labels):
        raise ValueError(
            f"got {len(labels)} labels, {len(set(labels))} of them different, for {outputs} outputs"
        )
    if labels:
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
    save_preprocessing(folder, preprocessing)


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
