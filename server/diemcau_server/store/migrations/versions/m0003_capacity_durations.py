"""How long the load of a line's last capacity measurement took."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of what was measured before it is not known."""
    op.add_column("capacities", sa.Column("duration_seconds", sa.Float))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("capacities", "duration_seconds")
