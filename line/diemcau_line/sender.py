"""Sends one flow's rehearsal packets of one step at their planned times (SPEC 5.5)."""

import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from diemcau_contract.measurements import SenderStatistics
from diemcau_contract.packets.common import IP_UDP_BYTES
from diemcau_contract.packets.rehearsal import (
    CLOCK_RATES,
    PAYLOAD_MAX_BYTES,
    REHEARSAL,
    RTP_BYTES,
    PayloadType,
    ssrc_of,
)
from diemcau_line.clock import Clock
from diemcau_line.sockets import Address, MeasuringSocket
from diemcau_line.tally import SentCount
from diemcau_line.traffic import Planned

LATE_START_NS = 50_000_000
"""What was due longer ago than this when a sender starts is not sent any more."""
GIVEN_UP_NS = 200_000_000
"""What is overdue by more is not sent: a sender held up so long would put a burst on the line that
all points share. It breaks its guards by that: it counts as not sent, and as late."""
_PADDINGS = 16
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SendOrder:
    """Whose packets, when and how much at most (octets at the IP layer)."""

    flow: int
    token: int
    step: int
    start_ns: int
    bytes_max: int


class FlowSender:
    """Sends one flow's planned packets of one step; the real time of each send goes into it."""

    def __init__(
        self,
        clock: Clock,
        line: MeasuringSocket,
        address: Address | None,
        order: SendOrder,
        plan: Iterator[Planned],
    ) -> None:
        self._clock = clock
        self._line = line
        self._address = address
        self._token = order.token
        self._step = order.step
        self._plan = plan
        self._start_ns = order.start_ns
        self._bytes_max = order.bytes_max
        self._ssrc = {int(kind): ssrc_of(order.flow, kind) for kind in PayloadType}
        self._rtp_sequence = dict.fromkeys(map(int, PayloadType), 0)
        self._rates = {int(kind): rate for kind, rate in CLOCK_RATES.items()}
        self._views = _padded_buffers(order)
        self._errors_ns: array[int] = array("q")
        self._first = self._number = 0
        self._failed = 0
        self.bytes_sent = 0
        self._next = next(plan, None)
        self._skip(clock.now_ns() - order.start_ns - LATE_START_NS)

    @property
    def due_ns(self) -> int:
        """Deadline of the next packet, -1 at the end."""
        return self._start_ns + self._next[0] if self._next is not None else -1

    def fire(self) -> int:
        """Send the next packet; return the deadline of the one after it."""
        if self._next is None:
            return -1
        now = self._clock.now_ns()
        late_ns = now - self._start_ns - self._next[0]
        self._errors_ns.append(late_ns)
        if late_ns > GIVEN_UP_NS:
            self._failed += 1
        else:
            self._send(self._next, now)
        self._number += 1
        if self.bytes_sent >= self._bytes_max:
            self.stop()
            return -1
        self._next = following = next(self._plan, None)
        return self._start_ns + following[0] if following is not None else -1

    def stop(self) -> None:
        """Send nothing more."""
        self._next = None

    def count(self) -> SentCount:
        """Return what was sent, by number in the plan."""
        return SentCount(self._first, self._number, self._failed)

    def statistics(self) -> SenderStatistics:
        """Return how well the plan was kept."""
        late = sorted(self._errors_ns) or [0]
        return SenderStatistics(
            packets_sent=self._number - self._first - self._failed,
            bytes_sent=self.bytes_sent,
            send_errors=self._failed,
            schedule_error_p50_seconds=late[len(late) // 2] / _NS,
            schedule_error_p99_seconds=late[min(len(late) - 1, len(late) * 99 // 100)] / _NS,
            schedule_error_max_seconds=late[-1] / _NS,
        )

    def _send(self, planned: Planned, now: int) -> None:
        _, payload, kind, frame, index, count = planned
        view = self._views[self._number % _PADDINGS]
        sequence = self._rtp_sequence[kind]
        self._rtp_sequence[kind] = (sequence + 1) & 0xFFFF
        marker = 0x80 if kind == PayloadType.VIDEO and index + 1 == count else 0
        REHEARSAL.pack_into(
            view, 0, 0x80, kind | marker, sequence,
            now * self._rates[kind] // _NS & 0xFFFF_FFFF, self._ssrc[kind], self._token, now,
            self._number, frame, index, count, self._step, 0,
        )  # fmt: skip
        if not self._line.send(view[: RTP_BYTES + payload], self._address):
            self._failed += 1
        self.bytes_sent += payload + RTP_BYTES + IP_UDP_BYTES

    def _skip(self, missed_ns: int) -> None:
        while self._next is not None and self._next[0] < missed_ns:
            self._first = self._number = self._number + 1
            self._next = next(self._plan, None)


def _padded_buffers(order: SendOrder) -> list[memoryview]:
    """Return buffers of random octets, made once: a tunnel cannot compress them away."""
    noise = random.Random(order.flow ^ order.step)  # noqa: S311  # padding, no secret
    size = RTP_BYTES + PAYLOAD_MAX_BYTES
    return [memoryview(bytearray(noise.randbytes(size))) for _ in range(_PADDINGS)]
