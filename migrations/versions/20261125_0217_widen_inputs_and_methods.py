"""Widen inputs and methods: versions and groups of datasets, several labelings a model, rounds, scores.

Every column has a default or may be null, so an older worker goes on writing rows meanwhile. The one upload
of a dataset becomes a list in the stored specs, which an older worker cannot read: end its datasets first.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "ac8032b89294"
down_revision: str | None = "fd5f43eb7374"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_FILLED = """
UPDATE {table} SET seconds = ({figures}->>'seconds')::float,
                   images_per_second = ({figures}->>'images_per_second')::float
"""
# jobs.spec is JSONB, and so is that of the rows that jobs have made.
_SEVERAL_UPLOADS = """
UPDATE {table} SET spec = (spec - 'upload') || jsonb_build_object('uploads',
    CASE WHEN jsonb_typeof(spec->'upload') = 'object' THEN jsonb_build_array(spec->'upload') ELSE '[]' END)
WHERE {which} spec ? 'upload'
"""
_ONE_UPLOAD = """
UPDATE {table} SET spec = (spec - '{{uploads,label_by,group_by,extends}}'::text[])
    || jsonb_build_object('upload', spec->'uploads'->0)
WHERE {which} spec ? 'uploads'
"""
# `balanced: bool` of a training became `balance: none | sampling | loss`; a pipeline has it in its `model`.
_BALANCE = """
UPDATE {table} SET spec = jsonb_set(spec #- '{{{where}balanced}}', '{{{where}balance}}',
    CASE WHEN (spec #>> '{{{where}balanced}}')::boolean THEN '"sampling"' ELSE '"none"' END::jsonb)
WHERE spec #> '{{{where}balanced}}' IS NOT NULL
"""
_BALANCED = """
UPDATE {table} SET spec = jsonb_set(
    {older}, '{{{where}balanced}}', to_jsonb(spec #>> '{{{where}balance}}' <> 'none'))
WHERE spec #> '{{{where}balance}}' IS NOT NULL AND {which}
"""
_NO_BALANCE = "UPDATE {table} SET spec = spec - 'balance' WHERE spec ? 'balance'"
_TRAININGS = [("jobs", "", "kind = 'model'"), ("models", "", "role = 'source'")]
_TRAININGS += [("jobs", "model,", "kind = 'pipeline'")]
_NEWER = ["balance", "init_model_id", "validation_share", "patience", "human_labels", "labeling_ids"]


def upgrade() -> None:
    op.add_column("anchor_sets", sa.Column("seconds", sa.Double(), nullable=True))
    op.add_column("anchor_sets", sa.Column("images_per_second", sa.Double(), nullable=True))
    op.add_column("datasets", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("datasets", sa.Column("parent_id", sa.String(length=40), nullable=True))
    op.add_column("datasets", sa.Column("n_groups", sa.Integer(), nullable=True))
    op.add_column("datasets", sa.Column("n_duplicates", sa.Integer(), server_default="0", nullable=False))
    op.add_column("datasets", sa.Column("seconds", sa.Double(), nullable=True))
    op.add_column("datasets", sa.Column("images_per_second", sa.Double(), nullable=True))
    op.create_index(op.f("ix_datasets_parent_id"), "datasets", ["parent_id"], unique=False)
    op.create_foreign_key(
        op.f("fk_datasets_parent_id_datasets"), "datasets", "datasets", ["parent_id"], ["id"]
    )
    op.add_column("embedders", sa.Column("seconds", sa.Double(), nullable=True))
    op.add_column("embedders", sa.Column("images_per_second", sa.Double(), nullable=True))
    op.add_column("forecasts", sa.Column("seconds", sa.Double(), nullable=True))
    op.add_column("forecasts", sa.Column("images_per_second", sa.Double(), nullable=True))
    op.add_column("labelings", sa.Column("seconds", sa.Double(), nullable=True))
    op.add_column("labelings", sa.Column("images_per_second", sa.Double(), nullable=True))
    op.add_column(
        "models",
        sa.Column(
            "labeling_ids", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
        ),
    )
    op.add_column("models", sa.Column("seconds", sa.Double(), nullable=True))
    op.add_column("models", sa.Column("images_per_second", sa.Double(), nullable=True))
    op.add_column(
        "pipelines",
        sa.Column("rounds", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column("transfers", sa.Column("scores", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column(
        "transfers", sa.Column("divergences", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.alter_column("transfers", "seconds", existing_type=sa.DOUBLE_PRECISION(precision=53), nullable=True)
    op.alter_column(
        "transfers", "images_per_second", existing_type=sa.DOUBLE_PRECISION(precision=53), nullable=True
    )
    op.execute(
        "UPDATE models SET labeling_ids = jsonb_build_array(labeling_id) WHERE labeling_id IS NOT NULL"
    )
    op.execute(_FILLED.format(table="labelings", figures="report"))
    op.execute(_FILLED.format(table="models", figures="metrics"))
    op.execute(_SEVERAL_UPLOADS.format(table="jobs", which="kind = 'dataset' AND"))
    op.execute(_SEVERAL_UPLOADS.format(table="datasets", which=""))
    for table, where, _ in _TRAININGS:
        op.execute(_BALANCE.format(table=table, where=where))


def downgrade() -> None:
    for table, where, which in _TRAININGS:
        older = "spec" + "".join(f" #- '{{{where}{name}}}'" for name in _NEWER)
        op.execute(_BALANCED.format(table=table, where=where, older=older, which=which))
    for table in ("jobs", "transfers", "models"):  # what is left are transfers, which had none
        op.execute(_NO_BALANCE.format(table=table))
    op.execute(_ONE_UPLOAD.format(table="jobs", which="kind = 'dataset' AND"))
    op.execute(_ONE_UPLOAD.format(table="datasets", which=""))
    op.execute("UPDATE transfers SET seconds = coalesce(seconds, 0)")
    op.execute("UPDATE transfers SET images_per_second = coalesce(images_per_second, 0)")
    op.alter_column(
        "transfers", "images_per_second", existing_type=sa.DOUBLE_PRECISION(precision=53), nullable=False
    )
    op.alter_column("transfers", "seconds", existing_type=sa.DOUBLE_PRECISION(precision=53), nullable=False)
    op.drop_column("transfers", "divergences")
    op.drop_column("transfers", "scores")
    op.drop_column("pipelines", "rounds")
    op.drop_column("models", "images_per_second")
    op.drop_column("models", "seconds")
    op.drop_column("models", "labeling_ids")
    op.drop_column("labelings", "images_per_second")
    op.drop_column("labelings", "seconds")
    op.drop_column("forecasts", "images_per_second")
    op.drop_column("forecasts", "seconds")
    op.drop_column("embedders", "images_per_second")
    op.drop_column("embedders", "seconds")
    op.drop_constraint(op.f("fk_datasets_parent_id_datasets"), "datasets", type_="foreignkey")
    op.drop_index(op.f("ix_datasets_parent_id"), table_name="datasets")
    op.drop_column("datasets", "images_per_second")
    op.drop_column("datasets", "seconds")
    op.drop_column("datasets", "n_duplicates")
    op.drop_column("datasets", "n_groups")
    op.drop_column("datasets", "parent_id")
    op.drop_column("datasets", "version")
    op.drop_column("anchor_sets", "images_per_second")
    op.drop_column("anchor_sets", "seconds")
