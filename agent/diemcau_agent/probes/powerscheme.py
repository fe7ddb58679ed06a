"""Windows: the active power scheme, by powrprof.dll (PowerGetActiveScheme, PowerReadACValueIndex).

Written against the documented functions and the GUIDs of winnt.h, not run on Windows yet.
"""

import ctypes
from typing import Any, Final, Protocol
from uuid import UUID

from diemcau_agent.probes.power import Power

SLEEP_SUBGROUP: Final = UUID("238c9fa8-0aad-41ed-83f4-97be242c8f20")
STANDBY_TIMEOUT: Final = UUID("29f6c1db-86da-48c5-9fdb-f2b67b1f44da")
"""Seconds without anybody at the PC before it sleeps, 0: never."""
USB_SUBGROUP: Final = UUID("2a737441-1930-4402-8d77-b2bebba308a3")
USB_SELECTIVE_SUSPEND: Final = UUID("48e6b7a6-50f5-4782-a5d4-53bb8f07e226")
"""1: enabled."""


class Scheme(Protocol):
    """The active power scheme."""

    def on_mains(self, subgroup: UUID, setting: UUID) -> int | None:
        """Return a setting's value on mains power, None where it cannot be read."""


def scheme_power(scheme: Scheme) -> Power:
    """Read what matters of a scheme."""
    seconds = scheme.on_mains(SLEEP_SUBGROUP, STANDBY_TIMEOUT)
    suspend = scheme.on_mains(USB_SUBGROUP, USB_SELECTIVE_SUSPEND)
    return Power(
        sleeps=None if seconds is None else seconds > 0,
        usb_suspends=None if suspend is None else suspend == 1,
    )


class PowrProf:
    """The real one. Not run on Windows yet."""

    def on_mains(self, subgroup: UUID, setting: UUID) -> int | None:
        """Return a setting's value on mains power, None where it cannot be read."""
        library: Any = ctypes.WinDLL("powrprof")  # type: ignore[attr-defined,unused-ignore]  # Windows only
        kernel: Any = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]  # Windows only
        active = ctypes.c_void_p()
        if library.PowerGetActiveScheme(None, ctypes.byref(active)) != 0:
            return None
        value = ctypes.c_uint32()
        try:
            failed = library.PowerReadACValueIndex(
                None, active, subgroup.bytes_le, setting.bytes_le, ctypes.byref(value)
            )
        finally:
            kernel.LocalFree(active)
        return None if failed else value.value
