"""Several embedders as one: their responses, none of which outweighs the others, in one long vector."""

import json
from collections.abc import Sequence
from pathlib import Path

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
from g2l.standardization import STANDARDIZATION, Standardization, fit_standardization


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
