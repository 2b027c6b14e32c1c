"""The embedder of datasets that are embeddings already."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from g2l.nn.embedders import (
    Array,
    NotEmbeddableError,
    Progress,
    Responses,
    embed_in_batches,
    write_description,
)


@dataclass(frozen=True)
class Identity:
    """Takes (N, D) vectors and gives them back as they are.

    Attributes:
        dim: D.
    """

    dim: int
    kind: str = "identity"
    image_size: tuple[int, int] | None = None

    def embed(
        self, images: Array, *, batch_size: int = 65536, on_progress: Progress | None = None
    ) -> Responses:
        """The vectors in float32; see `Embedder.embed`.

        Raises:
            NotEmbeddableError: images were given, or vectors of another D.
        """
        if images.ndim != 2 or not np.issubdtype(images.dtype, np.floating):
            raise NotEmbeddableError(
                f"identity takes embeddings (N, {self.dim}) and got {images.dtype} of shape {images.shape}; "
                "choose another embedder for images",
                field="embedder",
            )
        if images.shape[1] != self.dim:
            raise NotEmbeddableError(
                f"this identity takes embeddings of {self.dim} dimensions and got {images.shape[1]}",
                field="embedder",
            )
        return embed_in_batches(
            lambda part: part.astype(np.float32),
            images,
            self.dim,
            batch_size=batch_size,
            on_progress=on_progress,
        )

    def save(self, folder: Path) -> None:
        """Write what `load_embedder` reads."""
        write_description(folder, self.kind, dim=self.dim)


def fit_identity(embeddings: Array) -> Identity:
    """The identity for vectors of one width.

    Args:
        embeddings: (N, D) floats.

    Raises:
        NotEmbeddableError: they are no such array.
    """
    identity = Identity(embeddings.shape[-1])
    identity.embed(embeddings[:1])
    return identity
