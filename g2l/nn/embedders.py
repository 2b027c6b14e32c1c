"""What turns images into responses: one protocol, and a folder for each that was fitted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from g2l.errors import G2LError

Array = npt.NDArray[Any]
Responses = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]

EMBEDDER = "embedder.json"
MODEL = "model"  # the folder, in an embedder's, of its network


class NotEmbeddableError(G2LError):
    """The array is not what the embedder takes."""

    code: ClassVar[str] = "not-embeddable"
    title: ClassVar[str] = "The embedder does not take this data"


class NotAnEmbedderError(G2LError):
    """The folder holds no embedder that this version knows."""

    code: ClassVar[str] = "not-an-embedder"
    title: ClassVar[str] = "This is no embedder"


class Embedder(Protocol):
    """Anything that turns N items into N vectors, each on its own."""

    @property
    def kind(self) -> str:
        """Its name among the built-in ones, or `model`."""

    @property
    def dim(self) -> int:
        """D, the width of its responses."""

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels that images are best given in, others being resized; None: any."""

    def embed(
        self, images: Array, *, batch_size: int = 256, on_progress: Progress | None = None
    ) -> Responses:
        """Responses of items, which depend on the batch size by rounding only.

        Args:
            images: (N, H, W, C) uint8 or uint16; for `identity` (N, D) floats.
            batch_size: items at once.
            on_progress: called with items done and in all; may raise to stop.

        Returns:
            (N, D) float32.
        """

    def save(self, folder: Path) -> None:
        """Write what `load_embedder` reads; the folder is made if it is not there."""


def embed_in_batches(
    one_batch: Callable[[Array], Responses],
    items: Array,
    dim: int,
    *,
    batch_size: int,
    on_progress: Progress | None,
) -> Responses:
    """Fill (N, D) batch by batch.

    Args:
        one_batch: (B, …) -> (B, D).
        items: (N, …).
        dim: D.
        batch_size: B at most.
        on_progress: called with items done and in all.

    Returns:
        (N, D) float32.
    """
    responses = np.empty((len(items), dim), dtype=np.float32)
    for start in range(0, len(items), batch_size):
        stop = min(start + batch_size, len(items))
        responses[start:stop] = one_batch(items[start:stop])
        if on_progress:
            on_progress(stop, len(items))
    return responses


def write_description(folder: Path, kind: str, **settings: Any) -> None:
    """Make the folder and write its embedder.json."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"kind": kind, **settings}, indent=2, sort_keys=True)
    (folder / EMBEDDER).write_text(text + "\n", encoding="utf-8")


def load_embedder(folder: Path) -> Embedder:
    """An embedder out of its folder, or a model folder in the Hugging Face layout as an embedder.

    Args:
        folder: that `Embedder.save` wrote, or of a model.

    Returns:
        the embedder.

    Raises:
        NotAnEmbedderError: the folder holds neither.
        NotAModelFolderError, PickledWeightsError, RemoteCodeError, UnsupportedModelError,
        ForeignWeightsError: see `load_model`.
        NotAnOnnxFileError, UnsuitableNetworkError: see `import_onnx`.
    """
    from g2l.nn.identity import Identity  # these modules import this one
    from g2l.nn.model_embedder import ModelEmbedder
    from g2l.nn.onnx_embedder import OnnxEmbedder
    from g2l.nn.patch_kmeans import PatchKMeans
    from g2l.nn.side_by_side import SideBySide

    if not (folder / EMBEDDER).exists():
        return ModelEmbedder.of_folder(folder)
    settings = json.loads((folder / EMBEDDER).read_text(encoding="utf-8"))
    match settings.get("kind"):
        case "identity":
            return Identity(settings["dim"])
        case "patch-kmeans":
            return PatchKMeans.load(folder, flips=settings["flips"])
        case "onnx":
            return OnnxEmbedder.load(folder)
        case "side-by-side":
            return SideBySide.load(folder)
        case ("model" | "anchor-network" | "self-supervised") as kind:
            return ModelEmbedder.of_folder(folder / MODEL, flips=settings["flips"], kind=kind)
        case other:
            raise NotAnEmbedderError(f"got an embedder of kind {other!r}; this version does not know it")
