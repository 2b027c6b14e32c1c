"""Responses of whole datasets, computed once for each dataset and embedder, then mapped from disk."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from core.artifacts import Published
from core.db.resources import Dataset, Responses
from core.jobs import shard_plan
from core.specs.responses import ResponsesSpec
from g2l.data.crops import crops
from g2l.data.mapped import create_npy
from workers import pixels
from workers.active import ActiveJob, load
from workers.embedders import Embedding
from workers.patience import patiently
from workers.products import Made
from workers.shards import keep_whole, wait_for

FILE = "responses.npy"
EMBEDDED_AT_ONCE = 4 * shard_plan.BATCH
Matrix = NDArray[np.float32]  # (N, D)


class Responder:
    """Responses by one embedder; what is computed here becomes visible with the job's product.

    Attributes:
        also: what writes the responses that were computed.
        unsaved: what they stand on and is not written yet.
    """

    def __init__(self, job: ActiveJob[Any], embedding: Embedding) -> None:
        self._job, self.embedding = job, embedding
        self.also: list[Callable[[Session], None]] = []
        self.unsaved: tuple[Made, ...] = embedding.new
        self._made: dict[str, Matrix] = {}

    def of(self, dataset: Dataset) -> Matrix:
        """The responses of all items.

        Raises:
            WaitsForShards: they are many, and other jobs compute them first.
        """
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
        """The responses of at most so many items, for a mean."""
        return self.some(dataset, pixels.evenly(dataset.n_items, most))

    def some(self, dataset: Dataset, items: pixels.Indices) -> Matrix:
        """The responses of some items; taken from what is kept, if anything is."""
        known = self._row(dataset.id) is not None
        if known or dataset.id in self._made or dataset.kind == "embeddings":
            return self.of(dataset)[items]
        return self.at(dataset, items)

    def missing(self, dataset: Dataset) -> list[ResponsesSpec]:
        """The shards of a dataset that are to be computed by jobs of their own."""
        if dataset.id in self._made or self._row(dataset.id) is not None:
            return []
        older = self._older(dataset)
        shards = self._shards(dataset, 0 if older is None else len(older))
        return [shard for shard, digest in shards.items() if digest is None]

    def _shards(self, dataset: Dataset, first: int) -> dict[ResponsesSpec, str | None]:
        """What the items from one on are cut into, each with its artifact; nothing where they are few."""
        if dataset.kind == "embeddings":
            return {}
        size = self._job.settings.shard_images
        cut = shard_plan.cut(dataset.id, self.embedding.id, first=first, stop=dataset.n_items, size=size)
        if len(cut) == 1:
            return {}
        made = patiently(partial(shard_plan.made, shards=cut))
        return {shard: made.get(shard) for shard in cut}

    def _known(self, dataset: Dataset) -> Matrix:
        row = self._row(dataset.id)
        digest = row.artifact if row is not None else self._compute(dataset).digest
        kept: Matrix = np.load(self._job.store.path(digest) / FILE, mmap_mode="r")
        return kept

    def _compute(self, dataset: Dataset) -> Published:
        older = self._older(dataset)
        n_known = 0 if older is None else len(older)
        shards = self._shards(dataset, n_known)
        there = {shard: digest for shard, digest in shards.items() if digest is not None}
        if len(there) < len(shards):
            missing = [shard for shard in shards if shard not in there]
            wait_for(self._job, missing, unsaved=self.unsaved, also=self.also)
        with self._job.staging() as folder:
            made = folder / "responses"
            made.mkdir()
            matrix = create_npy(made / FILE, np.float32, (dataset.n_items, self.embedding.network.dim))
            if older is not None:
                matrix[:n_known] = older
            if there:
                self._join(there, matrix)
            else:
                self._embed(self._items(dataset, n_known), matrix[n_known:])
            matrix.flush()
            published = self._job.store.publish(made)
        self.also.append(lambda session: keep_whole(session, dataset.id, self.embedding.id, published))
        return published

    def _join(self, there: Mapping[ResponsesSpec, str], matrix: Matrix) -> None:
        self._job.enter("joining shards")
        for shard, digest in there.items():
            rows = slice(shard.first, shard.first + shard.count)
            matrix[rows] = np.load(self._job.store.path(digest) / FILE, mmap_mode="r")

    def _embed(self, items: NDArray[Any], matrix: Matrix) -> None:
        on_progress = self._job.counting(shard_plan.STAGE, "images")
        for start in range(0, len(items), EMBEDDED_AT_ONCE):
            rows = slice(start, min(start + EMBEDDED_AT_ONCE, len(items)))
            matrix[rows] = self.embedding.network.embed(items[rows])
            on_progress(rows.stop, len(items))

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


def prepare(job: ActiveJob[Any], responders: Sequence[Responder], datasets: Sequence[Dataset]) -> None:
    """Wait once for all shards that several datasets or embedders lack, not for one after the other.

    Raises:
        WaitsForShards: some are missing, and are asked for now.
    """
    asked = dict.fromkeys(
        shard for responder in responders for dataset in datasets for shard in responder.missing(dataset)
    )
    if asked:
        # Responders that stand side by side share what they write.
        unsaved = {made.row: made for responder in responders for made in responder.unsaved}
        also = dict.fromkeys(write for responder in responders for write in responder.also)
        wait_for(job, list(asked), unsaved=unsaved.values(), also=also)
