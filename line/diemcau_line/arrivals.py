"""What the receiver of load counts, and the capacity that it shows (SPEC 4.4, 5.8).

At 200 Mbit/s a packet comes every 48 us: a slot of 10 ms is five numbers, a packet no row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from diemcau_contract.measurements import Quantiles
from diemcau_contract.packets.capacity import Feedback
from diemcau_line.statistics import quantiles

SLOT_NS = 10_000_000
WINDOW_SLOTS = 40
_HALF_SLOTS = WINDOW_SLOTS // 2
_RAMP_SLOTS = 20
_QUEUED_NS = 2_000_000
"""Above this a slot's least delay is a queue and not the noise of a busy machine."""
_EARLY_SLOTS = 50
_FULL_WEIGHT = 1.3
"""Saved-up tokens lift a sub-interval that is not full above the rate; but where one has this much
more than a full one, the line has become faster, or the queue was another's."""
_NEVER = 1 << 62
_NS = 1_000_000_000


class Slot:
    """10 ms of arrivals; ``octets`` are those at the IP layer, ``highest`` a packet's number."""

    __slots__ = ("highest", "last_ns", "least_delay_ns", "octets", "packets")

    def __init__(self) -> None:
        self.packets = 0
        self.octets = 0
        self.least_delay_ns = _NEVER
        self.last_ns = 0
        self.highest = -1


class Arrivals:
    """All arrivals of one step; ``take`` is called by the receive loop for each packet."""

    def __init__(self, start_ns: int, duration_seconds: float, grace_seconds: float) -> None:
        self._origin_ns = start_ns - _EARLY_SLOTS * SLOT_NS
        seconds = duration_seconds + grace_seconds
        self.slots = [Slot() for _ in range(_EARLY_SLOTS + int(seconds * _NS) // SLOT_NS + 1)]
        self.packets = 0
        self.octets = 0
        self.highest = -1
        self._base_delay_ns = _NEVER
        self._least_delay_ns = _NEVER
        self._last_ns = 0
        self._newest_sent_ns = 0
        self._told = _Told(0, 0, 0, -1, 0)

    def take(self, number: int, sent_ns: int, received_ns: int, octets: int) -> None:
        """Count one packet; what is far out of the step's time is not counted."""
        place = (received_ns - self._origin_ns) // SLOT_NS
        if not 0 <= place < len(self.slots):
            return
        slot = self.slots[place]
        delay = received_ns - sent_ns
        slot.packets += 1
        slot.octets += octets
        slot.last_ns = self._last_ns = received_ns
        if delay < slot.least_delay_ns:  # noqa: PLR1730  # min() is a call a packet
            slot.least_delay_ns = delay
        if delay < self._least_delay_ns:  # noqa: PLR1730  # as above
            self._least_delay_ns = delay
        if number > self.highest:
            self.highest = slot.highest = number
            self._newest_sent_ns = sent_ns
        self.packets += 1
        self.octets += octets

    @property
    def lasted_seconds(self) -> float:
        """How long load came in, known to one slot; what ends early has lasted less."""
        used = [place for place, slot in enumerate(self.slots) if slot.packets]
        if not used:
            return 0.0
        first_ns = self._origin_ns + used[0] * SLOT_NS
        return (self.slots[used[-1]].last_ns - first_ns) / _NS

    def feedback(self, flow: int, step: int, now_ns: int) -> Feedback:
        """Return the word on all since the last call."""
        before, least = self._told, self._least_delay_ns
        self._base_delay_ns = min(self._base_delay_ns, least)
        received = self.packets - before.packets
        lost = max(0, self.highest - before.highest - received)
        span = self._last_ns - before.last_ns
        known = before.last_ns and received and span > 0
        rate = (self.octets - before.octets) * 8 * _NS // span if known else 0
        self._told = _Told(
            before.number + 1, self.packets, self.octets, self.highest, self._last_ns
        )
        self._least_delay_ns = _NEVER
        return Feedback(
            flow, step, before.number + 1, received, lost, rate,
            (least - self._base_delay_ns) // 1000 if received else 0,
            max(0, now_ns - self._last_ns) // 1000 if self._last_ns else 0, self._newest_sent_ns,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Told:
    number: int
    packets: int
    octets: int
    highest: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Best:
    """The best sub-interval; ``full``: no moment of the line's was unused in it.

    ``queued``: a standing queue says so, which chance losses cannot feign.
    """

    bits_per_second: float
    full: bool
    queued: bool

    @property
    def weight(self) -> float:
        """What sub-intervals are compared by."""
        return self.bits_per_second * (_FULL_WEIGHT if self.full else 1.0)


def best_rate(slots: Sequence[Slot]) -> Best | None:
    """Return the capacity that the slots show; None where nothing lasted a sub-interval."""
    used = [place for place, slot in enumerate(slots) if slot.packets]
    if not used:
        return None
    base = min(slots[place].least_delay_ns for place in used)
    lost = _losses(slots)
    best: Best | None = None
    for nth, first in enumerate(used):
        if first < used[0] + _RAMP_SLOTS:
            continue
        last = next((one for one in used[nth + 1 :] if one >= first + WINDOW_SLOTS), None)
        if last is None:
            break
        octets = sum(slot.octets for slot in slots[first + 1 : last + 1])
        rate = octets * 8 * _NS / (slots[last].last_ns - slots[first].last_ns)
        is_queued = _is_queued(slots[first : last + 1], base)
        here = Best(rate, is_queued or _is_losing(lost[first : last + 1]), is_queued)
        if best is None or here.weight > best.weight:
            best = here
    return best


def queue_delays(slots: Sequence[Slot]) -> Quantiles | None:
    """Return quantiles of the slots' least queueing delays."""
    least = [slot.least_delay_ns for slot in slots if slot.packets]
    return quantiles([(delay - min(least)) / _NS for delay in least]) if least else None


def _losses(slots: Sequence[Slot]) -> list[bool]:
    """Tell for each slot whether packets before its newest are missing."""
    highest, lost = -1, []
    for slot in slots:
        top = max(highest, slot.highest)
        lost.append(top - highest > slot.packets)
        highest = top
    return lost


def _is_queued(window: Sequence[Slot], base_ns: int) -> bool:
    return all(slot.least_delay_ns - base_ns > _QUEUED_NS for slot in window if slot.packets)


def _is_losing(lost: Sequence[bool]) -> bool:
    """Loss in the first slot: no token is left then; loss in both halves: none is saved since."""
    return lost[0] and any(lost[1:_HALF_SLOTS]) and any(lost[_HALF_SLOTS:])
