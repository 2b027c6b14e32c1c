"""Which data goes through which network: kinds and channels."""

from app.checks.inputs import Inputs
from core.db.resources import Dataset, Embedder, Model
from core.specs.base import BUILT_IN_EMBEDDERS

CONVERTIBLE = frozenset({1, 3})  # grey is repeated, colour averaged


def require_images(inputs: Inputs, where: str, dataset: Dataset) -> bool:
    """Refuse a dataset of embeddings where pixels are needed."""
    if dataset.kind == "images":
        return True
    inputs.refuse(
        where, f"{dataset.id} holds embeddings, which nothing can be trained on; give a dataset of images."
    )
    return False


def require_embeddable(inputs: Inputs, where: str, embedder: str, *, datasets: list[Dataset]) -> None:
    """Refuse an embedder that cannot take all of these datasets."""
    for dataset in datasets:
        if embedder in BUILT_IN_EMBEDDERS:
            reason = _built_in_mismatch(embedder, dataset, datasets[0])
        else:
            reason = embedder_mismatch(inputs.embedder(embedder), dataset)
        if reason is not None:
            inputs.refuse(where, reason)
            return


def embedder_mismatch(embedder: Embedder | Model, dataset: Dataset) -> str | None:
    """Why a fitted embedder or a model cannot take a dataset; None if it can."""
    takes_vectors = isinstance(embedder, Embedder) and embedder.kind == "identity"
    if takes_vectors != (dataset.kind == "embeddings"):
        return _wrong_kind(embedder.id, dataset)
    if takes_vectors:
        if embedder.dim != dataset.channels:
            return f"{embedder.id} takes {embedder.dim} dimensions; {dataset.id} has {dataset.channels}."
        return None
    return channel_mismatch(embedder.id, embedder.channels, dataset)


def channel_mismatch(network: str, channels: int, dataset: Dataset) -> str | None:
    """Why a network of so many channels cannot take a dataset of images; None if it can."""
    if channels == dataset.channels or {channels, dataset.channels} <= CONVERTIBLE:
        return None
    return (
        f"{network} takes images of {channels} channels; those of {dataset.id} have {dataset.channels}, "
        "and only 1 and 3 are turned into each other."
    )


def _built_in_mismatch(embedder: str, dataset: Dataset, first: Dataset) -> str | None:
    if (embedder == "identity") != (dataset.kind == "embeddings"):
        return _wrong_kind(embedder, dataset)
    if embedder == "identity":
        if dataset.channels != first.channels:
            return f"{first.id} has {first.channels} dimensions, {dataset.id} has {dataset.channels}."
        return None
    return channel_mismatch(f"{embedder} fitted on {first.id}", first.channels, dataset)


def _wrong_kind(embedder: str, dataset: Dataset) -> str:
    if dataset.kind == "embeddings":
        return f"{dataset.id} holds embeddings, which only `identity` takes; got {embedder}."
    return f"{embedder} takes embeddings, and {dataset.id} holds images: take `patch-kmeans`, or a model."
