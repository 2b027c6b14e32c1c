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


def located_parts(where: str, choice: str | list[str]) -> list[tuple[str, str]]:
    """The embedders of a choice, each with its place."""
    if isinstance(choice, str):
        return [(where, choice)]
    return [(f"{where}/{index}", part) for index, part in enumerate(choice)]


def require_embeddable(
    inputs: Inputs, where: str, choice: str | list[str], *, datasets: list[Dataset]
) -> None:
    """Refuse embedders that cannot take all of these datasets, or cannot stand side by side."""
    parts = located_parts(where, choice)
    for number, (place, embedder) in enumerate(parts):
        reasons = [_mismatch(inputs, embedder, dataset, datasets[0]) for dataset in datasets]
        if len(parts) > 1:
            reasons.insert(0, _unfit_beside(inputs, embedder, [part for _, part in parts[:number]]))
        reason = next((reason for reason in reasons if reason is not None), None)
        if reason is not None:
            inputs.refuse(place, reason)


def _unfit_beside(inputs: Inputs, embedder: str, before: list[str]) -> str | None:
    """Why an embedder cannot stand beside others; None if it can."""
    kind = embedder if embedder in BUILT_IN_EMBEDDERS else getattr(inputs.embedder(embedder), "kind", "model")
    if embedder in before:
        return f"{embedder} is there already; name each embedder once."
    if kind == "identity":
        return f"{embedder} takes embeddings, which have no other embedder; name it alone."
    if kind == "side-by-side":
        return f"{embedder} is several embedders side by side already; name those instead."
    return None


def _mismatch(inputs: Inputs, embedder: str, dataset: Dataset, first: Dataset) -> str | None:
    if embedder in BUILT_IN_EMBEDDERS:
        return _built_in_mismatch(embedder, dataset, first)
    return embedder_mismatch(inputs.embedder(embedder), dataset)


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


def transfer_mismatch(model: Model, dataset: Dataset, method: str) -> str | None:
    """Why a model cannot be transferred to a dataset of images in this way; None if it can."""
    if model.role == "embedder" and method != "linear-probe":
        return (
            f"{model.id} is an ONNX network, which cannot be trained on; take it frozen, by "
            '`method: "linear-probe"`, or give a source, base or imported model.'
        )
    return channel_mismatch(model.id, model.channels, dataset)


def source_mismatch(model: Model, dataset: Dataset) -> str | None:
    """Why nothing can be forecast of a model's fine-tuning on a dataset of images; None if it can."""
    if model.role == "embedder":
        return (
            f"{model.id} is an ONNX network, which embeds and cannot be trained on; give a source, base or "
            "imported model. It can be the embedder of an anchor set."
        )
    return channel_mismatch(model.id, model.channels, dataset)


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
