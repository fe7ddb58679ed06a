"""Old reports leave the store by and by, on a clock and with pauses that the tests set."""

import asyncio
from datetime import datetime, timedelta

import pytest

from diemcau_contract.messages import OUTBOX_DAYS
from diemcau_server.config import StoreConfig
from diemcau_server.errors import StoreError
from diemcau_server.retention import (
    BUSY_SECONDS,
    LOOK_SECONDS,
    PAUSE_SECONDS,
    REPORTS_AT_ONCE,
    drop_old_reports,
)
from tests.server.reports import NOW, Clock

KEEP = timedelta(days=30)


class Kept:
    """In the place of the store: some old reports, or an error."""

    def __init__(self, old: int) -> None:
        self.old = old
        self.asked: list[datetime] = []
        self.error: StoreError | None = None

    async def drop_reports(self, before: datetime, most: int) -> int:
        """Let them go."""
        self.asked.append(before)
        if self.error is not None:
            raise self.error
        dropped = min(self.old, most)
        self.old -= dropped
        return dropped


class Pauses:
    """Ends the task after as many pauses as are told; ``busy`` says in which looks a test runs."""

    def __init__(self, busy: tuple[bool, ...]) -> None:
        self.lengths: list[float] = []
        self._busy = busy

    async def __call__(self, seconds: float) -> None:
        """Note the pause."""
        self.lengths.append(seconds)
        if len(self.lengths) > len(self._busy):
            raise asyncio.CancelledError

    def is_busy(self) -> bool:
        """Tell whether a test runs now."""
        return self._busy[len(self.lengths) - 1]


async def played(kept: Kept, looks: str) -> list[float]:
    """Return the pauses around looks, of which those marked x fall into a test."""
    pauses = Pauses(tuple(look == "x" for look in looks))
    with pytest.raises(asyncio.CancelledError):
        await drop_old_reports(kept, KEEP, pauses.is_busy, Clock(), pauses)
    return pauses.lengths


async def test_many_go_in_small_parts_with_pauses_between() -> None:
    """The last part is not full: then there is time until the next look."""
    kept = Kept(2 * REPORTS_AT_ONCE + 1)
    assert await played(kept, "---") == [
        LOOK_SECONDS, PAUSE_SECONDS, PAUSE_SECONDS, LOOK_SECONDS,
    ]  # fmt: skip
    assert kept.old == 0
    assert kept.asked == [NOW - KEEP] * 3


async def test_nothing_is_deleted_while_a_test_runs() -> None:
    """Also in the midst of many; it goes on a minute after."""
    kept = Kept(2 * REPORTS_AT_ONCE)
    assert await played(kept, "-xx-") == [
        LOOK_SECONDS, PAUSE_SECONDS, BUSY_SECONDS, BUSY_SECONDS, PAUSE_SECONDS,
    ]  # fmt: skip
    assert len(kept.asked) == 2


async def test_a_store_that_refuses_is_asked_again_later() -> None:
    """The task outlives it."""
    kept = Kept(1)
    kept.error = StoreError("the disk is full")
    assert await played(kept, "--") == [LOOK_SECONDS] * 3
    assert kept.old == 1


def test_a_report_is_kept_for_longer_than_it_may_come_again() -> None:
    """The shortest retention outlives every outbox, so that a report of it is known again."""
    StoreConfig(keep_reports_days=OUTBOX_DAYS + 1)
    with pytest.raises(ValueError, match="keep_reports_days"):
        StoreConfig(keep_reports_days=OUTBOX_DAYS)
