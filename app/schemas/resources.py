"""Resources on the wire, but for datasets, pipelines and jobs."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.datasets import ClassOut


class ResourceOut(BaseModel):
    """What every resource tells."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str | None
    created_at: datetime
    job_id: str
    spec: dict[str, Any]
    seconds: float | None
    images_per_second: float | None


class EmbedderOut(BaseModel):
    """Something that turns images into vectors."""

    id: str
    name: str | None
    kind: str
    source: Literal["built-in", "fitted", "model"]
    default: bool
    about: str
    dim: int | None
    channels: int | None
    created_at: datetime | None
    job_id: str | None
    spec: dict[str, Any] | None
    seconds: float | None
    images_per_second: float | None


class AnchorSetOut(ResourceOut):
    """Named anchors in one embedding; distances are null in lists, and above 256 anchors."""

    embedder_id: str
    metric: str
    k: int
    names: list[str]
    squared_distances: list[list[float]] | None
    label_accuracy: dict[str, float] | None = Field(
        description="of anchors of labelled images: the share of these that are nearest to their own class's "
        "anchor, made without them; value, low, high"
    )


class LabelingOut(ResourceOut):
    """A pseudo-label for every item of a dataset, summed up."""

    method: str
    dataset_id: str
    anchor_set_id: str | None
    embedder_id: str
    n_items: int
    n_classes: int
    classes: list[ClassOut]
    entropy: float
    degenerate_share: float
    margin_quantiles: dict[str, Any] | None
    report: dict[str, Any]


class FileOut(BaseModel):
    """A file of a model's folder."""

    path: str
    sha256: str
    bytes: int
    href: str


class ModelOut(ResourceOut):
    """A folder in the Hugging Face layout."""

    role: str
    revision: int
    arch: str
    image_size: int
    channels: int
    dim: int
    n_outputs: int
    parameters: int
    dataset_id: str | None
    labeling_id: str | None
    labeling_ids: list[str]
    parent_model_id: str | None
    third_party_weights: bool
    metrics: dict[str, Any]
    files: list[FileOut]


class AccuracyOut(BaseModel):
    """A share of the test images, with its interval."""

    value: float | None
    low: float
    high: float
    level: float


class ScoresOut(BaseModel):
    """Transferability scores of a source on a target's labels; larger is better (docs/scores.md)."""

    knn: float | None
    ridge: float | None = None  # transfers from before it have none
    logme: float | None
    leep: float | None
    nce: float | None
    h_score: float | None
    gbc: float | None


class DivergencesOut(BaseModel):
    """How far a source's pool is from a target, without labels; 0 for a dataset and itself."""

    jensen_shannon: float | None
    kl: float | None
    gaussian_kl: float | None
    frechet: float | None
    energy_distance: float | None


class TwinOut(BaseModel):
    """A test image of the target, and the same one, perhaps altered, in what was trained on."""

    item: int
    other_item: int
    dataset_id: str
    similarity: float
    mirrored: bool


class TwinsOut(BaseModel):
    """Test images that the weights were trained on, and the accuracy on the others."""

    n_with_pool: int | None
    n_with_train: int
    share: float
    accuracy_without: AccuracyOut | None
    dataset_ids: list[str]
    unknown_model_ids: list[str]
    pairs: list[TwinOut]


class TransferOut(ResourceOut):
    """A source put to use on a target, and its measured error."""

    dataset_id: str
    model_id: str | None
    base_model_id: str | None
    arch: str
    label_budget: int | None
    epochs: int
    seed: int
    accuracy: AccuracyOut
    scratch_accuracy: AccuracyOut | None
    balanced_accuracy: float
    macro_f1: float
    per_class: list[dict[str, Any]]
    confusion: list[list[int]]
    n_train: int | None
    learning_curve: list[dict[str, Any]]
    learning_rate: float | None
    divergence: float | None
    knn_accuracy: float | None
    scores: ScoresOut | None
    divergences: DivergencesOut | None
    twins: TwinsOut | None
