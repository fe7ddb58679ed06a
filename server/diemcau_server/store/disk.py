"""The disk under a SQLite store: how large the store is, and what it grows to."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from diemcau_server.config import ServerConfig
from diemcau_server.store.engine import resolved_url

REPORT_BYTES: Final = 4_200
"""A page of SQLite and its part of two indexes: a room with all kinds of devices reports in 2.0 kB,
and of such rows a page takes one (decision 0038)."""
_DAY_SECONDS: Final = 86_400


def store_file(config: ServerConfig) -> Path | None:
    """Return the file of a SQLite store; None for PostgreSQL, whose disk is elsewhere."""
    url = resolved_url(config.store.url, config.state_directory, None)
    sqlite = url.drivername.startswith("sqlite")
    return Path(url.database) if sqlite and url.database else None


def store_bytes(file: Path) -> int:
    """Return what a SQLite store takes now, with its log; 0 where none is to be seen."""
    size = 0
    for part in (file, file.with_name(f"{file.name}-wal")):
        with suppress(OSError):
            size += part.stat().st_size
    return size


def kept_bytes(config: ServerConfig) -> int:
    """Return what the reports of all points take once as many days of them are there as stay."""
    points = sum(len(hub.points) for hub in config.hubs)
    a_day = points * _DAY_SECONDS / config.report_interval_seconds
    return round(a_day * config.store.keep_reports_days * REPORT_BYTES)
