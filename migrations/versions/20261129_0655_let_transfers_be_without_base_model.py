"""Let transfers be without a base model, and count their labelled images.

A linear probe on an ONNX network has no network to publish. How many images a transfer was fitted to stood in
its base model's metrics. An older worker goes on writing rows meanwhile, without the count.
Down again only once transfers without a base model are deleted.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "b2a7f4d86c15"
down_revision: str | None = "e1c97d50b326"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.alter_column("transfers", "base_model_id", existing_type=sa.String(length=40), nullable=True)
    op.add_column("transfers", sa.Column("n_train", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE transfers SET n_train = (models.metrics->>'n_train')::integer FROM models "
        "WHERE models.id = transfers.base_model_id"
    )


def downgrade() -> None:
    op.drop_column("transfers", "n_train")
    op.alter_column("transfers", "base_model_id", existing_type=sa.String(length=40), nullable=False)
