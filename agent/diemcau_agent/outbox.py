"""Reports that the server has not yet acknowledged, in SQLite (SPEC 3.3).

Blocking; every method may be called from any thread. A report is added before it is sent, and
leaves on the server's word only, or when the outbox is over its limits. While the disk does not
take it, it waits in memory, in a bounded ring, and goes to the disk as soon as that works again.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from diemcau_contract.messages import OUTBOX_DAYS

_log = logging.getLogger(__name__)

FILE_NAME: Final = "outbox.sqlite"
_VERSION: Final = 1
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_STALE: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})
"""After these the file is opened anew: the open handle may never work again."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    added_at REAL NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (boot_id, seq)
);
"""

Key = tuple[str, int]
"""``boot_id`` and ``seq``."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the outbox holds before it drops the oldest reports."""

    disk_bytes: int = 64 * 1024 * 1024
    memory_bytes: int = 1024 * 1024
    age_seconds: float = OUTBOX_DAYS * 86_400.0


@dataclass(frozen=True, slots=True)
class Report:
    """One report as it is sent; ``added_at`` is Unix time by this PC's clock."""

    boot_id: str
    seq: int
    added_at: float
    payload: bytes

    @property
    def key(self) -> Key:
        """What the server acknowledges."""
        return (self.boot_id, self.seq)


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How full the outbox is."""

    messages: int = 0
    oldest_age_seconds: float = 0.0
    dropped_total: int = 0
    """Reports given up since the start of the agent."""
    in_memory: int = 0
    """Reports that the disk did not take."""


class _DamagedError(Exception):
    """The file is no outbox, or not one of this version."""


class Outbox:
    """The outbox of one agent; one process at a time uses a file."""

    def __init__(
        self,
        directory: Path,
        limits: Limits | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._path = directory / FILE_NAME
        self._limits = limits or Limits()
        self._now = now or _steady_clock()
        self._lock = threading.Lock()
        self._disk: sqlite3.Connection | None = None
        self._disk_bytes = 0
        self._memory: deque[Report] = deque()
        self._memory_bytes = 0
        self._dropped_total = 0
        self._disk_failed = False
        with self._lock:
            self._try_disk(self._open)

    def add(self, report: Report) -> None:
        """Keep the report until the server has acknowledged it."""
        with self._lock:
            self._memory.append(report)
            self._memory_bytes += len(report.payload)
            if not self._flush():
                self._limit_memory()

    def pick(self, exclude: Collection[Key], count: int) -> list[Report]:
        """Return up to ``count`` reports, the newest first, without those in ``exclude``."""
        with self._lock:
            picked = [report for report in reversed(self._memory) if report.key not in exclude]
            picked = picked[:count]
            if len(picked) < count:
                self._try_disk(lambda: self._pick_from_disk(picked, exclude, count))
            return picked

    def remove(self, boot_id: str, ranges: Iterable[tuple[int, int]]) -> int:
        """Let the reports of inclusive ``ranges`` go; return how many there were."""
        wanted = list(ranges)
        removed = 0

        def delete() -> None:
            nonlocal removed
            disk = self._connection()
            with disk:
                for first, last in wanted:
                    gone = disk.execute(
                        "DELETE FROM outbox WHERE boot_id = ? AND seq BETWEEN ? AND ? "
                        "RETURNING LENGTH(payload)",
                        (boot_id, first, last),
                    ).fetchall()
                    removed += len(gone)
                    self._disk_bytes -= sum(size for (size,) in gone)

        with self._lock:
            kept = [
                report
                for report in self._memory
                if report.boot_id != boot_id
                or not any(first <= report.seq <= last for first, last in wanted)
            ]
            removed += len(self._memory) - len(kept)
            self._set_memory(kept)
            self._try_disk(delete)
        return removed

    def state(self) -> OutboxState:
        """Say how full the outbox is."""
        on_disk, oldest = 0, [self._now()]

        def count() -> None:
            nonlocal on_disk
            row = self._connection().execute("SELECT COUNT(*), MIN(added_at) FROM outbox")
            on_disk, first = row.fetchone()
            oldest.append(first if first is not None else oldest[0])

        with self._lock:
            self._try_disk(count)
            oldest.extend(report.added_at for report in self._memory)
            return OutboxState(
                messages=on_disk + len(self._memory),
                oldest_age_seconds=oldest[0] - min(oldest),
                dropped_total=self._dropped_total,
                in_memory=len(self._memory),
            )

    def close(self) -> None:
        """Close the file; what the disk never took is lost."""
        with self._lock:
            if self._memory:
                self._flush()
            if self._memory:
                _log.error("reports lost, the disk did not take them: %d", len(self._memory))
            self._close_disk()

    def _pick_from_disk(self, picked: list[Report], exclude: Collection[Key], count: int) -> None:
        disk = self._connection()
        wanted: list[int] = []
        for row_id, boot_id, seq in disk.execute(
            "SELECT id, boot_id, seq FROM outbox ORDER BY id DESC"
        ):
            if (boot_id, seq) not in exclude:
                wanted.append(row_id)
            if len(picked) + len(wanted) >= count:
                break
        for row_id in wanted:
            row = disk.execute(
                "SELECT boot_id, seq, added_at, payload FROM outbox WHERE id = ?", (row_id,)
            ).fetchone()
            picked.append(Report(*row))

    def _flush(self) -> bool:
        """Bring what waits in memory to the disk; say whether the disk took it."""
        return self._try_disk(self._write_memory)

    def _write_memory(self) -> None:
        disk = self._disk or self._reopen()
        with disk:
            disk.executemany(
                "INSERT OR IGNORE INTO outbox (boot_id, seq, added_at, payload) "
                "VALUES (?, ?, ?, ?)",
                [(r.boot_id, r.seq, r.added_at, r.payload) for r in self._memory],
            )
            self._disk_bytes += self._memory_bytes
            self._limit_disk(disk)
        self._set_memory([])
        if self._disk_failed:
            self._disk_failed = False
            _log.warning("outbox: the disk takes reports again")

    def _limit_disk(self, disk: sqlite3.Connection) -> None:
        too_old = self._now() - self._limits.age_seconds
        dropped = disk.execute("DELETE FROM outbox WHERE added_at < ?", (too_old,)).rowcount
        if dropped:
            self._disk_bytes = self._sum_of_disk()
        while self._disk_bytes > self._limits.disk_bytes:
            row_id, size = disk.execute(
                "SELECT id, LENGTH(payload) FROM outbox ORDER BY id LIMIT 1"
            ).fetchone()
            disk.execute("DELETE FROM outbox WHERE id = ?", (row_id,))
            self._disk_bytes -= size
            dropped += 1
        self._count_dropped(dropped, "over its limits")

    def _limit_memory(self) -> None:
        dropped = 0
        while self._memory_bytes > self._limits.memory_bytes and len(self._memory) > 1:
            self._memory_bytes -= len(self._memory.popleft().payload)
            dropped += 1
        self._count_dropped(dropped, "no disk, memory full")

    def _count_dropped(self, count: int, why: str) -> None:
        if count and not self._dropped_total:
            _log.warning("outbox: oldest reports dropped (%s); more are only counted", why)
        self._dropped_total += count

    def _set_memory(self, reports: Iterable[Report]) -> None:
        self._memory = deque(reports)
        self._memory_bytes = sum(len(report.payload) for report in self._memory)

    def _try_disk(self, work: Callable[[], None]) -> bool:
        """Do ``work`` on the file; note and survive whatever a disk can do to it."""
        try:
            work()
        except _DamagedError as error:
            self._move_aside(str(error))
            return self._try_again(work)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                self._move_aside(str(error))
                return self._try_again(work)
            self._note_failure(error)
            return False
        except OSError as error:
            self._note_failure(error)
            return False
        return True

    def _try_again(self, work: Callable[[], None]) -> bool:
        try:
            self._open()
            work()
        except (sqlite3.Error, OSError, _DamagedError) as error:
            self._note_failure(error)
            return False
        return True

    def _note_failure(self, error: Exception) -> None:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _STALE:
            self._close_disk()
        if self._disk_failed:
            _log.debug("outbox: still not on disk: %s", error)
            return
        self._disk_failed = True
        _log.error(
            "outbox: %s does not take reports (%s): they wait in memory. "
            "Check free space and permissions of this disk.",
            self._path.parent, error,
        )  # fmt: skip

    def _connection(self) -> sqlite3.Connection:
        if self._disk is None:
            raise sqlite3.OperationalError("the outbox is not open")
        return self._disk

    def _reopen(self) -> sqlite3.Connection:
        self._open()
        return self._connection()

    def _open(self) -> None:
        self._close_disk()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        disk = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
        try:
            disk.execute("PRAGMA journal_mode=WAL")
            disk.execute("PRAGMA synchronous=NORMAL")
            self._check(disk)
            disk.executescript(_TABLES)
            disk.execute(f"PRAGMA user_version={_VERSION}")
        except (sqlite3.Error, _DamagedError):
            disk.close()
            raise
        self._disk = disk
        self._disk_bytes = self._sum_of_disk()

    def _check(self, disk: sqlite3.Connection) -> None:
        version = disk.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise _DamagedError(f"version {version}, this program writes version {_VERSION}")
        finding = disk.execute("PRAGMA quick_check(1)").fetchone()[0]
        if finding != "ok":
            raise _DamagedError(finding)

    def _sum_of_disk(self) -> int:
        row = self._connection().execute("SELECT COALESCE(SUM(LENGTH(payload)), 0) FROM outbox")
        return int(row.fetchone()[0])

    def _move_aside(self, why: str) -> None:
        self._close_disk()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        aside = self._path.with_name(f"{FILE_NAME}.damaged-{stamp}")
        _log.error("outbox: damaged (%s); moved to %s, a new one is begun", why, aside)
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{ending}").rename(f"{aside}{ending}")

    def _close_disk(self) -> None:
        if self._disk is not None:
            with suppress(sqlite3.Error):
                self._disk.close()
            self._disk = None


def _steady_clock() -> Callable[[], float]:
    """Return Unix time that does not follow steps of the wall clock: a step drops no report."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset
