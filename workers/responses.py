"""Responses of whole datasets, computed once for each dataset and embedder, then mapped from disk."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import artifacts
from core.artifacts import Published
from core.db.resources import Dataset, Responses
from g2l.data.crops import crops
from g2l.data.mapped import create_npy
from workers import pixels
from workers.active import ActiveJob, load
from workers.embedders import Embedding
from workers.patience import patiently

FILE = "responses.npy"
EMBEDDED_AT_ONCE = 1024
Matrix = NDArray[np.float32]  # (N, D)


class Responder:
    """Responses by one embedder; what is computed here becomes visible with the job's product."""

    def __init__(self, job: ActiveJob[Any], embedding: Embedding) -> None:
        self._job, self.embedding = job, embedding
        self.also: list[Callable[[Session], None]] = []
        self._made: dict[str, Matrix] = {}

    def of(self, dataset: Dataset) -> Matrix:
        """The responses of all items."""
        if dataset.id not in self._made:
            self._made[dataset.id] = self._known(dataset)
        return self._made[dataset.id]

    def at(self, dataset: Dataset, items: pixels.Indices, *, mirrored: bool = False, crop: int = 0) -> Matrix:
        """The responses of some images, whole or a crop of each, or of their mirror images; not kept."""
        if crop:  # of all images, as a rule: they are decoded once for all crops
            images = pixels.images_of(self._job, dataset, self._side(dataset))[items]
            images = crops(images, items, crop)
        else:
            images = pixels.images_at(self._job, dataset, self._side(dataset), items)
        return self.embedding.network.embed(images[:, :, ::-1] if mirrored else images)

    def sample(self, dataset: Dataset, most: int) -> Matrix:
        """The responses of at most so many items, for a mean; taken from what is kept, if anything is."""
        items = pixels.evenly(dataset.n_items, most)
        known = self._row(dataset.id) is not None
        if known or dataset.id in self._made or dataset.kind == "embeddings":
            return self.of(dataset)[items]
        return self.at(dataset, items)

    def _known(self, dataset: Dataset) -> Matrix:
        row = self._row(dataset.id)
        digest = row.artifact if row is not None else self._compute(dataset).digest
        kept: Matrix = np.load(self._job.store.path(digest) / FILE, mmap_mode="r")
        return kept

    def _compute(self, dataset: Dataset) -> Published:
        older = self._older(dataset)
        n_known = 0 if older is None else len(older)
        items = self._items(dataset, n_known)
        network, on_progress = self.embedding.network, self._job.counting("embedding", "images")
        with self._job.staging() as folder:
            made = folder / "responses"
            made.mkdir()
            matrix = create_npy(made / FILE, np.float32, (dataset.n_items, network.dim))
            if older is not None:
                matrix[:n_known] = older
            for start in range(0, len(items), EMBEDDED_AT_ONCE):
                part = items[start : start + EMBEDDED_AT_ONCE]
                matrix[n_known + start : n_known + start + len(part)] = network.embed(part)
                on_progress(start + len(part), len(items))
            matrix.flush()
            published = self._job.store.publish(made)
        self.also.append(lambda session: _keep(session, dataset.id, self.embedding.id, published))
        return published

    def _older(self, dataset: Dataset) -> Matrix | None:
        """The responses that an older version has of its items, which come first here."""
        parent_id = dataset.parent_id
        while parent_id is not None:
            parent = load(Dataset, parent_id)
            if self._side(parent) != self._side(dataset):  # decoded to another size
                return None
            row = self._row(parent_id)
            if row is not None:
                older: Matrix = np.load(self._job.store.path(row.artifact) / FILE, mmap_mode="r")
                return older
            parent_id = parent.parent_id
        return None

    def _row(self, dataset_id: str) -> Responses | None:
        return patiently(lambda session: session.get(Responses, (dataset_id, self.embedding.id)))

    def _items(self, dataset: Dataset, first: int) -> NDArray[Any]:
        if dataset.kind == "embeddings":
            return pixels.open_pack(self._job.store, dataset).embeddings()[first:]
        return pixels.images_from(self._job, dataset, self._side(dataset), first)

    def _side(self, dataset: Dataset) -> int:
        size = self.embedding.network.image_size
        longest = int((dataset.image_size or {"max": 32})["max"])
        return max(size) if size is not None else longest


def _keep(session: Session, dataset_id: str, embedder_id: str, published: Published) -> None:
    artifacts.record(session, published)
    row = insert(Responses).values(
        dataset_id=dataset_id, embedder_id=embedder_id, artifact=published.digest, created_at=func.now()
    )
    session.execute(row.on_conflict_do_nothing())
