"""How the sender of load finds the line's rate: a pure rule from feedback to rate (SPEC 5.8).

It doubles until the line says no, then stays beside the line's rate: *pressing* a little above it
until the queue is long, *relaxing* below it until the queue is short. So the queue neither runs
empty, which would hide the rate, nor grows. A line without a queue worth the name answers by loss
alone: there a small steady excess keeps it full. Where pressing meets no resistance the line is
faster than believed, and it climbs again.
"""

import math
import statistics
from collections import deque
from enum import Enum, auto

from diemcau_contract.packets.capacity import Feedback, SenderLimit

DELAY_BAD_US = 30_000
LOSS_BAD_RATIO = 0.02
LOSS_BAD_PACKETS = 3
"""At low rates one lost packet is more than 2 % of an interval."""
_DELAY_SHORT_US = 10_000
_DELAY_NONE_US = 5_000
_DOUBLE, _CLIMB = 2.0, 1.25
_PRESS = 1.06
_OVERFLOW = 1.015
_BLIND = 0.5
_RELAX_MAX, _RELAX_MIN = 0.92, 0.5
_DRAIN_SECONDS = 0.5
_CALM_FEEDBACKS = 4
_YIELDS_MAX = 3
"""So often it steps back to what came through, at most with calm words between: then the loss since
the first step is the line's own at any rate."""
_LOSS_FLOOR_MAX = 0.3
_OFFERED_MIN_RATIO = 0.8
_RATES_KEPT = 3
_SETTLE_NS = 25_000_000
"""Half an interval of feedback: then most of what it tells of was sent at the present rate."""
_CAP_RATIO = 0.99


class _Phase(Enum):
    DOUBLE = auto()
    CLIMB = auto()
    PRESS = auto()
    RELAX = auto()


class Ladder:
    """The rate of one sender of load; times are on the sender's clock."""

    def __init__(self, start_bits_per_second: float, max_bits_per_second: float) -> None:
        self.bits_per_second = min(start_bits_per_second, max_bits_per_second)
        self._max = max_bits_per_second
        self._phase = _Phase.DOUBLE
        self._changed_ns = 0
        self._rates: deque[int] = deque(maxlen=_RATES_KEPT)
        self._calm = 0
        self._short = False
        self._resisted = 0.0
        self._yields = self._lost = self._due = 0
        self._loss_floor = 0.0

    @property
    def limit(self) -> SenderLimit:
        """What keeps the rate from growing now."""
        if self._short:
            return SenderLimit.SENDER
        if self._phase in {_Phase.PRESS, _Phase.RELAX}:
            return SenderLimit.LINE
        if self.bits_per_second >= self._max * _CAP_RATIO:
            return SenderLimit.CAP
        is_near = self.bits_per_second < self._resisted * _DOUBLE
        return SenderLimit.LINE if is_near else SenderLimit.SENDER

    def take(self, feedback: Feedback, offered_bits_per_second: float, now_ns: int) -> None:
        """Choose the next rate; ``offered`` is what was really sent since the last feedback."""
        if not feedback.received:
            return
        lossy = self._is_lossy(feedback)
        if feedback.received_bits_per_second and (
            lossy or feedback.queue_delay_us > _DELAY_NONE_US
        ):
            self._rates.append(feedback.received_bits_per_second)
        is_bad = lossy or feedback.queue_delay_us > DELAY_BAD_US
        is_present = feedback.newest_sent_ns >= self._changed_ns + _SETTLE_NS
        is_climbing = self._phase in {_Phase.DOUBLE, _Phase.CLIMB}
        if self._phase is _Phase.RELAX:
            self._relax(feedback, now_ns)
        elif is_bad and (is_climbing or is_present):
            self._back_off(feedback, now_ns)
        elif is_present and is_climbing:
            self._climb(feedback, offered_bits_per_second, now_ns)
        elif is_present:
            self._press(feedback, lossy=lossy, now_ns=now_ns)

    def _climb(self, feedback: Feedback, offered: float, now_ns: int) -> None:
        self._short = offered < self.bits_per_second * _OFFERED_MIN_RATIO
        if feedback.queue_delay_us <= _DELAY_SHORT_US and not self._short:
            factor = _DOUBLE if self._phase is _Phase.DOUBLE else _CLIMB
            self._set(self.bits_per_second * factor, now_ns)

    def _back_off(self, feedback: Feedback, now_ns: int) -> None:
        self._short = False
        self._calm = 0
        self._resisted = self._line_rate()
        if feedback.queue_delay_us > DELAY_BAD_US:
            self._phase = _Phase.RELAX
            self._yields = 0
            self._relax(feedback, now_ns)
        else:
            self._yield_to_loss(feedback, now_ns)

    def _yield_to_loss(self, feedback: Feedback, now_ns: int) -> None:
        """Go back to what came through; loss that stays at any rate is no answer to the rate."""
        if self._phase is not _Phase.PRESS:
            self._yields = self._lost = self._due = 0
        else:
            self._note_loss(feedback)
        self._yields += 1
        if self._yields < _YIELDS_MAX:
            self._phase = _Phase.PRESS
            latest = feedback.received_bits_per_second or self._line_rate()
            self._set(latest * _OVERFLOW / (1 - self._loss_floor), now_ns)
        else:
            self._loss_floor = min(max(self._loss_floor, self._lost / self._due), _LOSS_FLOOR_MAX)
            self._phase = _Phase.DOUBLE
            self._set(self.bits_per_second * _DOUBLE, now_ns)

    def _note_loss(self, feedback: Feedback) -> None:
        self._lost += feedback.lost
        self._due += feedback.received + feedback.lost

    def _relax(self, feedback: Feedback, now_ns: int) -> None:
        if feedback.queue_delay_us < _DELAY_SHORT_US:
            self._phase = _Phase.PRESS
            self._calm = 0
            self._set(self._line_rate() * _PRESS, now_ns)
        else:
            share = 1 - feedback.queue_delay_us / 1e6 / _DRAIN_SECONDS
            self._set(self._line_rate() * min(max(share, _RELAX_MIN), _RELAX_MAX), now_ns)

    def _press(self, feedback: Feedback, *, lossy: bool, now_ns: int) -> None:
        self._note_loss(feedback)
        is_calm = feedback.queue_delay_us < _DELAY_NONE_US and not lossy
        self._calm = self._calm + 1 if is_calm else 0
        if self._calm >= _CALM_FEEDBACKS:
            self._phase = _Phase.CLIMB
            self._set(self.bits_per_second * _CLIMB, now_ns)

    def _line_rate(self) -> float:
        """Return what has to be sent to fill the line."""
        if not self._rates:
            return self.bits_per_second * _BLIND
        return statistics.median(self._rates) / (1 - self._loss_floor)

    def _set(self, bits_per_second: float, now_ns: int) -> None:
        self.bits_per_second = min(bits_per_second, self._max)
        self._changed_ns = now_ns

    def _is_lossy(self, feedback: Feedback) -> bool:
        """Tell whether more was lost than 2 % above the floor and two deviations of chance."""
        due = feedback.received + feedback.lost
        usual = (LOSS_BAD_RATIO + self._loss_floor) * due
        return feedback.lost >= LOSS_BAD_PACKETS and feedback.lost > usual + 2 * math.sqrt(usual)
