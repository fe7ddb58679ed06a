"""What Linux knows of a TCP connection, under the names that ndt7 gives to the figures."""

import socket
import struct
from collections.abc import Mapping
from typing import Protocol

_OPTION = getattr(socket, "TCP_INFO", None)
_SIZE = 216
"""Length of ``struct tcp_info`` up to ``tcpi_bytes_retrans`` (Linux 4.19)."""

_FIELDS: Mapping[str, tuple[str, int]] = {
    "RTT": ("=I", 68),
    "RTTVar": ("=I", 72),
    "BytesAcked": ("=Q", 120),
    "BytesReceived": ("=Q", 128),
    "MinRTT": ("=I", 148),
    "BusyTime": ("=Q", 168),
    "RWndLimited": ("=Q", 176),
    "SndBufLimited": ("=Q", 184),
    "BytesSent": ("=Q", 200),
    "BytesRetrans": ("=Q", 208),
}
"""Type and offset in ``struct tcp_info`` (linux/tcp.h); times are in microseconds."""


class HasOptions(Protocol):
    """A socket, or what asyncio shows of one."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        """Return the option's bytes."""


def tcp_info(connection: HasOptions) -> dict[str, int] | None:
    """Return the kernel's figures; None where it has none (not Linux, too old, closed)."""
    if _OPTION is None:
        return None
    try:
        raw = connection.getsockopt(socket.IPPROTO_TCP, _OPTION, _SIZE)
    except OSError:
        return None
    if len(raw) < _SIZE:
        return None
    return {name: struct.unpack_from(kind, raw, at)[0] for name, (kind, at) in _FIELDS.items()}
