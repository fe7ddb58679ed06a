"""Collections of old objects: none by themselves, and ours only between two tests."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from diemcau_server import heap


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class Knot:
    """Refers to itself: counting references never frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_old_objects_are_not_visited_by_themselves() -> None:
    """A long time of making objects that stay collects young ones only."""
    heap.keep_still()
    before = gc.get_stats()
    kept = [[number] for number in range(200_000)]
    after = gc.get_stats()

    assert len(kept) == 200_000
    assert after[0]["collections"] > before[0]["collections"]
    assert after[1]["collections"] > before[1]["collections"]
    assert after[2]["collections"] == before[2]["collections"]


async def test_a_cycle_that_has_grown_old_goes_once_no_test_runs() -> None:
    """While there is a test nothing is visited."""
    busy = True
    knot = Knot()
    freed = asyncio.Event()
    reference = weakref.ref(knot, lambda _: freed.set())
    heap.keep_still()
    del knot
    gc.unfreeze()
    asked = asyncio.Event()

    def is_busy() -> bool:
        asked.set()
        return busy

    task = asyncio.create_task(heap.collect_old(is_busy, every_seconds=0.0, busy_seconds=0.0))
    async with asyncio.timeout(30):
        await asked.wait()
        assert reference() is not None
        busy = False
        await freed.wait()
    task.cancel()
