"""Add the origin of jobs: the id of the request that asked for one, and the span that its traces go on from.

Both may be null, so an older worker goes on writing rows meanwhile; what it submits has no origin.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "c2a41f60d7be"
down_revision: str | None = "5b7e0c9d41aa"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("request_id", sa.String(length=100), nullable=True))
    op.add_column("jobs", sa.Column("traceparent", sa.String(length=55), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "traceparent")
    op.drop_column("jobs", "request_id")
