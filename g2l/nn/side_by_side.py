"""Several embedders as one: their responses, none of which outweighs the others, in one long vector."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from g2l.nn.embedders import (
    EMBEDDER,
    Array,
    Embedder,
    NotEmbeddableError,
    Progress,
    Responses,
    embed_in_batches,
    load_embedder,
    write_description,
)

STANDARDIZATION = "standardization.npz"


@dataclass(frozen=True)
class Standardization:
    """What is taken from each part's responses, and what they are divided by.

    Attributes:
        means: of each part, (D_p,) float32.
        scales: of each part, the root of the mean squared distance of its responses to their mean.
    """

    means: tuple[npt.NDArray[np.float32], ...]
    scales: tuple[float, ...]

    @property
    def dim(self) -> int:
        """Width of the joined responses."""
        return sum(len(mean) for mean in self.means)

    def join(self, parts: Sequence[Responses]) -> Responses:
        """Centre each part's responses, divide by its scale, and put them side by side.

        Args:
            parts: of each part, (N, D_p) of the same N items.

        Returns:
            (N, dim) float32; over the data of the fit every part has a mean squared length of 1.
        """
        joined = np.empty((len(parts[0]), self.dim), dtype=np.float32)
        start = 0
        for responses, mean, scale in zip(parts, self.means, self.scales, strict=True):
            columns = joined[:, start : start + len(mean)]
            np.subtract(responses, mean, out=columns)
            columns /= scale
            start += len(mean)
        return joined

    def save(self, path: Path) -> None:
        """Write what `load` reads."""
        means = {f"mean_{number}": mean for number, mean in enumerate(self.means)}
        np.savez(path, scales=np.array(self.scales), **means)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "Standardization":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            scales = tuple(float(scale) for scale in stored["scales"])
            return cls(tuple(stored[f"mean_{number}"] for number in range(len(scales))), scales)


def fit_standardization(parts: Sequence[Responses]) -> Standardization:
    """The standardization by which each part weighs the same in squared distances.

    One scale a part, not one a dimension: each embedder keeps its own geometry.

    Args:
        parts: of each part, (N, D_p) responses of the same N items.

    Returns:
        the standardization; a part whose responses are all alike becomes zeros.
    """
    means, scales = [], []
    for responses in parts:
        mean = responses.mean(axis=0, dtype=np.float64)
        spread = float(np.sqrt(((responses - mean) ** 2).sum(axis=1).mean()))
        means.append(mean.astype(np.float32))
        scales.append(spread if spread > 0 else 1.0)
    return Standardization(tuple(means), tuple(scales))


class SideBySide:
    """Each part sees the image at its own size; their standardized responses stand side by side."""

    kind = "side-by-side"

    def __init__(self, parts: Sequence[Embedder], standardization: Standardization) -> None:
        """Take embedders of images and the standardization of their responses."""
        self.parts, self.standardization = tuple(parts), standardization
        self.dim = standardization.dim

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels of the part that takes the largest images."""
        sizes = [part.image_size for part in self.parts]
        return max((size for size in sizes if size is not None), default=None, key=max)

    def embed(
        self, images: Array, *, batch_size: int = 256, on_progress: Progress | None = None
    ) -> Responses:
        """Responses; see `Embedder.embed`. Raises what the parts raise."""
        return embed_in_batches(self._batch, images, self.dim, batch_size=batch_size, on_progress=on_progress)

    def save(self, folder: Path) -> None:
        """Write what `load_embedder` reads: the standardization, and a folder for each part."""
        write_description(folder, self.kind, parts=len(self.parts))
        self.standardization.save(folder / STANDARDIZATION)
        for number, part in enumerate(self.parts):
            part.save(folder / f"part-{number}")

    @classmethod
    def load(cls, folder: Path) -> "SideBySide":
        """Read what `save` wrote."""
        count = json.loads((folder / EMBEDDER).read_text(encoding="utf-8"))["parts"]
        parts = [load_embedder(folder / f"part-{number}") for number in range(count)]
        return cls(parts, Standardization.load(folder / STANDARDIZATION))

    def _batch(self, images: Array) -> Responses:
        return self.standardization.join([part.embed(images) for part in self.parts])


def fit_side_by_side(parts: Sequence[Embedder], images: Array) -> SideBySide:
    """Several embedders as one, each weighing the same.

    Args:
        parts: two or more embedders of images, already fitted.
        images: (N, H, W, C) uint8 or uint16, on whose responses the standardization is fitted.

    Returns:
        the embedder.

    Raises:
        NotEmbeddableError: `identity` is among the parts, which takes no images.
    """
    if any(part.kind == "identity" for part in parts):
        raise NotEmbeddableError("identity takes embeddings, the other parts images", field="embedder")
    return SideBySide(parts, fit_standardization([part.embed(images) for part in parts]))
