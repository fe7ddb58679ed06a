"""Sends at absolute deadlines, all flows of one end from one heap."""

import heapq
from collections.abc import Callable, Sequence
from typing import Protocol

from diemcau_line.clock import Clock

_BATCH = 128
"""Sends before the receiver has its turn again."""


class Item(Protocol):
    """Something to do at deadlines."""

    def fire(self) -> int:
        """Do it; return the next deadline (ns on the engine's clock), or -1 at the end."""


class Pacer:
    """Items by their next deadline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Item]] = []
        self._count = 0

    @property
    def next_ns(self) -> int | None:
        """The next deadline."""
        return self._heap[0][0] if self._heap else None

    def add(self, item: Item, due_ns: int) -> None:
        """Let ``item`` fire first at ``due_ns``; a negative deadline is none."""
        if due_ns >= 0:
            self._count += 1
            heapq.heappush(self._heap, (due_ns, self._count, item))

    def run(self) -> None:
        """Fire what is due."""
        heap = self._heap
        for _ in range(_BATCH):
            if not heap or heap[0][0] > self._clock.now_ns():
                return
            _, number, item = heap[0]
            due = item.fire()
            if due < 0:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (due, number, item))


class Repeated:
    """One action at given times, unless cancelled."""

    def __init__(self, action: Callable[[], object], times_ns: Sequence[int]) -> None:
        self._action = action
        self._times = list(reversed(times_ns))
        self.cancelled = False

    def fire(self) -> int:
        """Act; return the next time."""
        if self.cancelled:
            return -1
        self._times.pop()
        self._action()
        return self._times[-1] if self._times else -1
