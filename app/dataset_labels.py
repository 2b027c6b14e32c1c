"""What a dataset is like: its pseudo-label under an anchor set, from responses that the store has already."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app import downloads, resources
from app.checks.compatibility import embedder_mismatch
from app.schemas.datasets import DatasetLabelOut
from core.db.resources import AnchorSet, Dataset, Embedder, Model, Responses
from core.errors import FieldError, InvalidRequestError, NotFoundError, ServiceError
from g2l.anchors import load_anchor_set
from g2l.dataset_labels import DATASET_ROWS, label_dataset
from g2l.metrics import evenly
from g2l.standardization import STANDARDIZATION, Standardization


class NoResponsesError(ServiceError):
    """The dataset did not go through the anchor set's embedder yet."""

    code = "no-responses"
    title = "The dataset has not been embedded for this anchor set"


@dataclass(frozen=True)
class Evidence:
    """Files that never change, from which the label follows.

    Attributes:
        anchor_set_id: the anchor set.
        anchors: of the anchor set.
        responses: of the dataset, by each embedder that stands side by side.
        standardization: what joins them; None for a single embedder.
    """

    anchor_set_id: str
    anchors: Path
    responses: tuple[Path, ...]
    standardization: Path | None


def evidence(db: Session, dataset: Dataset, anchor_set_id: str) -> Evidence:
    """What is known of a dataset in an anchor set's embedding.

    Raises:
        InvalidRequestError: there is no such anchor set, or its embedder does not take the dataset.
        NoResponsesError: nothing is known yet; the detail says which request changes that.
    """
    try:
        anchor_set = resources.get(db, AnchorSet, anchor_set_id)
    except NotFoundError as error:
        raise _refused(error.detail) from error
    embedder = _embedder(db, anchor_set.embedder_id)
    reason = embedder_mismatch(embedder, dataset)
    if reason is not None:
        raise _refused(reason)
    joined = isinstance(embedder, Embedder) and embedder.kind == "side-by-side"
    parts = embedder.spec["embedder"] if joined else [embedder.id]
    found = [db.get(Responses, (dataset.id, part)) for part in parts]
    rows = [row for row in found if row is not None]
    if len(rows) < len(found):
        raise NoResponsesError(
            f"{dataset.id} has no responses by {anchor_set.embedder_id}, the embedder of {anchor_set.id}; "
            f'POST /v1/labelings {{"dataset_id": "{dataset.id}", "anchor_set_id": "{anchor_set.id}"}} '
            "makes them, and a label for each of its items."
        )
    return Evidence(
        anchor_set.id,
        downloads.folder(anchor_set.artifact) / "anchors.npz",
        tuple(downloads.folder(row.artifact) / "responses.npy" for row in rows),
        downloads.folder(embedder.artifact) / STANDARDIZATION if joined else None,
    )


@lru_cache(maxsize=256)
def pseudo_label(known: Evidence) -> DatasetLabelOut:
    """The label; it takes up to a second, and no database."""
    made = label_dataset(_rows(known), load_anchor_set(known.anchors))
    return DatasetLabelOut(anchor_set_id=known.anchor_set_id, **made.to_dict())


def _embedder(db: Session, id_: str) -> Embedder | Model:
    if id_.startswith("mdl_"):
        return resources.get(db, Model, id_)
    return resources.get(db, Embedder, id_)


def _rows(known: Evidence) -> NDArray[np.float32]:
    """The responses that stand for the dataset."""
    parts = [np.load(path, mmap_mode="r") for path in known.responses]
    rows = evenly(len(parts[0]), DATASET_ROWS)
    taken: list[NDArray[np.float32]] = [part[rows] for part in parts]
    if known.standardization is None:
        return taken[0]
    return Standardization.load(known.standardization).join(taken)


def _refused(detail: str) -> InvalidRequestError:
    return InvalidRequestError(detail, errors=[FieldError("#/query/anchor_set_id", detail)])
