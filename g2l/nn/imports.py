"""Models that users bring: looked at, loaded once, tried once."""

from dataclasses import dataclass
from pathlib import Path

import torch

from g2l.nn.folders import CONFIG, PREPROCESSOR, WEIGHTS, ForeignWeightsError, UnsupportedModelError
from g2l.nn.heads import pooled
from g2l.nn.models import load_model

KEPT_FILES = (CONFIG, WEIGHTS, PREPROCESSOR, "README.md", "LICENSE", "LICENSE.txt")


@dataclass(frozen=True)
class ImportedModel:
    """What a user's model folder holds.

    Attributes:
        folder: where its config.json lies: the folder given, or the only one in it.
        files: names in that folder worth keeping; others (pickles, code, optimizer states) are not.
        arch: transformers' model type.
        channels: of the images it takes.
        image_size: (height, width) in pixels that it takes.
        dim: width of its pooled responses.
        labels: names of its outputs; empty without classifier.
        n_parameters: weights in all.
    """

    folder: Path
    files: tuple[str, ...]
    arch: str
    channels: int
    image_size: tuple[int, int]
    dim: int
    labels: tuple[str, ...]
    n_parameters: int


def inspect_import(folder: Path) -> ImportedModel:
    """Check a user's model folder to the point that it has embedded an image.

    Args:
        folder: of an unpacked archive; read only.

    Returns:
        what it holds.

    Raises:
        NotAModelFolderError, PickledWeightsError, RemoteCodeError, UnsupportedModelError,
        ForeignWeightsError: see `load_model`.
    """
    root = _root(folder)
    loaded = load_model(root)
    model, preprocessing = loaded.model, loaded.preprocessing
    if not all(bool(torch.isfinite(weight).all()) for weight in model.parameters()):
        raise ForeignWeightsError("some weights are not finite numbers")
    try:
        with torch.inference_mode():
            responses = pooled(model, torch.zeros(1, preprocessing.channels, *preprocessing.size))
    except (ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise UnsupportedModelError(
            f"the network does not take images of {preprocessing.channels} channels and "
            f"{preprocessing.size[0]} by {preprocessing.size[1]} pixels: {error}"
        ) from error
    return ImportedModel(
        folder=root,
        files=tuple(name for name in KEPT_FILES if (root / name).is_file()),
        arch=str(model.config.model_type),
        channels=preprocessing.channels,
        image_size=preprocessing.size,
        dim=responses.shape[1],
        labels=loaded.labels,
        n_parameters=model.num_parameters(),
    )


def _root(folder: Path) -> Path:
    """Archives often wrap everything in one folder."""
    if (folder / CONFIG).exists():
        return folder
    inner = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))]
    return inner[0] if len(inner) == 1 and (inner[0] / CONFIG).exists() else folder
