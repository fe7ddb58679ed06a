"""STAMP (RFC 8762, SSID of RFC 8972): both roles, without sockets (SPEC 5.2)."""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from diemcau_contract.measurements import Quantiles, StampStatistics
from diemcau_contract.packets.common import Octets, PacketError
from diemcau_contract.packets.stamp import (
    STAMP_AUTHENTICATED_BYTES,
    STAMP_OPEN_BYTES,
    ErrorEstimate,
    StampReply,
    StampRequest,
    ntp_from_unix_ns,
    pack_stamp_reply,
    pack_stamp_request,
    parse_stamp_reply,
    parse_stamp_request,
    stamp_ssid,
)
from diemcau_line.clock import Clock, SyncState, sync_state
from diemcau_line.statistics import quantiles, queue_delays

PATIENCE_SECONDS = 1.0
"""A packet without an answer for this long is lost."""
REPLIES_PER_SECOND_MAX = 200
"""Answers to one SSID: the idle step of a test asks for 50."""
_SESSIONS_MAX = 4096
_ANSWERS_MAX = 20_000
_SYNC_AGE_NS = 10_000_000_000
_NS = 1_000_000_000
_UNKNOWN_TTL = 255
_S_BIT, _MULTIPLIER = 1 << 15, 0xFF


class NotReflectedFault(StrEnum):
    """Why a genuine packet gets no answer (fixed set: it is a metric label)."""

    UNKNOWN_SSID = "unknown_ssid"
    RATE_LIMITED = "rate_limited"


class NotReflectedError(Exception):
    """A request that gets no answer for a reason of ours; ``reason`` is counted."""

    def __init__(self, reason: NotReflectedFault) -> None:
        super().__init__(reason)
        self.reason = reason


class ErrorBits:
    """The Error Estimate of this end, asked of the system every 10 s."""

    def __init__(self, clock: Clock, ask: Callable[[], SyncState] = sync_state) -> None:
        self._clock = clock
        self._ask = ask
        self._asked_ns = 0
        self._state: SyncState | None = None

    @property
    def synchronised(self) -> bool | None:
        """What the system said last."""
        return self._state.synchronised if self._state else None

    def bits(self) -> int:
        """Return the 16 bits of RFC 8762 section 4.2.1; S is set only when the system says so.

        The system speaks of the wall clock; our stamps stay on the steady line, and a step of the
        wall clock parts the two: the estimate holds that distance as well.
        """
        now = self._clock.now_ns()
        if self._state is None or now - self._asked_ns >= _SYNC_AGE_NS:
            self._state = self._ask()
            self._asked_ns = now
        error = self._state.error_seconds + abs(self._clock.wall_lead_ns) / _NS
        return ErrorEstimate.of(error, synchronised=self._state.synchronised is True).to_int()


class SessionReflector:
    """Answers Session-Senders; counts per SSID and source unless ``stateless``."""

    def __init__(self, clock: Clock, *, answer_open: bool = False, stateless: bool = False) -> None:
        self._clock = clock
        self._error = ErrorBits(clock)
        self._answer_open = answer_open
        self._stateless = stateless
        self._keys: Mapping[int, bytes] = {}
        self._counters: dict[tuple[int, Hashable], int] = {}
        self._rates: dict[int, list[int]] = {}
        self.answered = 0

    def set_sessions(self, keys: Mapping[int, bytes]) -> None:
        """Answer these SSIDs with these keys from now on, and no others."""
        self._keys = dict(keys)

    def reflect(self, octets: Octets, peer: Hashable, received_ns: int, ttl: int | None) -> bytes:
        """Return the answer: as long as the request, its padding or TLVs copied.

        The HMAC is verified before any state is touched. ``received_ns`` is T2; T3 is taken last.

        Raises:
            PacketError: too short or not genuine.
            NotReflectedError: unknown SSID, or too many a second.
        """
        key = self._key_of(octets)
        request = parse_stamp_request(octets, key)
        self._limit(request.ssid)
        session = (request.ssid, peer)
        number = self._counters.pop(session, 0)
        self._counters[session] = (number + 1) & 0xFFFF_FFFF
        if len(self._counters) > _SESSIONS_MAX:
            del self._counters[next(iter(self._counters))]
        self.answered += 1
        reply = StampReply(
            sequence=request.sequence if self._stateless else number,
            error=self._error.bits(),
            ssid=request.ssid,
            received_ns=received_ns,
            sender_sequence=request.sequence,
            sender_time_ntp=request.time_ntp,
            sender_error=request.error,
            sender_ttl=_UNKNOWN_TTL if ttl is None else ttl,
            time_ns=self._clock.now_ns(),
        )
        base = STAMP_OPEN_BYTES if key is None else STAMP_AUTHENTICATED_BYTES
        return pack_stamp_reply(reply, key) + bytes(octets[base:])

    def _key_of(self, octets: Octets) -> bytes | None:
        try:
            key = self._keys.get(stamp_ssid(octets, authenticated=True))
        except PacketError:
            if not self._answer_open:
                raise
            return None
        if key is None and not self._answer_open:
            raise NotReflectedError(NotReflectedFault.UNKNOWN_SSID)
        return key

    def _limit(self, ssid: int) -> None:
        second = self._clock.now_ns() // _NS
        rate = self._rates.setdefault(ssid, [second, 0])
        if rate[0] != second:
            rate[:] = [second, 0]
        rate[1] += 1
        if rate[1] > REPLIES_PER_SECOND_MAX:
            raise NotReflectedError(NotReflectedFault.RATE_LIMITED)


@dataclass(frozen=True, slots=True)
class Answer:
    """One round trip: RFC 8762's four times, T1 and T4 on our clock, T2 and T3 on the hub's."""

    sequence: int
    t1: int
    t2: int
    t3: int
    t4: int
    reflector_sequence: int
    own_error: int
    reflector_error: int

    @property
    def rtt_ns(self) -> int:
        """Round trip without the reflector's own time."""
        return self.t4 - self.t1 - (self.t3 - self.t2)

    @property
    def offset_ns(self) -> int:
        """Reflector's clock minus ours, were both ways equally long."""
        return (self.t2 - self.t1 + self.t3 - self.t4) // 2


class _Sent(NamedTuple):
    """A packet that waits for its answer."""

    time_ns: int
    window: int
    error: int


@dataclass(slots=True)
class _Window:
    first: int
    answers: deque[Answer] = field(default_factory=lambda: deque(maxlen=_ANSWERS_MAX))


class SessionSender:
    """One STAMP session's sender; its packets are counted in windows, one after another."""

    def __init__(self, ssid: int, key: bytes | None, clock: Clock) -> None:
        self._ssid = ssid
        self._key = key
        self._clock = clock
        self.error = ErrorBits(clock)
        self._next = 0
        self._pending: dict[int, _Sent] = {}
        self._windows: dict[int, _Window] = {}
        self._newest: Answer | None = None
        self.best: Answer | None = None
        """The answer with the smallest round trip so far: the best look at the other clock."""

    @property
    def waiting(self) -> int:
        """Packets without an answer yet."""
        return len(self._pending)

    def request(self, window: int, size: int = 0) -> bytes:
        """Return the next packet of ``window``, T1 taken now, zero padding to ``size`` octets."""
        number = self._next
        self._next = (number + 1) & 0x7FFF_FFFF
        self._windows.setdefault(window, _Window(number))
        error = self.error.bits()
        now = self._clock.now_ns()
        self._pending[number] = _Sent(now, window, error)
        request = StampRequest(number, ntp_from_unix_ns(now), error, self._ssid)
        return pack_stamp_request(request, self._key).ljust(size, b"\0")

    def answer(self, octets: Octets, received_ns: int) -> bool:
        """Take an answer; False when none is waited for (a copy, or given up already).

        Raises:
            PacketError: too short, not genuine, or not in NTP's times.
        """
        reply = parse_stamp_reply(octets, self._key)
        sent = self._pending.pop(reply.sender_sequence, None)
        window = self._windows.get(sent.window) if sent else None
        if sent is None or window is None:
            return False
        answer = Answer(
            reply.sender_sequence, sent.time_ns, reply.received_ns, reply.time_ns, received_ns,
            reply.sequence, sent.error, reply.error,
        )  # fmt: skip
        window.answers.append(answer)
        if self.best is None or answer.rtt_ns < self.best.rtt_ns:
            self.best = answer
        return True

    def close_window(self, window: int, successor: int) -> StampStatistics | None:
        """Return the figures of ``window`` and forget it; None when nothing was sent in it.

        What has waited for less than PATIENCE_SECONDS goes over to window ``successor``.
        """
        closed = self._windows.pop(window, None)
        if closed is None:
            return None
        deadline = self._clock.now_ns() - int(PATIENCE_SECONDS * _NS)
        lost = [
            number
            for number, sent in self._pending.items()
            if sent.window == window and sent.time_ns <= deadline
        ]
        for number in lost:
            del self._pending[number]
        for number, sent in self._pending.items():
            if sent.window == window:
                self._windows.setdefault(successor, _Window(number))
                self._pending[number] = sent._replace(window=successor)
        answers = sorted(closed.answers, key=lambda one: one.sequence)
        up, down = self._directions(answers, closed.first)
        return _statistics(answers, len(lost), up, down)

    def _directions(
        self, answers: Sequence[Answer], first: int
    ) -> tuple[float | None, float | None]:
        """Return loss up and down by the stateful reflector's counter, up to the last answer.

        Gaps in our numbers that its counter lacks too were lost on the way up, gaps in its
        counter on the way down. Where it has started anew, counting begins with the first answer.
        """
        if not answers:
            return None, None
        last = answers[-1]
        before = (-1, -1)
        if self._newest is not None:
            before = (self._newest.sequence, self._newest.reflector_sequence)
        elif first:
            before = (answers[0].sequence - 1, answers[0].reflector_sequence - 1)
        sent, reached = last.sequence - before[0], last.reflector_sequence - before[1]
        if not 0 < reached <= sent:
            before = (answers[0].sequence - 1, answers[0].reflector_sequence - 1)
            sent, reached = last.sequence - before[0], last.reflector_sequence - before[1]
        self._newest = last
        if not 0 < reached <= sent:
            return None, None
        came = sum(one.sequence > before[0] for one in answers)
        return (sent - reached) / sent, max(0, reached - came) / reached


def _statistics(
    answers: Sequence[Answer], lost: int, up: float | None, down: float | None
) -> StampStatistics | None:
    sent = len(answers) + lost
    if not sent:
        return None
    rtt = sorted(one.rtt_ns / _NS for one in answers)
    best = min(answers, key=lambda one: one.rtt_ns, default=None)
    comparable = best is not None and _comparable(answers, best.rtt_ns)
    return StampStatistics(
        packets_sent=sent,
        packets_received=len(answers),
        loss_ratio_up=up,
        loss_ratio_down=down,
        rtt_seconds=quantiles(rtt) if rtt else None,
        queue_delay_up_seconds=_queue([(one.t1, one.t2) for one in answers]),
        queue_delay_down_seconds=_queue([(one.t3, one.t4) for one in answers]),
        clock_offset_seconds=best.offset_ns / _NS if best else None,
        clock_offset_bound_seconds=max(best.rtt_ns, 0) / 2 / _NS if best else None,
        one_way_delay_up_seconds=_delays([one.t2 - one.t1 for one in answers], comparable),
        one_way_delay_down_seconds=_delays([one.t4 - one.t3 for one in answers], comparable),
        reflector_synchronised=_synchronised([one.reflector_error for one in answers]),
    )


def _comparable(answers: Sequence[Answer], best_rtt_ns: int) -> bool:
    """Tell whether both clocks are known well enough for one-way delays (SPEC 4.3)."""
    ends = [one.own_error for one in answers], [one.reflector_error for one in answers]
    if not all(_synchronised(bits) for bits in ends):
        return False
    error = sum(max(ErrorEstimate.from_int(one).seconds for one in set(bits)) for bits in ends)
    return error <= best_rtt_ns / 2 / _NS


def _synchronised(error_bits: Sequence[int]) -> bool | None:
    """Tell whether all say so; an estimate with multiplier 0 is invalid and says nothing."""
    if not error_bits:
        return None
    return all(bits & _S_BIT and bits & _MULTIPLIER for bits in error_bits)


def _delays(delays_ns: Sequence[int], comparable: bool) -> Quantiles | None:  # noqa: FBT001  # private
    return quantiles([delay / _NS for delay in delays_ns]) if comparable else None


def _queue(times_ns: Sequence[tuple[int, int]]) -> Quantiles | None:
    return quantiles(queue_delays(times_ns)) if times_ns else None
