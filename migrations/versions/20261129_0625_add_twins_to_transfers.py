"""Add twins to transfers: the test images that the weights were trained on, and the accuracy without them.

It may be null, so an older worker goes on writing rows meanwhile; of those no twins are known.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "e1c97d50b326"
down_revision: str | None = "8f3d2b6a90c4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("transfers", sa.Column("twins", postgresql.JSONB(astext_type=sa.Text()), nullable=True))


def downgrade() -> None:
    op.drop_column("transfers", "twins")
