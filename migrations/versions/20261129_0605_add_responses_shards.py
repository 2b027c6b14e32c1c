"""Add shards of responses, each made by a job of its own until they are put together.

A new table; an older worker fails jobs of kind `responses`: upgrade all workers together.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "8f3d2b6a90c4"
down_revision: str | None = "c2a41f60d7be"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "responses_shards",
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("embedder_id", sa.String(length=40), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.digest"], name=op.f("fk_responses_shards_artifact_artifacts")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
            name=op.f("fk_responses_shards_dataset_id_datasets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_responses_shards_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "embedder_id", "first", "count", name=op.f("pk_responses_shards")
        ),
    )
    op.create_index(op.f("ix_responses_shards_created_at"), "responses_shards", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("responses_shards")
