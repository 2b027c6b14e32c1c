"""Create all tables.

The first revision: there is no older worker.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "fd5f43eb7374"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:

    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_keys_sha256")),
    )
    op.create_index(op.f("ix_api_keys_created_at"), "api_keys", ["created_at"], unique=False)
    op.create_table(
        "artifacts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_artifacts")),
    )
    op.create_index(op.f("ix_artifacts_created_at"), "artifacts", ["created_at"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=True),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", "method", "path", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("queue", sa.String(length=10), nullable=True),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("parent_id", sa.String(length=40), nullable=True),
        sa.Column("role", sa.String(length=30), nullable=True),
        sa.Column("stage", sa.String(length=60), nullable=True),
        sa.Column("progress_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("progress_total", sa.BigInteger(), nullable=True),
        sa.Column("progress_unit", sa.String(length=20), nullable=True),
        sa.Column("stage_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("event_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progressed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_jobs_state")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["jobs.id"], name=op.f("fk_jobs_parent_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_created_at"), "jobs", ["created_at"], unique=False)
    op.create_index(op.f("ix_jobs_kind"), "jobs", ["kind"], unique=False)
    op.create_index(op.f("ix_jobs_lease_expires_at"), "jobs", ["lease_expires_at"], unique=False)
    op.create_index(op.f("ix_jobs_parent_id"), "jobs", ["parent_id"], unique=False)
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index("uq_jobs_parent_id_role", "jobs", ["parent_id", "role"], unique=True)
    op.create_table(
        "uses",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("used_id", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "used_id", name=op.f("pk_uses")),
    )
    op.create_index(op.f("ix_uses_used_id"), "uses", ["used_id"], unique=False)
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("queues", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("device", sa.String(length=100), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "anchor_sets",
        sa.Column("embedder_id", sa.String(length=40), nullable=False),
        sa.Column("metric", sa.String(length=40), nullable=False),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("names", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("squared_distances", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.digest"], name=op.f("fk_anchor_sets_artifact_artifacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anchor_sets")),
    )
    op.create_index(op.f("ix_anchor_sets_created_at"), "anchor_sets", ["created_at"], unique=False)
    op.create_index(op.f("ix_anchor_sets_embedder_id"), "anchor_sets", ["embedder_id"], unique=False)
    op.create_index(op.f("ix_anchor_sets_job_id"), "anchor_sets", ["job_id"], unique=False)
    op.create_table(
        "datasets",
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("n_items", sa.Integer(), nullable=False),
        sa.Column("n_rejected", sa.Integer(), nullable=False),
        sa.Column("rejected", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("classes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("splits", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("image_size", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("dtype", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.digest"], name=op.f("fk_datasets_artifact_artifacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
    )
    op.create_index(op.f("ix_datasets_created_at"), "datasets", ["created_at"], unique=False)
    op.create_index(op.f("ix_datasets_job_id"), "datasets", ["job_id"], unique=False)
    op.create_table(
        "embedders",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.digest"], name=op.f("fk_embedders_artifact_artifacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embedders")),
    )
    op.create_index(op.f("ix_embedders_created_at"), "embedders", ["created_at"], unique=False)
    op.create_index(op.f("ix_embedders_job_id"), "embedders", ["job_id"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "seq", name=op.f("pk_job_events")),
    )
    op.create_index(op.f("ix_job_events_created_at"), "job_events", ["created_at"], unique=False)
    op.create_table(
        "job_logs",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_logs_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_logs")),
    )
    op.create_index(op.f("ix_job_logs_created_at"), "job_logs", ["created_at"], unique=False)
    op.create_index(op.f("ix_job_logs_job_id"), "job_logs", ["job_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("queue", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_outbox_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_table(
        "pipelines",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("dataset_id", sa.String(), nullable=False),
        sa.Column("anchor_set_id", sa.String(), nullable=True),
        sa.Column("labeling_id", sa.String(), nullable=True),
        sa.Column("model_id", sa.String(), nullable=True),
        sa.Column("forecast_id", sa.String(), nullable=True),
        sa.Column("scratch_transfer_id", sa.String(), nullable=True),
        sa.Column("transfer_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_pipelines_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_pipelines")),
    )
    op.create_index(op.f("ix_pipelines_created_at"), "pipelines", ["created_at"], unique=False)
    op.create_table(
        "forecasts",
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("sources", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("n_past_transfers", sa.Integer(), nullable=False),
        sa.Column("n_past_targets", sa.Integer(), nullable=False),
        sa.Column("calibrated", sa.Boolean(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_forecasts_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecasts")),
    )
    op.create_index(op.f("ix_forecasts_created_at"), "forecasts", ["created_at"], unique=False)
    op.create_index(op.f("ix_forecasts_dataset_id"), "forecasts", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_forecasts_job_id"), "forecasts", ["job_id"], unique=False)
    op.create_table(
        "labelings",
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("anchor_set_id", sa.String(length=40), nullable=True),
        sa.Column("embedder_id", sa.String(length=40), nullable=False),
        sa.Column("n_items", sa.Integer(), nullable=False),
        sa.Column("n_classes", sa.Integer(), nullable=False),
        sa.Column("classes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("entropy", sa.Double(), nullable=False),
        sa.Column("degenerate_share", sa.Double(), nullable=False),
        sa.Column("margin_quantiles", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["anchor_set_id"], ["anchor_sets.id"], name=op.f("fk_labelings_anchor_set_id_anchor_sets")
        ),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.digest"], name=op.f("fk_labelings_artifact_artifacts")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_labelings_dataset_id_datasets")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labelings")),
    )
    op.create_index(op.f("ix_labelings_anchor_set_id"), "labelings", ["anchor_set_id"], unique=False)
    op.create_index(op.f("ix_labelings_created_at"), "labelings", ["created_at"], unique=False)
    op.create_index(op.f("ix_labelings_dataset_id"), "labelings", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_labelings_job_id"), "labelings", ["job_id"], unique=False)
    op.create_table(
        "responses",
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("embedder_id", sa.String(length=40), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.digest"], name=op.f("fk_responses_artifact_artifacts")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_responses_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "embedder_id", name=op.f("pk_responses")),
    )
    op.create_index(op.f("ix_responses_created_at"), "responses", ["created_at"], unique=False)
    op.create_table(
        "models",
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("arch", sa.String(length=60), nullable=False),
        sa.Column("image_size", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("n_outputs", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.BigInteger(), nullable=False),
        sa.Column("dataset_id", sa.String(length=40), nullable=True),
        sa.Column("labeling_id", sa.String(length=40), nullable=True),
        sa.Column("parent_model_id", sa.String(length=40), nullable=True),
        sa.Column("third_party_weights", sa.Boolean(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.digest"], name=op.f("fk_models_artifact_artifacts")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_models_dataset_id_datasets")),
        sa.ForeignKeyConstraint(
            ["labeling_id"], ["labelings.id"], name=op.f("fk_models_labeling_id_labelings")
        ),
        sa.ForeignKeyConstraint(
            ["parent_model_id"], ["models.id"], name=op.f("fk_models_parent_model_id_models")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
    )
    op.create_index(op.f("ix_models_arch"), "models", ["arch"], unique=False)
    op.create_index(op.f("ix_models_created_at"), "models", ["created_at"], unique=False)
    op.create_index(op.f("ix_models_dataset_id"), "models", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_models_job_id"), "models", ["job_id"], unique=False)
    op.create_index(op.f("ix_models_labeling_id"), "models", ["labeling_id"], unique=False)
    op.create_index("ix_models_name_revision", "models", ["name", "revision"], unique=True)
    op.create_index(op.f("ix_models_parent_model_id"), "models", ["parent_model_id"], unique=False)
    op.create_index(op.f("ix_models_role"), "models", ["role"], unique=False)
    op.create_table(
        "transfers",
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("model_id", sa.String(length=40), nullable=True),
        sa.Column("base_model_id", sa.String(length=40), nullable=False),
        sa.Column("arch", sa.String(length=60), nullable=False),
        sa.Column("label_budget", sa.Integer(), nullable=True),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("accuracy", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("balanced_accuracy", sa.Double(), nullable=False),
        sa.Column("macro_f1", sa.Double(), nullable=False),
        sa.Column("per_class", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("confusion", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("learning_curve", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("images_per_second", sa.Double(), nullable=False),
        sa.Column("learning_rate", sa.Double(), nullable=True),
        sa.Column("divergence", sa.Double(), nullable=True),
        sa.Column("knn_accuracy", sa.Double(), nullable=True),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_model_id"], ["models.id"], name=op.f("fk_transfers_base_model_id_models")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_transfers_dataset_id_datasets")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_transfers_model_id_models")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index(op.f("ix_transfers_base_model_id"), "transfers", ["base_model_id"], unique=False)
    op.create_index(op.f("ix_transfers_created_at"), "transfers", ["created_at"], unique=False)
    op.create_index(op.f("ix_transfers_dataset_id"), "transfers", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_transfers_job_id"), "transfers", ["job_id"], unique=False)
    op.create_index(op.f("ix_transfers_model_id"), "transfers", ["model_id"], unique=False)


def downgrade() -> None:

    op.drop_index(op.f("ix_transfers_model_id"), table_name="transfers")
    op.drop_index(op.f("ix_transfers_job_id"), table_name="transfers")
    op.drop_index(op.f("ix_transfers_dataset_id"), table_name="transfers")
    op.drop_index(op.f("ix_transfers_created_at"), table_name="transfers")
    op.drop_index(op.f("ix_transfers_base_model_id"), table_name="transfers")
    op.drop_table("transfers")
    op.drop_index(op.f("ix_models_role"), table_name="models")
    op.drop_index(op.f("ix_models_parent_model_id"), table_name="models")
    op.drop_index("ix_models_name_revision", table_name="models")
    op.drop_index(op.f("ix_models_labeling_id"), table_name="models")
    op.drop_index(op.f("ix_models_job_id"), table_name="models")
    op.drop_index(op.f("ix_models_dataset_id"), table_name="models")
    op.drop_index(op.f("ix_models_created_at"), table_name="models")
    op.drop_index(op.f("ix_models_arch"), table_name="models")
    op.drop_table("models")
    op.drop_index(op.f("ix_responses_created_at"), table_name="responses")
    op.drop_table("responses")
    op.drop_index(op.f("ix_labelings_job_id"), table_name="labelings")
    op.drop_index(op.f("ix_labelings_dataset_id"), table_name="labelings")
    op.drop_index(op.f("ix_labelings_created_at"), table_name="labelings")
    op.drop_index(op.f("ix_labelings_anchor_set_id"), table_name="labelings")
    op.drop_table("labelings")
    op.drop_index(op.f("ix_forecasts_job_id"), table_name="forecasts")
    op.drop_index(op.f("ix_forecasts_dataset_id"), table_name="forecasts")
    op.drop_index(op.f("ix_forecasts_created_at"), table_name="forecasts")
    op.drop_table("forecasts")
    op.drop_index(op.f("ix_pipelines_created_at"), table_name="pipelines")
    op.drop_table("pipelines")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_job_logs_job_id"), table_name="job_logs")
    op.drop_index(op.f("ix_job_logs_created_at"), table_name="job_logs")
    op.drop_table("job_logs")
    op.drop_index(op.f("ix_job_events_created_at"), table_name="job_events")
    op.drop_table("job_events")
    op.drop_index(op.f("ix_embedders_job_id"), table_name="embedders")
    op.drop_index(op.f("ix_embedders_created_at"), table_name="embedders")
    op.drop_table("embedders")
    op.drop_index(op.f("ix_datasets_job_id"), table_name="datasets")
    op.drop_index(op.f("ix_datasets_created_at"), table_name="datasets")
    op.drop_table("datasets")
    op.drop_index(op.f("ix_anchor_sets_job_id"), table_name="anchor_sets")
    op.drop_index(op.f("ix_anchor_sets_embedder_id"), table_name="anchor_sets")
    op.drop_index(op.f("ix_anchor_sets_created_at"), table_name="anchor_sets")
    op.drop_table("anchor_sets")
    op.drop_table("workers")
    op.drop_index(op.f("ix_uses_used_id"), table_name="uses")
    op.drop_table("uses")
    op.drop_index("uq_jobs_parent_id_role", table_name="jobs")
    op.drop_index(
        "ix_jobs_unfinished", table_name="jobs", postgresql_where=sa.text("state IN ('queued', 'running')")
    )
    op.drop_index(op.f("ix_jobs_parent_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_lease_expires_at"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_kind"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_created_at"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(op.f("ix_artifacts_created_at"), table_name="artifacts")
    op.drop_table("artifacts")
    op.drop_index(op.f("ix_api_keys_created_at"), table_name="api_keys")
    op.drop_table("api_keys")
