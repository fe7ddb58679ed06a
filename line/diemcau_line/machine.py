"""How busy the whole machine is: a guard of every measurement."""

import ctypes
import sys
from pathlib import Path

_PROC_STAT = Path("/proc/stat")
_NICE, _IDLE, _IOWAIT, _COUNTED = 1, 3, 4, 8
"""Places in /proc/stat's first line (proc(5)); guest time is part of user time already."""


class MachineLoad:
    """Busy share of all cores between two looks.

    Work of low priority does not count: it yields to the measurement (the room's probes are such).
    """

    def __init__(self) -> None:
        self._before = _looked()

    def ratio(self) -> float | None:
        """Return the busy share since the last call, 0..1; None where the system does not tell."""
        before, self._before = self._before, _looked()
        if before is None or self._before is None:
            return None
        total = self._before[1] - before[1]
        return min(1.0, max(0.0, (self._before[0] - before[0]) / total)) if total > 0 else None


def _looked() -> tuple[int, int] | None:
    """Return busy and total time in the system's own unit."""
    if sys.platform == "win32":
        return _windows_times()
    try:
        with _PROC_STAT.open(encoding="ascii") as file:
            times = [int(word) for word in file.readline().split()[1 : _COUNTED + 1]]
    except (OSError, ValueError):
        return None
    total = sum(times)
    return total - times[_IDLE] - times[_IOWAIT] - times[_NICE], total


def _windows_times() -> tuple[int, int] | None:
    idle, kernel, user = (ctypes.c_uint64() for _ in range(3))
    kernel32 = getattr(ctypes, "windll").kernel32  # noqa: B009  # exists on Windows only
    if not kernel32.GetSystemTimes(ctypes.byref(idle), ctypes.byref(kernel), ctypes.byref(user)):
        return None
    total = int(kernel.value + user.value)  # kernel time holds the idle time
    return total - int(idle.value), total
