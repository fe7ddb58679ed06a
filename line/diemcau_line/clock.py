"""One steady time line that also tells the time of day (SPEC 5.1).

Stamps are ``perf_counter`` plus an anchor to the wall clock taken once: they never jump when the
wall clock is set, and on Windows before Python 3.13 they do not move in steps of 15.6 ms as
``time.time`` does. Kernel stamps bear the wall clock and are brought onto the same line.
"""

import ctypes
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_LOOK_TRIES = 5
_LOOK_MAX_NS = 50_000
"""A look at both clocks that took longer was interrupted and tells nothing."""
_STEP_MIN_NS = 1_000_000
"""Between two looks at most a second apart, slewing (500 ppm) moves a clock by half of this."""
_TIMEX_BYTES = 512
"""More than struct timex needs on any Linux."""
_TIMEX_HEAD = struct.Struct("@illlli")
"""modes, offset, frequency, largest error (us), estimated error (us), status."""
_TIMESYNCD = Path("/run/systemd/timesync/synchronized")
"""Kept by systemd-timesyncd.service(8) once it has set the clock since the boot."""
_TIME_ERROR = 5
"""State of adjtimex(2): the clock is not synchronised."""


@dataclass(frozen=True, slots=True)
class SyncState:
    """What the system says of its wall clock; None where it cannot be asked."""

    synchronised: bool | None
    error_seconds: float


_UNKNOWN_SYNC = SyncState(None, 1.0)
_KEPT_SYNC = SyncState(synchronised=True, error_seconds=1.0)


class Clock:
    """A steady clock anchored to the wall clock at its making."""

    def __init__(
        self,
        steady_ns: Callable[[], int] = time.perf_counter_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.steady_ns = steady_ns
        self._wall_ns = wall_ns
        self.anchor_ns = 0
        self.wall_lead_ns = 0
        """Wall clock minus this clock at the last look; 0 until the wall clock is stepped."""
        self.stepped_ns = 0
        """Sum of the sizes of all steps of the wall clock seen so far."""
        self.anchor_ns = self._look(tries=_LOOK_TRIES) or wall_ns() - steady_ns()

    def now_ns(self) -> int:
        """Return ns since 1970 on the steady time line."""
        return self.steady_ns() + self.anchor_ns

    def refresh(self) -> None:
        """Look at both clocks again; to be called before a batch of kernel stamps is read."""
        offset = self._look(tries=2)
        if offset is None:
            return
        lead = offset - self.anchor_ns
        moved = abs(lead - self.wall_lead_ns)
        if moved > _STEP_MIN_NS:
            self.stepped_ns += moved
        self.wall_lead_ns = lead

    def _look(self, tries: int) -> int | None:
        for _ in range(tries):
            before = self.steady_ns()
            wall = self._wall_ns()
            after = self.steady_ns()
            if after - before <= _LOOK_MAX_NS:
                return wall - (before + after) // 2
        return None


def sync_state() -> SyncState:
    """Ask the system whether its clock is synchronised (adjtimex, Linux only)."""
    if not sys.platform.startswith("linux"):
        return _UNKNOWN_SYNC
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = ctypes.CDLL(None).adjtimex(buffer)
    except (OSError, AttributeError):
        return _UNKNOWN_SYNC
    if state < 0:
        # A service that may not touch the clock (ProtectClock=) may not ask it either.
        return _KEPT_SYNC if _TIMESYNCD.exists() else _UNKNOWN_SYNC
    error_us = _TIMEX_HEAD.unpack_from(buffer)[3]
    return SyncState(state != _TIME_ERROR, max(error_us, 1) / 1e6)
