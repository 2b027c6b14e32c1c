"""Responses by whatever a spec names as its embedder: one that is there, one fitted now, or several."""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import select

from core.db.resources import Dataset, Embedder
from core.errors import InvalidRequestError
from core.ids import new_id
from core.specs.anchor_sets import AnchorSpec
from core.specs.responses import ResponsesSpec
from g2l.data.mapped import reserve
from g2l.standardization import STANDARDIZATION, Standardization, fit_standardization
from workers import pixels
from workers.active import ActiveJob, load
from workers.embedders import Embedding, embedding_for, embedding_of
from workers.patience import patiently
from workers.products import Made
from workers.responses import Matrix, Responder, prepare

FITTING_ROWS = 20_000  # responses of one dataset
JOINED_AT_ONCE = 4096


class SideBySideResponder(Responder):
    """Responses by several embedders: those of each are kept, what is joined of them is not."""

    def __init__(
        self,
        job: ActiveJob[Any],
        embedding: Embedding,
        *,
        parts: Sequence[Responder],
        standardization: Standardization,
    ) -> None:
        super().__init__(job, embedding)
        self._parts, self._standardization = parts, standardization
        self.also = parts[0].also  # which is that of all parts

    def at(self, dataset: Dataset, items: pixels.Indices, *, mirrored: bool = False, crop: int = 0) -> Matrix:
        """The responses of some images, whole or a crop of each, or of their mirror images; not kept."""
        return self._standardization.join(
            [part.at(dataset, items, mirrored=mirrored, crop=crop) for part in self._parts]
        )

    def sample(self, dataset: Dataset, most: int) -> Matrix:
        """The responses of at most so many items, for a mean; taken from what is kept, if anything is."""
        return self._standardization.join([part.sample(dataset, most) for part in self._parts])

    def missing(self, dataset: Dataset) -> list[ResponsesSpec]:
        """The shards of a dataset that are to be computed by jobs of their own, of all parts."""
        return [shard for part in self._parts for shard in part.missing(dataset)]

    def _known(self, dataset: Dataset) -> Matrix:
        """Joined in a file without a name, which goes with this process."""
        parts = [part.of(dataset) for part in self._parts]
        shape = (len(parts[0]), self._standardization.dim)
        with tempfile.TemporaryFile(dir=self._job.store.work(self._job.held.job_id)) as file:
            reserve(file, shape[0] * shape[1] * np.dtype(np.float32).itemsize)
            joined: Matrix = np.memmap(file, dtype=np.float32, mode="r+", shape=shape)
        for start in range(0, len(joined), JOINED_AT_ONCE):
            rows = slice(start, start + JOINED_AT_ONCE)
            joined[rows] = self._standardization.join([part[rows] for part in parts])
        return joined


def responder_of(job: ActiveJob[Any], id_: str) -> Responder:
    """By an embedder or a model that is there."""
    row = load(Embedder, id_) if id_.startswith("emb_") else None
    if row is None or row.kind != "side-by-side":
        return Responder(job, embedding_of(job, id_))
    parts = _parts(job, [embedding_of(job, part) for part in row.spec["embedder"]])
    return _beside(job, row, parts, Standardization.load(job.store.path(row.artifact) / STANDARDIZATION))


def responder_for(
    job: ActiveJob[Any],
    choice: str | list[str],
    fit_on: Sequence[Dataset],
    *,
    seed: int,
    anchors: Sequence[AnchorSpec] = (),
) -> Responder:
    """By what a spec chooses; what is not there yet is fitted."""
    if isinstance(choice, str):
        if choice.startswith(("emb_", "mdl_")):
            return responder_of(job, choice)
        return Responder(job, embedding_for(job, choice, fit_on, seed=seed, anchors=anchors))
    parts = _parts(job, [embedding_for(job, name, fit_on, seed=seed, anchors=anchors) for name in choice])
    ids = [part.embedding.id for part in parts]
    if len(set(ids)) < len(ids):
        raise InvalidRequestError.at(
            "embedder", f"{', '.join(choice)} are {', '.join(ids)}: one of them twice; name each once."
        )
    spec = {"embedder": ids, "fit_on": [dataset.id for dataset in fit_on]}
    statement = select(Embedder.id).where(Embedder.spec == spec).order_by(Embedder.id).limit(1)
    known = patiently(lambda session: session.scalar(statement))
    return responder_of(job, known) if known is not None else _fitted(job, parts, fit_on, spec)


def _parts(job: ActiveJob[Any], embeddings: Sequence[Embedding]) -> list[Responder]:
    """A responder each; what one of them has written, it writes for all."""
    parts = [Responder(job, embedding) for embedding in embeddings]
    for part in parts:
        part.also = parts[0].also
        part.unsaved = tuple(made for embedding in embeddings for made in embedding.new)
    return parts


def _fitted(
    job: ActiveJob[Any], parts: Sequence[Responder], fit_on: Sequence[Dataset], spec: dict[str, Any]
) -> Responder:
    from g2l.nn.embedders import write_description

    prepare(job, parts, fit_on)
    samples = []
    for part in parts:
        rows = [(part.of(dataset), pixels.evenly(dataset.n_items, FITTING_ROWS)) for dataset in fit_on]
        samples.append(np.concatenate([responses[items] for responses, items in rows]))
    standardization = fit_standardization(samples)
    with job.staging() as folder:
        write_description(folder / "embedder", "side-by-side", parts=spec["embedder"])
        standardization.save(folder / "embedder" / STANDARDIZATION)
        published = job.store.publish(folder / "embedder")
    row = Embedder(
        id=new_id("emb"),
        name=None,
        job_id=job.held.job_id,
        spec=spec,
        kind="side-by-side",
        dim=standardization.dim,
        channels=parts[0].embedding.channels,  # of the others they differ as 1 and 3 may
        artifact=published.digest,
    )
    new = [made for part in parts for made in part.embedding.new]
    made = Made(row, [published], spec["embedder"])
    return _beside(job, row, parts, standardization, new=[*new, made])


def _beside(
    job: ActiveJob[Any],
    row: Embedder,
    parts: Sequence[Responder],
    standardization: Standardization,
    *,
    new: Sequence[Made] = (),
) -> Responder:
    from g2l.nn.side_by_side import SideBySide

    network = SideBySide([part.embedding.network for part in parts], standardization)
    embedding = Embedding(row.id, network, row.channels, tuple(new))
    return SideBySideResponder(job, embedding, parts=parts, standardization=standardization)
