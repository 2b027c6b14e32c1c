"""Twins of a transfer: what the weights have seen of the images that it is tested on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.db.resources import Dataset, Model
from g2l import twins
from g2l.data.splits import budget_indices
from g2l.twins import Signatures, find_twins
from workers import pixels
from workers.active import SIGNING, ActiveJob, load
from workers.pixels import Indices

PAIRS = 100  # listed; all are counted
_SIGNED_AT_ONCE = 8192


@dataclass(frozen=True)
class Seen:
    """Items of a dataset that weights were trained on."""

    dataset: Dataset
    items: Indices


def report(
    job: ActiveJob[Any],
    source: Model | None,
    *,
    train: Seen,
    test: Indices,
    right: NDArray[np.bool_],
) -> dict[str, Any]:
    """Count the test images that the source's weights, or the transfer's, have been trained on.

    Args:
        job: the transfer's.
        source: followed to the models that its weights started from.
        train: the labelled images that the transfer trained on.
        test: the target's test items.
        right: (M,) whether each was classified rightly.

    Returns:
        `Transfer.twins`.
    """
    pools, unknown = _pools(job, source)
    wanted = signatures(job, train.dataset)[test]
    in_train, pairs = _twins_in(job, train, wanted)
    in_pool = np.zeros(len(test), bool)
    for pool in pools:
        found, more = _twins_in(job, pool, wanted)
        in_pool |= found
        pairs += more
    either = in_pool | in_train
    return {
        "n_with_pool": int(in_pool.sum()) if pools else None,
        "n_with_train": int(in_train.sum()),
        "share": float(either.mean()),
        "accuracy_without": _accuracy(right[~either]),
        "dataset_ids": [pool.dataset.id for pool in pools],
        "unknown_model_ids": unknown,
        "pairs": [pair | {"item": int(test[pair["item"]])} for pair in pairs[:PAIRS]],
    }


def signatures(job: ActiveJob[Any], dataset: Dataset) -> Signatures:
    """Of all items of a dataset; computed once, then mapped from disk."""

    def fill(signed: Signatures) -> None:
        on_progress = job.counting(SIGNING, "images")
        for start in range(0, dataset.n_items, _SIGNED_AT_ONCE):
            items = np.arange(start, min(start + _SIGNED_AT_ONCE, dataset.n_items))
            signed[items] = twins.signatures(pixels.images_at(job, dataset, twins.SIDE, items))
            on_progress(int(items[-1]) + 1, dataset.n_items)

    shape = (dataset.n_items, twins.FREQUENCIES, twins.FREQUENCIES)
    what = f"{twins.SIDE}px-{twins.FREQUENCIES}-frequencies"
    return pixels.filled_once(job.store, dataset, what, dtype=np.float16, shape=shape, fill=fill)


def _pools(job: ActiveJob[Any], source: Model | None) -> tuple[list[Seen], list[str]]:
    """What a model and those that it started from were trained on, and the imports among them."""
    pools, unknown = [], list[str]()
    while source is not None:
        if source.dataset_id is None:
            unknown.append(source.id)
        else:
            dataset = load(Dataset, source.dataset_id)
            pools.append(Seen(dataset, _trained_on(job, source, dataset)))
        source = None if source.parent_model_id is None else load(Model, source.parent_model_id)
    return pools, unknown


def _trained_on(job: ActiveJob[Any], model: Model, dataset: Dataset) -> Indices:
    pack = pixels.open_pack(job.store, dataset)
    if model.role != "base":
        return pack.pretraining_indices()
    spec = model.spec
    return budget_indices(pack.class_ids, pack.target_split().train, spec["label_budget"], seed=spec["seed"])


def _twins_in(
    job: ActiveJob[Any], seen: Seen, wanted: Signatures
) -> tuple[NDArray[np.bool_], list[dict[str, Any]]]:
    """Which of the wanted were seen, and the pairs, likest first."""
    found = find_twins(signatures(job, seen.dataset)[seen.items], wanted)
    has_twin = np.zeros(len(wanted), bool)
    has_twin[found.items] = True
    pairs = [
        {
            "item": int(found.items[i]),
            "other_item": int(seen.items[found.others[i]]),
            "dataset_id": seen.dataset.id,
            "similarity": float(found.similarities[i]),
            "mirrored": bool(found.mirrored[i]),
        }
        for i in np.argsort(-found.similarities, kind="stable")[:PAIRS]
    ]
    return has_twin, pairs


def _accuracy(right: Sequence[bool] | NDArray[np.bool_]) -> dict[str, float] | None:
    from g2l.nn.evaluation import wilson

    return asdict(wilson(int(np.sum(right)), len(right))) if len(right) else None
