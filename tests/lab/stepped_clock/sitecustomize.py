"""Gives a Python process a wall clock of its own, which the lab can set while it runs.

Python imports a module of this name at its start when the folder stands in PYTHONPATH. The offset
is read from the file in LAB_CLOCK_OFFSET_FILE (signed 64 bits, ns). Calls for the wall clock and
the kernel's receive stamps are shifted by it, as they would be on a PC whose clock was set.
"""

import mmap
import os
import socket
import struct
import time
from typing import Any

_OFFSET = struct.Struct("=q")
_TIMESPEC = struct.Struct("=qq")
_TIMESTAMPNS = 35
_NS = 1_000_000_000


def _install(file: str) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    shared = mmap.mmap(descriptor, _OFFSET.size, prot=mmap.PROT_READ)
    os.close(descriptor)
    true_time_ns, true_receive = time.time_ns, socket.socket.recvmsg

    def offset_ns() -> int:
        offset: int = _OFFSET.unpack_from(shared)[0]
        return offset

    def time_ns() -> int:
        return true_time_ns() + offset_ns()

    def time_seconds() -> float:
        return time_ns() / _NS

    def recvmsg(self: socket.socket, *arguments: int) -> Any:
        data, ancillary, flags, address = true_receive(self, *arguments)
        return data, [_shifted(row, offset_ns()) for row in ancillary], flags, address

    time.time_ns, time.time = time_ns, time_seconds
    setattr(socket.socket, "recvmsg", recvmsg)  # noqa: B010  # a method of a typed class


def _shifted(row: tuple[int, int, bytes], offset_ns: int) -> tuple[int, int, bytes]:
    level, kind, data = row
    if level != socket.SOL_SOCKET or kind != _TIMESTAMPNS:
        return row
    seconds, rest = _TIMESPEC.unpack_from(data)
    shifted = seconds * _NS + rest + offset_ns
    return level, kind, _TIMESPEC.pack(shifted // _NS, shifted % _NS)


if _FILE := os.environ.get("LAB_CLOCK_OFFSET_FILE"):
    _install(_FILE)
