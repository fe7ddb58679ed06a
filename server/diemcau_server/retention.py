"""Old reports leave the store: a few at a time, while no test runs (decision 0038)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from diemcau_server.errors import StoreError

LOOK_SECONDS: Final = 600.0
"""The first look is as late: a clock that the machine's start left wrong is set by then."""
BUSY_SECONDS: Final = 60.0
REPORTS_AT_ONCE: Final = 500
"""Deleted in some 10 ms on SQLite, in which no other transaction can be written."""
PAUSE_SECONDS: Final = 0.2
_LOG = logging.getLogger(__name__)


class ReportStore(Protocol):
    """Where reports are kept."""

    async def drop_reports(self, before: datetime, most: int) -> int:
        """Delete up to ``most`` reports received before a moment; return how many.

        Raises:
            StoreError: nothing was deleted.
        """


async def drop_old_reports(
    store: ReportStore,
    keep: timedelta,
    is_busy: Callable[[], bool],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Delete what is older than ``keep``, but nothing while ``is_busy``; a task that never ends."""
    wait_seconds = LOOK_SECONDS
    while True:
        await pause(wait_seconds)
        if is_busy():
            wait_seconds = BUSY_SECONDS
            continue
        wait_seconds = LOOK_SECONDS
        try:
            dropped = await store.drop_reports(clock() - keep, REPORTS_AT_ONCE)
        except StoreError as error:
            _LOG.warning("old reports could not be deleted: %s", error)
            continue
        if dropped:
            _LOG.debug("%d reports older than %d days deleted", dropped, keep.days)
        if dropped == REPORTS_AT_ONCE:
            wait_seconds = PAUSE_SECONDS
