"""Add pending uploads: files that arrive in pieces.

A new table; an older worker does not look at it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "3d0c5a1be9f2"
down_revision: str | None = "ac8032b89294"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "pending_uploads",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("upload_metadata", sa.String(), server_default="", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_uploads")),
    )
    op.create_index(op.f("ix_pending_uploads_created_at"), "pending_uploads", ["created_at"], unique=False)
    op.create_index(op.f("ix_pending_uploads_expires_at"), "pending_uploads", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("pending_uploads")
