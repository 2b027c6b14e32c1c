"""Images as training and embedding read them: decoded once for a dataset and size, then mapped from disk."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.artifacts import Store
from core.db.resources import Dataset
from core.errors import InvalidRequestError
from g2l.data.mapped import create_npy
from g2l.data.pack import Pack
from workers.active import DECODING, ActiveJob

Images = NDArray[Any]  # (N, H, W, C) uint8 or uint16
Indices = NDArray[np.int64]
FEW = 4  # a part of a dataset of a quarter or less is decoded alone
_COPIED_AT_ONCE = 512


def open_pack(store: Store, dataset: Dataset) -> Pack:
    """A dataset's items."""
    return Pack(store.path(dataset.artifact))


def require_images(dataset: Dataset, field: str = "dataset_id") -> None:
    """Raise InvalidRequestError where a dataset holds embeddings, which cannot be trained on."""
    if dataset.kind != "images":
        raise InvalidRequestError.at(
            field, f"{dataset.id} holds embeddings, and this needs images; give a dataset of images."
        )


def images_of(job: ActiveJob[Any], dataset: Dataset, size: int, channels: int | None = None) -> Images:
    """All images of a dataset as squares of `size` pixels; None keeps the dataset's own channels."""
    require_images(dataset)
    channels = channels or dataset.channels
    path = _cached(job.store, dataset, f"{size}x{channels}")
    with _alone(path):
        if not path.exists():
            pack = open_pack(job.store, dataset)
            pack.resized(size, channels, out=path, on_progress=job.counting(DECODING, "images"))
        return _mapped(path)


def images_from(job: ActiveJob[Any], dataset: Dataset, size: int, first: int) -> Images:
    """The images from one on; those before it, which an older version has, are not decoded for that."""
    whole = _cached(job.store, dataset, f"{size}x{dataset.channels}")
    if first == 0 or whole.exists():
        images: Images = images_of(job, dataset, size)[first:]
        return images
    path = _cached(job.store, dataset, f"{size}x{dataset.channels}-from-{first}")
    with _alone(path):
        if not path.exists():
            new, on_progress = np.arange(first, dataset.n_items), job.counting(DECODING, "images")
            pack = open_pack(job.store, dataset)
            pack.resized(size, dataset.channels, new, out=path, on_progress=on_progress)
        return _mapped(path)


def evenly(n: int, most: int) -> Indices:
    """At most so many of n items, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def images_at(job: ActiveJob[Any], dataset: Dataset, size: int, indices: Indices) -> Images:
    """The images at some indices, in that order, in memory: for the few of a label budget or a sample."""
    whole = _cached(job.store, dataset, f"{size}x{dataset.channels}")
    if not whole.exists() and FEW * len(indices) <= dataset.n_items:
        return open_pack(job.store, dataset).resized(size, dataset.channels, indices)
    images: Images = images_of(job, dataset, size)[indices]
    return images


def pretraining_images(job: ActiveJob[Any], dataset: Dataset, size: int) -> tuple[Images, Indices]:
    """The images that a source may see (`train`, or all without splits), and which items they are."""
    everything = images_of(job, dataset, size)
    chosen = open_pack(job.store, dataset).pretraining_indices()
    if len(chosen) == len(everything):
        return everything, chosen

    def copy(images: Images) -> None:
        for start in range(0, len(chosen), _COPIED_AT_ONCE):
            rows = slice(start, start + _COPIED_AT_ONCE)
            images[rows] = everything[chosen[rows]]

    shape, what = (len(chosen), *everything.shape[1:]), f"{size}x{dataset.channels}-train"
    return filled_once(job.store, dataset, what, dtype=everything.dtype, shape=shape, fill=copy), chosen


def filled_once(
    store: Store,
    dataset: Dataset,
    what: str,
    *,
    dtype: DTypeLike,
    shape: tuple[int, ...],
    fill: Callable[[NDArray[Any]], None],
) -> NDArray[Any]:
    """An array about a dataset, filled where it is not kept yet, and mapped from disk."""
    path = _cached(store, dataset, what)
    with _alone(path):
        if not path.exists():
            part = path.with_suffix(".part")
            array = create_npy(part, dtype, shape)
            fill(array)
            array.flush()
            part.replace(path)
        return _mapped(path)


def _cached(store: Store, dataset: Dataset, what: str) -> Path:
    return store.cache(f"{dataset.artifact}-{what}.npy")


def _mapped(path: Path) -> Images:
    images: Images = np.load(path, mmap_mode="c")  # torch warns of what is read only; nothing is written back
    return images


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time makes a cached file; the lock goes with its process."""
    with path.with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
