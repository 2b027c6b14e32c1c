"""Datasets and their items on the wire."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class ClassOut(BaseModel):
    """A class and its number of items."""

    name: str
    count: int


class RejectedOut(BaseModel):
    """A file that was left out, and why."""

    path: str
    reason: str


class SplitsOut(BaseModel):
    """Items on each side; `derived` if the archive has no such sides and they were drawn."""

    train: int
    test: int
    derived: bool


class ImageSizeOut(BaseModel):
    """The shortest and the longest side in pixels."""

    min: int
    max: int


class AnchorDistanceOut(BaseModel):
    """How far a dataset is from an anchor: the energy distance, squared units of unit-norm responses."""

    name: str
    squared_distance: float


class DatasetLabelOut(BaseModel):
    """What a dataset is like: the anchors that together explain it, nearest first in `anchors`."""

    anchor_set_id: str
    label: str
    margin: float
    anchors: list[AnchorDistanceOut]


class DatasetOut(BaseModel):
    """Images or embeddings, packed."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    kind: Literal["images", "embeddings"]
    version: int
    parent_id: str | None
    n_items: int
    n_groups: int | None
    n_rejected: int
    n_duplicates: int
    rejected: list[RejectedOut]
    classes: list[ClassOut]
    splits: SplitsOut
    image_size: ImageSizeOut | None
    channels: int
    dtype: str
    sha256: str
    bytes: int
    created_at: datetime
    job_id: str
    spec: dict[str, Any]
    seconds: float | None
    images_per_second: float | None
    pseudo_label: DatasetLabelOut | None = None


class PseudoLabelOut(BaseModel):
    """What a labeling says of an item."""

    labeling_id: str
    label: str


class ItemOut(BaseModel):
    """One image or vector of a dataset."""

    item_id: int
    path: str
    label: str | None
    split: str | None
    group: str | None = None
    width: int | None
    height: int | None
    pseudo_labels: list[PseudoLabelOut]
    image: str | None
    thumbnail: str | None
