"""UDP sockets with kernel receive stamps where the system has them.

Python 3.11 lacks some names of Linux's socket options; their numbers are those of
``asm-generic/socket.h``, ``linux/in.h`` and ``linux/in6.h``.
"""

import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Iterable
from typing import Any

from diemcau_line.clock import Clock

KERNEL_STAMPS = sys.platform.startswith("linux") and hasattr(socket.socket, "recvmsg_into")
DATAGRAM_BYTES = 9216
"""None of ours is longer, even on jumbo frames; the rest of a longer one is lost."""

_SO_TIMESTAMPNS = 35
_SO_RXQ_OVFL = 40
_SO_RCVBUFFORCE = 33
_IP_RECVTTL, _IP_TTL = 12, 2
_IP_RECVTOS, _IP_TOS = 13, 1
_IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT = 51, 52
_IPV6_RECVTCLASS, _IPV6_TCLASS = 66, 67
_IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE = 10, 3
_IPV6_MTU_DISCOVER = 23
_BUFFER_BYTES = 4 << 20
"""Asked for; without rights the kernel gives less. 4 MB hold a second of 16 points at 2 Mbit/s."""
_ANCILLARY_BYTES = 256
_TIMESPEC = struct.Struct("@qq")
_REFUSALS_MAX = 16
TRAIN_PACKETS_MAX = 40
"""The kernel takes 64 segments and 64 KB at once: 40 of ours are 47 KB."""
_UDP_SEGMENT = 103
_SEGMENT = struct.Struct("@H")

Address = tuple[Any, ...]
"""(host, port) or IPv6's (host, port, flow, scope), as the socket module gives and takes it."""


class MeasuringSocket:
    """A non-blocking UDP socket that stamps what it receives.

    After ``receive`` has returned a size, ``view[:size]``, ``sender``, ``received_ns`` and
    ``ttl_and_dscp()`` are those of that datagram, until the next call.
    """

    def __init__(
        self, clock: Clock, *, bind: tuple[str, int] | None, peer: tuple[str, int] | None, dscp: int
    ) -> None:
        """Bind to ``bind`` or connect to ``peer``; mark what is sent with ``dscp``.

        Raises:
            OSError: the address cannot be resolved, bound or reached.
        """
        host, port = bind or peer or ("", 0)
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE if bind else 0
        )[0]
        self._clock = clock
        self._ancillary: list[tuple[int, int, bytes]] = []
        buffer = bytearray(DATAGRAM_BYTES + 1)  # the last octet tells of a longer one
        self.view = memoryview(buffer)
        self._buffers = [buffer]
        self.sender: Address = ()
        self.received_ns = 0
        self.drops = 0
        """Datagrams that this machine itself threw away (SO_RXQ_OVFL)."""
        self.refusals = 0
        """Answers "port unreachable" (ICMP) since the start."""
        self._cuts_trains = KERNEL_STAMPS
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._set_options(dscp)
            if bind is not None:
                self.socket.bind(address)
            else:
                self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.port: int = self.socket.getsockname()[1]

    def receive(self) -> int:
        """Take the next datagram; return its size, or -1 when there is none.

        Of a datagram longer than DATAGRAM_BYTES only that is known: its size is given as one more.
        """
        for _ in range(_REFUSALS_MAX):
            try:
                if KERNEL_STAMPS:
                    size, ancillary, _, self.sender = self.socket.recvmsg_into(
                        self._buffers, _ANCILLARY_BYTES
                    )
                    self._read_stamp(ancillary)
                else:
                    size, self.sender = self.socket.recvfrom_into(self.view)
                    self.received_ns = self._clock.now_ns()
            except BlockingIOError:
                return -1
            except ConnectionError:
                self.refusals += 1
            except OSError as error:
                return DATAGRAM_BYTES + 1 if _tells_of_a_cut(error) else -1
            else:
                return size
        return -1

    def ttl_and_dscp(self) -> tuple[int | None, int | None]:
        """Return TTL (hop limit) and DSCP of the last datagram; None where not known."""
        ttl = dscp = None
        for level, kind, content in self._ancillary:
            if (level, kind) in {
                (socket.IPPROTO_IP, _IP_TTL),
                (socket.IPPROTO_IPV6, _IPV6_HOPLIMIT),
            }:
                ttl = int.from_bytes(content[:4], sys.byteorder)
            elif (level, kind) == (socket.IPPROTO_IP, _IP_TOS):
                dscp = content[0] >> 2
            elif (level, kind) == (socket.IPPROTO_IPV6, _IPV6_TCLASS):
                dscp = int.from_bytes(content[:4], sys.byteorder) >> 2
        return ttl, dscp

    def send(self, octets: bytes | memoryview, address: Address | None = None) -> bool:
        """Send one datagram; False when the system would not take it."""
        try:
            if address is None:
                self.socket.send(octets)
            else:
                self.socket.sendto(octets, address)
        except ConnectionError:
            self.refusals += 1
            return False
        except OSError:
            return False
        return True

    def send_train(self, octets: memoryview, size: int, address: Address | None = None) -> int:
        """Send datagrams of ``size`` that stand one behind another; return how many were taken.

        Linux cuts them itself (UDP_SEGMENT); where it will not, they go one by one.
        """
        count = len(octets) // size
        if count > 1 and self._cuts_trains:
            cut = [(socket.IPPROTO_UDP, _UDP_SEGMENT, _SEGMENT.pack(size))]
            try:
                where = () if address is None else (address,)
                return self.socket.sendmsg([octets], cut, 0, *where) // size
            except BlockingIOError:
                return 0
            except ConnectionError:
                self.refusals += 1
                return 0
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    return 0
                self._cuts_trains = False
        starts = range(0, len(octets), size)
        return sum(self.send(octets[start : start + size], address) for start in starts)

    def forbid_fragments(self) -> None:
        """Set DF and ignore the known path MTU (RFC 4821 probes), where the system can."""
        if KERNEL_STAMPS:
            inet6 = self.socket.family == socket.AF_INET6
            level = socket.IPPROTO_IPV6 if inet6 else socket.IPPROTO_IP
            name = _IPV6_MTU_DISCOVER if inet6 else _IP_MTU_DISCOVER
            self.socket.setsockopt(level, name, _IP_PMTUDISC_PROBE)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def _read_stamp(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        self._ancillary = ancillary
        for level, kind, content in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == _SO_TIMESTAMPNS:
                seconds, rest = _TIMESPEC.unpack(content)
                self.received_ns = seconds * 1_000_000_000 + rest - self._clock.wall_lead_ns
            elif kind == _SO_RXQ_OVFL:
                self.drops = int.from_bytes(content[:4], sys.byteorder)

    def _set_options(self, dscp: int) -> None:
        self.socket.setblocking(False)  # noqa: FBT003  # the library's own signature
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        inet6 = self.socket.family == socket.AF_INET6
        if inet6:
            self._try(((socket.IPPROTO_IPV6, _IPV6_TCLASS, dscp << 2),))
        else:
            self._try(((socket.IPPROTO_IP, socket.IP_TOS, dscp << 2),))
        if not KERNEL_STAMPS:
            return
        self._try(((socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES),))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._try(((socket.SOL_SOCKET, _SO_RXQ_OVFL, 1),))
        level = socket.IPPROTO_IPV6 if inet6 else socket.IPPROTO_IP
        names = (_IPV6_RECVHOPLIMIT, _IPV6_RECVTCLASS) if inet6 else (_IP_RECVTTL, _IP_RECVTOS)
        self._try((level, name, 1) for name in names)

    def _try(self, options: Iterable[tuple[int, int, int]]) -> None:
        """Set what serves but is not needed: rights or the system may lack it."""
        for level, name, value in options:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(level, name, value)


def _tells_of_a_cut(error: OSError) -> bool:
    """Tell whether Windows has cut a datagram; on Linux the same number is an ICMP answer."""
    return sys.platform == "win32" and error.errno == errno.EMSGSIZE
