"""Capacities: the last of each line, with its bound, apart from the tests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "capacities",
        sa.Column("hub", sa.String(63), nullable=False),
        sa.Column("point", sa.String(63), nullable=False),
        sa.Column("measured_at", sa.Float),
        sa.Column("up_bits_per_second", sa.Float),
        sa.Column("up_limited_by", sa.String(16)),
        sa.Column("down_bits_per_second", sa.Float),
        sa.Column("down_limited_by", sa.String(16)),
        sa.Column("tried_at", sa.Float),
        sa.PrimaryKeyConstraint("hub", "point", name="pk_capacities"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("capacities")
