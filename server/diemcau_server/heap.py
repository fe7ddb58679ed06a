"""Python's garbage collection, where it holds nobody up.

Nearly all is freed by counting references. What the collector adds, finding cycles, costs a visit
to every object that the server keeps: with 10,000 points a fifth of a second, whenever the
interpreter finds it time, in the middle of a test or a scrape. So the young are collected as ever,
and the old ones at most once an hour, while no test runs.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from typing import Final

FULL_SECONDS: Final = 3600.0
"""What few cycles outlive two collections of the young ones may wait so long."""
_BUSY_SECONDS: Final = 60.0
_NEVER: Final = 1_000_000_000
_LOG = logging.getLogger(__name__)


def keep_still() -> None:
    """Take what is there since the start out of all collections, and the old ones out of its own.

    For the whole process.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)


async def collect_old(
    is_busy: Callable[[], bool],
    every_seconds: float = FULL_SECONDS,
    busy_seconds: float = _BUSY_SECONDS,
) -> None:
    """Collect everything now and then, but not while ``is_busy``; a task that never ends."""
    wait_seconds = every_seconds
    while True:
        await asyncio.sleep(wait_seconds)
        if is_busy():
            wait_seconds = busy_seconds
            continue
        wait_seconds = every_seconds
        started = time.perf_counter()
        found = gc.collect()
        seconds = time.perf_counter() - started
        _LOG.debug("%d objects collected in %.3f s", found, seconds)
