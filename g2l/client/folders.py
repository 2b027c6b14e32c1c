"""Where a model's files go on this machine, and how they are loaded from there."""

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import Any

from g2l.client.answers import ModelAnswer
from g2l.client.errors import ApiError
from g2l.client.extras import needed
from g2l.client.values import Problem

WEIGHTS, ONNX = "model.safetensors", "model.onnx"


def cache_home() -> Path:
    """Where things are kept between processes: ``$G2L_CACHE``, else ``~/.cache/g2l``."""
    home = os.environ.get("G2L_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "g2l"
    return Path(home).expanduser()


def cache_folder(model: ModelAnswer) -> Path:
    """A folder for exactly these files, in the cache, named by their digest."""
    content = "".join(f"{file.sha256} {file.path}\n" for file in sorted(model.files, key=lambda f: f.path))
    return cache_home() / "models" / hashlib.sha256(content.encode()).hexdigest()[:32]


def own_folder(model: ModelAnswer) -> Path:
    """One of the model's name (or id) in the working folder."""
    return Path(str(model.name or model.id).replace("/", "-"))


def files(model: ModelAnswer) -> list[str]:
    """The paths of a model's files, the weights last: where they are, all is.

    Raises:
        ApiError: a path leads out of the folder.
    """
    for file in model.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts:
            title = "The service names a file outside of the folder"
            raise ApiError(Problem("about:blank", title, detail=file.path))
    return sorted((file.path for file in model.files), key=lambda path: path == WEIGHTS)


def loaders(model: ModelAnswer) -> tuple[Any, ...]:
    """The libraries that load a model: onnxruntime, or transformers with torch.

    Raises:
        MissingPackageError: they are not installed.
    """
    if any(file.path == ONNX for file in model.files):
        return needed("model.load", "onnxruntime")
    return needed("model.load", "transformers", "torch")


def load(folder: Path, library: Any) -> Any:
    """The network in a folder, by the first of its `loaders`."""
    if (folder / ONNX).exists():
        return library.InferenceSession(folder / ONNX)
    verbosity = library.logging.get_verbosity()
    library.logging.set_verbosity_error()  # it warns of the classifier, which is left out here
    try:
        return library.AutoModel.from_pretrained(folder)
    finally:
        library.logging.set_verbosity(verbosity)
