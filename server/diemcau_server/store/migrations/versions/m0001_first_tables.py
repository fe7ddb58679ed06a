"""First tables: reports, points, tests, quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "reports",
        sa.Column("hub", sa.String(63), nullable=False),
        sa.Column("point", sa.String(63), nullable=False),
        sa.Column("boot_id", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("taken_at", sa.Float, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("hub", "point", "boot_id", "seq", name="pk_reports"),
    )
    op.create_index("ix_reports_received_at", "reports", ["received_at"])
    op.create_table(
        "points",
        sa.Column("hub", sa.String(63), nullable=False),
        sa.Column("point", sa.String(63), nullable=False),
        sa.Column("last_report_at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("hub", "point", name="pk_points"),
    )
    op.create_table(
        "tests",
        sa.Column("test", sa.String(64), nullable=False),
        sa.Column("hub", sa.String(63), nullable=False),
        sa.Column("session", sa.String(63)),
        sa.Column("profile", sa.String(63), nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("test", name="pk_tests"),
    )
    op.create_index("ix_tests_started_at", "tests", ["started_at"])
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("detail", sa.String(400), nullable=False),
        sa.Column("payload_bytes", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("quarantine", "tests", "points", "reports"):
        op.drop_table(name)
