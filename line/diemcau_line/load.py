"""Sends load in short trains at the ladder's rate (SPEC 5.8)."""

import random
from dataclasses import dataclass

from diemcau_contract.packets.capacity import (
    LOAD_BYTES,
    LOAD_CLOCK_RATE,
    LOAD_PAYLOAD_TYPE,
    Feedback,
    LoadEnd,
)
from diemcau_contract.packets.common import IP_UDP_BYTES
from diemcau_contract.packets.rehearsal import REHEARSAL
from diemcau_line.clock import Clock
from diemcau_line.ladder import Ladder
from diemcau_line.sockets import TRAIN_PACKETS_MAX, Address, MeasuringSocket

FEEDBACK_PATIENCE_NS = 500_000_000
_PACE_NS = 1_000_000
_CATCH_UP_NS = 10_000_000
"""A sender that was held up longer than this does not make up for it: that would be a burst."""
_NS = 1_000_000_000
_PACKET_BITS = (LOAD_BYTES + IP_UDP_BYTES) * 8


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """Whose packets, when (own clock) and how much at most (octets at the IP layer)."""

    flow: int
    token: int
    step: int
    start_ns: int
    end_ns: int
    bytes_max: int


class LoadSender:
    """Sends one flow's load; an item of the pacer."""

    def __init__(
        self,
        clock: Clock,
        line: MeasuringSocket,
        address: Address | None,
        order: LoadOrder,
        ladder: Ladder,
    ) -> None:
        self._clock = clock
        self._line = line
        self._address = address
        self._order = order
        self._ladder = ladder
        noise = random.Random(order.flow ^ order.step)  # noqa: S311  # padding, no secret
        self._train = bytearray(noise.randbytes(LOAD_BYTES * TRAIN_PACKETS_MAX))
        self._view = memoryview(self._train)
        self._fired_ns = self._heard_ns = order.start_ns
        self._credit = 1.0
        self._number = self._told = 0
        self._told_ns = order.start_ns
        self._failed = 0
        self._feedbacks = 0
        self._rtts_ns: tuple[int, int] | None = None
        self._over = False

    @property
    def bytes_sent(self) -> int:
        """Octets at the IP layer so far."""
        return self._number * _PACKET_BITS // 8

    def fire(self) -> int:
        """Send what is due; return the next deadline, -1 at the end."""
        now = self._clock.now_ns()
        silent = now - self._heard_ns > FEEDBACK_PATIENCE_NS
        if self._over or silent or now >= self._order.end_ns:
            self._over = True
            return -1
        rate = self._ladder.bits_per_second
        most = max(1.0, rate * _CATCH_UP_NS / _NS / _PACKET_BITS)
        earned = (now - self._fired_ns) * rate / _NS / _PACKET_BITS
        self._credit = min(self._credit + earned, most)
        self._fired_ns = now
        left = int(self._credit)
        self._credit -= left
        while left and not self._over:
            packets = min(left, TRAIN_PACKETS_MAX)
            self._send(packets, now)
            left -= packets
        missing_ns = int((1 - self._credit) * _PACKET_BITS * _NS / rate)
        return now + max(_PACE_NS, missing_ns)

    def take(self, feedback: Feedback, now_ns: int) -> None:
        """Follow the receiver's word; an old one says nothing new."""
        if feedback.number <= self._feedbacks:
            return
        self._feedbacks = feedback.number
        self._heard_ns = max(self._heard_ns, now_ns)
        if feedback.newest_sent_ns:
            self._note_rtt(now_ns - feedback.newest_sent_ns - feedback.held_us * 1000)
        span = max(1, now_ns - self._told_ns)
        offered = (self._number - self._told) * _PACKET_BITS * _NS / span
        self._told, self._told_ns = self._number, now_ns
        self._ladder.take(feedback, offered, now_ns)

    def stop(self) -> None:
        """Send nothing more."""
        self._over = True

    def end(self) -> LoadEnd:
        """Return the sender's own count."""
        low, high = self._rtts_ns or (None, None)
        return LoadEnd(
            self._order.flow, self._order.step, self._number - self._failed, self.bytes_sent,
            self._failed, self._ladder.limit,
            None if low is None else low // 1000, None if high is None else high // 1000,
        )  # fmt: skip

    def _send(self, packets: int, now: int) -> None:
        order, number = self._order, self._number
        rtp_time = now * LOAD_CLOCK_RATE // _NS & 0xFFFF_FFFF
        for place in range(packets):
            REHEARSAL.pack_into(
                self._train, place * LOAD_BYTES, 0x80, LOAD_PAYLOAD_TYPE, number & 0xFFFF, rtp_time,
                order.flow, order.token, now, number, 0, 0, 0, order.step, 0,
            )  # fmt: skip
            number += 1
        taken = self._line.send_train(self._view[: packets * LOAD_BYTES], LOAD_BYTES, self._address)
        self._failed += packets - taken
        self._number = number
        if self.bytes_sent + TRAIN_PACKETS_MAX * _PACKET_BITS // 8 > order.bytes_max:
            self._over = True

    def _note_rtt(self, rtt_ns: int) -> None:
        rtt = max(0, rtt_ns)
        low, high = self._rtts_ns or (rtt, rtt)
        self._rtts_ns = min(low, rtt), max(high, rtt)
