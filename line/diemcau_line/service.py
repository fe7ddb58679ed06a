"""What systemd hears of a service, by its own protocol (sd_notify(3)); elsewhere nobody asks."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Final

_PARTS: Final = 3
"""How often it is told within the time after which systemd acts: one may be lost on a busy PC."""


@asynccontextmanager
async def told_to_systemd() -> AsyncIterator[None]:
    """Say that the service is ready, that its event loop still turns, and that it stops.

    The loop itself says it, so that a loop that hangs is silent, and systemd starts it anew.
    """
    _tell("READY=1")
    turning = asyncio.create_task(_keep_telling(_watchdog_seconds()), name="systemd watchdog")
    try:
        yield
    finally:
        turning.cancel()
        _tell("STOPPING=1")


async def _keep_telling(limit_seconds: float | None) -> None:
    while limit_seconds is not None:
        _tell("WATCHDOG=1")
        await asyncio.sleep(limit_seconds / _PARTS)


def _watchdog_seconds() -> float | None:
    """Return after how long a silence systemd acts, None where it does not watch this process."""
    meant = os.environ.get("WATCHDOG_PID", "")
    if meant and meant != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else None


def _tell(what: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # "@" stands for the zero byte of a name without a file (unix(7)).
    name = address.replace("@", "\0", 1) if address.startswith("@") else address
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock, suppress(OSError):
        sock.settimeout(0.0)
        sock.sendto(what.encode(), name)
