"""Responses averaged over several views of each image."""

import tempfile
from typing import Any

import numpy as np

from core.db.resources import Dataset
from core.specs.responses import ResponsesSpec
from g2l.data.mapped import reserve
from workers import pixels
from workers.active import ActiveJob
from workers.responses import EMBEDDED_AT_ONCE, Matrix, Responder


class AveragingResponder(Responder):
    """The mean of an image's response, which is kept, and of those of crops of it, which are not."""

    def __init__(self, job: ActiveJob[Any], responder: Responder, views: int) -> None:
        super().__init__(job, responder.embedding)
        self._responder, self._views = responder, views
        self.also = responder.also  # what it will still compute is written with this one's

    def at(self, dataset: Dataset, items: pixels.Indices, *, mirrored: bool = False, crop: int = 0) -> Matrix:
        """The averaged responses of some images, as they are or as mirror images; not kept."""
        first = self._responder.at(dataset, items, mirrored=mirrored, crop=crop)
        return self._averaged(first, dataset, items, mirrored=mirrored)

    def missing(self, dataset: Dataset) -> list[ResponsesSpec]:
        """The shards of a dataset that are to be computed by jobs of their own."""
        return self._responder.missing(dataset)

    def _known(self, dataset: Dataset) -> Matrix:
        """Averaged in a file without a name, which goes with this process."""
        plain, on_progress = self._responder.of(dataset), self._job.counting("embedding crops", "images")
        with tempfile.TemporaryFile(dir=self._job.store.work(self._job.held.job_id)) as file:
            reserve(file, plain.nbytes)
            averaged: Matrix = np.memmap(file, dtype=np.float32, mode="r+", shape=plain.shape)
        for start in range(0, len(plain), EMBEDDED_AT_ONCE):
            items = np.arange(start, min(start + EMBEDDED_AT_ONCE, len(plain)))
            averaged[items] = self._averaged(plain[items], dataset, items)
            on_progress(int(items[-1]) + 1, len(plain))
        return averaged

    def _averaged(
        self, first: Matrix, dataset: Dataset, items: pixels.Indices, *, mirrored: bool = False
    ) -> Matrix:
        total = first.astype(np.float32)
        for crop in range(1, self._views):
            total += self._responder.at(dataset, items, mirrored=mirrored, crop=crop)
        return total / np.float32(self._views)


def over_views(job: ActiveJob[Any], responder: Responder, views: int) -> Responder:
    """The responder, or one that averages over so many views of each image."""
    return responder if views == 1 else AveragingResponder(job, responder, views)
