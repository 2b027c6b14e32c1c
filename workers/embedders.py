"""Which embedder a job uses: one that is there already, or a built-in one that is fitted now."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from core.db.resources import Dataset, Embedder, Model
from core.ids import new_id
from core.specs.anchor_sets import AnchorSpec
from core.specs.base import BUILT_IN_EMBEDDERS
from workers import pixels
from workers.active import ActiveJob, load
from workers.patience import patiently
from workers.products import Made

if TYPE_CHECKING:
    from g2l.nn.embedders import Embedder as Network

FITTING = "fitting the embedder"
FITTING_SIDE = 32  # pixels; built-in embedders look at no more
SMALLEST_SIDE = 8
FITTING_IMAGES = 10_000  # of all datasets together, where there are several


@dataclass(frozen=True)
class Embedding:
    """An embedder, loaded or just fitted.

    Attributes:
        id: an ``emb_`` or ``mdl_`` id.
        network: what embeds.
        channels: of the images it takes; of `identity`, the width of its vectors.
        new: the rows and artifacts to be written with the job's product; empty if it was there.
    """

    id: str
    network: "Network"
    channels: int
    new: tuple[Made, ...] = ()


def embedding_of(job: ActiveJob[Any], id_: str) -> Embedding:
    """An embedder or a model that is there."""
    from g2l.nn.embedders import load_embedder

    row = load(Model, id_) if id_.startswith("mdl_") else load(Embedder, id_)
    return Embedding(id_, load_embedder(job.store.path(row.artifact)), row.channels)


def embedding_for(
    job: ActiveJob[Any],
    name: str,
    fit_on: Sequence[Dataset],
    *,
    seed: int,
    anchors: Sequence[AnchorSpec] = (),
) -> Embedding:
    """The embedder that a spec names; a built-in one is fitted, unless the same fit was made before."""
    if name not in BUILT_IN_EMBEDDERS:
        return embedding_of(job, name)
    spec: dict[str, Any] = {"embedder": name, "fit_on": [dataset.id for dataset in fit_on], "seed": seed}
    if name == "anchor-network":
        spec["anchors"] = [anchor.model_dump(mode="json", by_alias=True) for anchor in anchors]
    statement = select(Embedder.id).where(Embedder.spec == spec).order_by(Embedder.id).limit(1)
    known = patiently(lambda session: session.scalar(statement))
    if known is not None:
        return embedding_of(job, known)
    started = time.perf_counter()
    network = _fit(job, name, fit_on, seed=seed, anchors=anchors)
    return _kept(job, network, spec, fit_on, seconds=time.perf_counter() - started)


def _kept(
    job: ActiveJob[Any],
    network: "Network",
    spec: dict[str, Any],
    fit_on: Sequence[Dataset],
    *,
    seconds: float,
) -> Embedding:
    with job.staging() as folder:
        network.save(folder / "embedder")
        published = job.store.publish(folder / "embedder")
    row = Embedder(
        id=new_id("emb"),
        name=None,
        job_id=job.held.job_id,
        spec=spec,
        kind=network.kind,
        dim=network.dim,
        channels=fit_on[0].channels,
        artifact=published.digest,
        seconds=seconds,
        images_per_second=job.images_per_second(FITTING),
    )
    return Embedding(row.id, network, row.channels, (Made(row, [published]),))


def _fit(
    job: ActiveJob[Any],
    name: str,
    fit_on: Sequence[Dataset],
    *,
    seed: int,
    anchors: Sequence[AnchorSpec],
) -> "Network":
    from g2l.nn.identity import fit_identity
    from g2l.nn.model_embedder import fit_anchor_network, fit_self_supervised
    from g2l.nn.patch_kmeans import fit_patch_kmeans

    if name == "identity":
        return fit_identity(pixels.open_pack(job.store, fit_on[0]).embeddings())
    if name == "patch-kmeans":
        images = _fitting_images(job, fit_on)
        job.enter(FITTING)
        return fit_patch_kmeans(images, seed=seed)
    if name == "self-supervised":
        return _trained(job, name, partial(fit_self_supervised, _fitting_images(job, fit_on), seed=seed))
    images, ids = _anchors_images(job, anchors)
    return _trained(job, name, partial(fit_anchor_network, images, ids, seed=seed))


def _trained(job: ActiveJob[Any], name: str, fit: Callable[..., "Network"]) -> "Network":
    on_progress = job.counting(FITTING, "images")
    return job.resuming(f"{name}.pt", lambda checkpoint: fit(on_progress=on_progress, checkpoint=checkpoint))


def _fitting_images(job: ActiveJob[Any], datasets: Sequence[Dataset]) -> pixels.Images:
    side = _side(datasets)
    if len(datasets) == 1:
        return pixels.images_of(job, datasets[0], side)
    each = FITTING_IMAGES // len(datasets) + 1
    parts = []
    for dataset in datasets:
        images = pixels.images_of(job, dataset, side, datasets[0].channels)
        parts.append(images[pixels.evenly(len(images), each)])
    return _joined(parts)


def _anchors_images(
    job: ActiveJob[Any], anchors: Sequence[AnchorSpec]
) -> tuple[pixels.Images, NDArray[np.int64]]:
    datasets = [load(Dataset, anchor.dataset_id) for anchor in anchors]
    side, channels = _side(datasets), datasets[0].channels
    parts, ids = [], []
    for number, (anchor, dataset) in enumerate(zip(anchors, datasets, strict=True)):
        images = pixels.images_of(job, dataset, side, channels)
        items = anchor_items(job, anchor, dataset)
        parts.append(images[items])
        ids.append(np.full(len(items), number))
    return _joined(parts), np.concatenate(ids)


def anchor_items(job: ActiveJob[Any], anchor: AnchorSpec, dataset: Dataset) -> pixels.Indices:
    """The items of a given anchor: all of its dataset, or those of one class."""
    pack = pixels.open_pack(job.store, dataset)
    if anchor.class_ is None:
        return np.arange(len(pack))
    return np.flatnonzero(pack.class_ids == pack.classes.index(anchor.class_))


def _side(datasets: Sequence[Dataset]) -> int:
    longest = max(int((dataset.image_size or {}).get("max", FITTING_SIDE)) for dataset in datasets)
    return min(FITTING_SIDE, max(SMALLEST_SIDE, longest))


def _joined(parts: Sequence[pixels.Images]) -> pixels.Images:
    """One array; 8-bit images are scaled where others have 16 bits."""
    deep = any(part.dtype == np.uint16 for part in parts)
    return np.concatenate(
        [part.astype(np.uint16) * 257 if deep and part.dtype == np.uint8 else part for part in parts]
    )
