"""How much a log bears of what comes from outside: one broken program may send thousands."""

import logging
import time
from collections.abc import Callable
from typing import Final

_TOLD_SECONDS: Final = 600.0
"""Ours: so often that an alert over 15 minutes finds the line that it names."""


class Seldom:
    """Chooses the level of warnings: once in ten minutes for its like, ``most`` in all; else DEBUG.

    What is not told is counted, as all of it, by the metrics of whoever asks.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._since = clock()
        self._told: set[tuple[str, ...]] = set()

    def level(self, *like: str) -> int:
        """Return the level of one more event that is ``like`` this."""
        now = self._clock()
        if now - self._since >= _TOLD_SECONDS:
            self._told.clear()
            self._since = now
        if like in self._told or len(self._told) >= self._most:
            return logging.DEBUG
        self._told.add(like)
        return logging.WARNING
