"""Add calibration to forecasts: the figures and the past transfers that a forecast was fitted on.

It may be null, so an older worker goes on writing rows meanwhile; of those it is not known.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "4b7c1e92d0a8"
down_revision: str | None = "b2a7f4d86c15"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "forecasts", sa.Column("calibration", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("forecasts", "calibration")
