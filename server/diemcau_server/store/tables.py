"""Tables of the store. A change here needs a migration beside the others."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}
)
_ID_LENGTH = 63

reports = Table(
    "reports",
    METADATA,
    Column("hub", String(_ID_LENGTH), nullable=False),
    Column("point", String(_ID_LENGTH), nullable=False),
    Column("boot_id", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("taken_at", Float, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("hub", "point", "boot_id", "seq"),
)
"""Reports, each once; times are seconds since 1970 UTC, ``body`` is the message as it came."""

Index("ix_reports_received_at", reports.c.received_at)

points = Table(
    "points",
    METADATA,
    Column("hub", String(_ID_LENGTH), nullable=False),
    Column("point", String(_ID_LENGTH), nullable=False),
    Column("last_report_at", Float, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("hub", "point"),
)
"""The newest report of each point, by the server's clock: what the board starts from."""

tests = Table(
    "tests",
    METADATA,
    Column("test", String(64), nullable=False),
    Column("hub", String(_ID_LENGTH), nullable=False),
    Column("session", String(_ID_LENGTH)),
    Column("profile", String(_ID_LENGTH), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("result", Text, nullable=False),
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("test"),
)
"""Ended tests: ``result`` is a diemcau.test/1, ``detail`` the evidence behind it as JSON."""

Index("ix_tests_started_at", tests.c.started_at)

capacities = Table(
    "capacities",
    METADATA,
    Column("hub", String(_ID_LENGTH), nullable=False),
    Column("point", String(_ID_LENGTH), nullable=False),
    Column("measured_at", Float),
    Column("up_bits_per_second", Float),
    Column("up_limited_by", String(16)),
    Column("down_bits_per_second", Float),
    Column("down_limited_by", String(16)),
    Column("tried_at", Float),
    Column("duration_seconds", Float),
    PrimaryKeyConstraint("hub", "point"),
)
"""The last measured capacity of each line, and when the schedule was last done with it."""

quarantine = Table(
    "quarantine",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("received_at", Float, nullable=False),
    Column("topic", String(200), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", String(400), nullable=False),
    Column("payload_bytes", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
"""Messages kept aside, the newest ones, each cut to its first bytes."""
