"""Processor time for what keeps deadlines: a measuring process asks to go before other work.

It uses a small share of a core. Linux grants it to root and with CAP_SYS_NICE or a systemd unit's
``Nice=``, Windows to everybody; where it is refused the guards still tell what came too late.
"""

import contextlib
import ctypes
import os
import sys

_NICE_ABOVE = -10
_HIGH_PRIORITY_CLASS, _NORMAL_PRIORITY_CLASS = 0x80, 0x20


def set_priority(*, above_others: bool) -> None:
    """Ask for a higher priority, or for the usual one again."""
    if sys.platform == "win32":
        kernel32 = ctypes.windll.kernel32
        wanted = _HIGH_PRIORITY_CLASS if above_others else _NORMAL_PRIORITY_CLASS
        kernel32.SetPriorityClass(kernel32.GetCurrentProcess(), wanted)
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE_ABOVE if above_others else 0)
