"""Add label_accuracy to anchor sets: how right labels by a target's classes are.

It may be null, so an older worker goes on writing rows meanwhile.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "b7d40c6a19f3"
down_revision: str | None = "4b7c1e92d0a8"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "anchor_sets", sa.Column("label_accuracy", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("anchor_sets", "label_accuracy")
