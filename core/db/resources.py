"""Tables of what users make, from datasets to studies, and of who needs what."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, Json, Timestamped


class Artifact(Timestamped, Base):
    """A folder of files in the store; the id is the digest of its manifest."""

    __tablename__ = "artifacts"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    # {path: {"sha256": hex, "bytes": int}}, paths relative with forward slashes
    files: Mapped[Json]
    bytes: Mapped[int] = mapped_column(BigInteger)


class Resource(Timestamped):
    """What every resource has: its id, the job that made it, and the request as it was understood."""

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str | None]
    job_id: Mapped[str] = mapped_column(String(40), index=True)
    spec: Mapped[Json]
    # What the work took; null in rows that are older than the columns.
    seconds: Mapped[float | None]
    images_per_second: Mapped[float | None]


class Dataset(Resource, Base):
    """Images or embeddings, packed."""

    __tablename__ = "datasets"

    artifact: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    kind: Mapped[str] = mapped_column(String(20))  # images | embeddings
    n_items: Mapped[int]
    n_rejected: Mapped[int]
    n_duplicates: Mapped[int] = mapped_column(server_default="0")  # of the rejected, what the parent has
    rejected: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    classes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    splits: Mapped[Json]
    image_size: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    channels: Mapped[int]  # of embeddings: their dimension
    dtype: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(server_default="1")  # counts the datasets that grew from one
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"), index=True)  # grown from
    n_groups: Mapped[int | None]  # patients, tiles: a derived split keeps each on one side


class Embedder(Resource, Base):
    """A built-in embedder after it was fitted, or several side by side."""

    __tablename__ = "embedders"

    # patch-kmeans | anchor-network | self-supervised | identity | side-by-side
    kind: Mapped[str] = mapped_column(String(40))
    dim: Mapped[int]
    channels: Mapped[int]
    artifact: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))


class Responses(Timestamped, Base):
    """Cache: one dataset through one embedder (an `emb_` or `mdl_` id)."""

    __tablename__ = "responses"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    embedder_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    artifact: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))


class ResponsesShard(Timestamped, Base):
    """Some of a dataset's responses, computed by a job of their own, until all of them are put together."""

    __tablename__ = "responses_shards"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    embedder_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(primary_key=True)
    artifact: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    # that asked for it; once it is over, and this not in use, nobody does
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))


class AnchorSet(Resource, Base):
    """K named anchors in one embedding with one metric."""

    __tablename__ = "anchor_sets"

    embedder_id: Mapped[str] = mapped_column(String(40), index=True)
    metric: Mapped[str] = mapped_column(String(40))
    k: Mapped[int]
    names: Mapped[list[str]] = mapped_column(JSONB)
    squared_distances: Mapped[list[list[float]] | None] = mapped_column(JSONB)  # null above 256 anchors
    label_accuracy: Mapped[dict[str, float] | None] = mapped_column(JSONB)  # of anchors of labelled images
    artifact: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))


class Labeling(Resource, Base):
    """A pseudo-label for every item of a dataset."""

    __tablename__ = "labelings"

    method: Mapped[str] = mapped_column(String(20))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    anchor_set_id: Mapped[str | None] = mapped_column(ForeignKey("anchor_sets.id"), index=True)
    embedder_id: Mapped[str] = mapped_column(String(40))
    n_items: Mapped[int]
    n_classes: Mapped[int]
    classes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    entropy: Mapped[float]
    degenerate_share: Mapped[float]
    margin_quantiles: Mapped[Json | None]
    report: Mapped[
        Json
    ]  # bits_per_position, largest_share, mirror_agreement, warnings, images_per_second, seconds
    artifact: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))


class Model(Resource, Base):
    """A folder in the Hugging Face layout."""

    __tablename__ = "models"
    __table_args__ = (Index("ix_models_name_revision", "name", "revision", unique=True),)

    role: Mapped[str] = mapped_column(String(20), index=True)  # source | base | imported | embedder
    revision: Mapped[int]  # counts models of one name, from 1
    arch: Mapped[str] = mapped_column(String(60), index=True)
    image_size: Mapped[int]
    channels: Mapped[int]
    dim: Mapped[int]
    n_outputs: Mapped[int]
    parameters: Mapped[int] = mapped_column(BigInteger)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"), index=True)
    labeling_id: Mapped[str | None] = mapped_column(ForeignKey("labelings.id"), index=True)  # the first
    labeling_ids: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")  # a head each
    parent_model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"), index=True)
    third_party_weights: Mapped[bool]
    metrics: Mapped[Json]  # source_accuracy, history per epoch, seconds, images_per_second
    artifact: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))


class Transfer(Resource, Base):
    """A source put to use on a target, and its measured error."""

    __tablename__ = "transfers"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    model_id: Mapped[str | None] = mapped_column(
        ForeignKey("models.id"), index=True
    )  # the source; null: scratch
    base_model_id: Mapped[str | None] = mapped_column(
        ForeignKey("models.id"), index=True
    )  # the fine-tuned result; null: a probe on an embedder that is no network of ours
    arch: Mapped[str] = mapped_column(String(60))
    label_budget: Mapped[int | None]
    epochs: Mapped[int]
    seed: Mapped[int] = mapped_column(BigInteger)
    accuracy: Mapped[Json]
    balanced_accuracy: Mapped[float]
    macro_f1: Mapped[float]
    per_class: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    confusion: Mapped[list[list[int]]] = mapped_column(JSONB)
    n_train: Mapped[int | None]  # labelled images used; null in rows of an older worker
    learning_curve: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    learning_rate: Mapped[float | None]  # null: a linear probe has none
    # What a later forecast regresses from, measured on the source before the transfer; null from scratch.
    divergence: Mapped[float | None]
    knn_accuracy: Mapped[float | None]
    scores: Mapped[Json | None] = mapped_column(JSONB)  # transferability scores by name
    divergences: Mapped[Json | None] = mapped_column(JSONB)  # between pool and target, by name
    # Test images that the weights were trained on; null in rows that are older than the column.
    twins: Mapped[Json | None] = mapped_column(JSONB)


class Forecast(Resource, Base):
    """Expected target accuracy of candidate sources."""

    __tablename__ = "forecasts"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    sources: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    n_past_transfers: Mapped[int]
    n_past_targets: Mapped[int]
    calibrated: Mapped[bool]
    # Which figures and past transfers it was fitted on; null in rows that are older than the column.
    calibration: Mapped[Json | None] = mapped_column(JSONB)


class Pipeline(Timestamped, Base):
    """What a pipeline has made so far; readable from its first answer on."""

    __tablename__ = "pipelines"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str | None]
    dataset_id: Mapped[str]
    anchor_set_id: Mapped[str | None]
    labeling_id: Mapped[str | None]
    model_id: Mapped[str | None]
    forecast_id: Mapped[str | None]
    scratch_transfer_id: Mapped[str | None]
    transfer_id: Mapped[str | None]
    # {anchor_set_id, labeling_id, model_id} of the rounds before the last, whose ids stand above
    rounds: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default="[]")


class Study(Resource, Base):
    """What a study has found: the row is of its last report."""

    __tablename__ = "studies"

    complete: Mapped[bool]  # false where transfers are missing that were asked for
    n_transfers: Mapped[int]
    baseline: Mapped[str]
    results: Mapped[Json]  # sources, table, differences, forecasts, missing
    artifact: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))


class StudyPart(Base):
    """What a study has made, or found made by an equal request before: by the role it has in the study."""

    __tablename__ = "study_parts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(String(30), primary_key=True)
    resource_id: Mapped[str] = mapped_column(String(40))


class Use(Base):
    """`user_id` (a resource or a job) needs `used_id`, which is therefore not deleted."""

    __tablename__ = "uses"

    user_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    used_id: Mapped[str] = mapped_column(String(40), primary_key=True, index=True)


RESOURCE_TABLES: dict[str, type[Resource]] = {
    "ds": Dataset,
    "emb": Embedder,
    "anc": AnchorSet,
    "lab": Labeling,
    "mdl": Model,
    "trf": Transfer,
    "fct": Forecast,
    "std": Study,
}
