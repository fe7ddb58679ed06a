"""How the sender of load finds the line's rate: a pure rule from feedback to rate (SPEC 5.8).

It doubles until the line says no, then stays beside the line's rate: *pressing* a little above it
until the queue is long, *relaxing* below it until the queue is short. So the queue neither runs
empty, which would hide the rate, nor grows. A line without a queue worth the name answers by loss
alone: there a small steady excess keeps it full. Where pressing meets no resistance the line is
faster than believed, and it climbs again.

Some lines lose at any rate. What is lost while nothing waits and nothing is tried is such a line's
*floor*: only loss clearly above it is an answer to the rate.
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
_LOSS_FLOOR_MAX = 0.3
_FLOOR_DOUBT, _FLOOR_DOUBT_DUE = 0.025, 20
"""Before anything came the floor may be half a packet of twenty, give or take."""
_DEVIATIONS = 3.0
"""Some sixty words a step: two deviations would see an answer in chance once in each."""
_PLATEAU_RATIO = 0.1
"""Two answers by loss that let through the same within this are a line's; one may be chance."""
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


class _LossFloor:
    """The share that a line loses at any rate, as far as it is known."""

    def __init__(self) -> None:
        self._lost = self._due = 0

    @property
    def ratio(self) -> float:
        """The floor; bounded, for beyond it nothing could be told from a full line."""
        return min(self._lost / self._due, _LOSS_FLOOR_MAX) if self._due else 0.0

    def note(self, feedback: Feedback) -> None:
        """Take losses that no rate explains."""
        self._lost += feedback.lost
        self._due += feedback.received + feedback.lost

    def is_exceeded(self, feedback: Feedback) -> bool:
        """Tell whether more was lost than 2 % above the floor and three deviations of chance.

        The chance is that of these packets and that of the floor's own.
        """
        due = feedback.received + feedback.lost
        if feedback.lost < LOSS_BAD_PACKETS:
            return False
        usual = LOSS_BAD_RATIO + self.ratio
        chance = usual / due + (self.ratio + _FLOOR_DOUBT) / (self._due + _FLOOR_DOUBT_DUE)
        return feedback.lost / due > usual + _DEVIATIONS * math.sqrt(chance)


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
        self._floor = _LossFloor()
        self._answered = SenderLimit.TIME
        self._let_through = 0.0

    @property
    def limit(self) -> SenderLimit:
        """What keeps the rate from growing now."""
        if self._short:
            return SenderLimit.SENDER
        if self._phase in {_Phase.PRESS, _Phase.RELAX}:
            return self._answered
        if self.bits_per_second >= self._max * _CAP_RATIO:
            return SenderLimit.CAP
        is_near = self.bits_per_second < self._resisted * _DOUBLE
        return self._answered if is_near else SenderLimit.TIME

    def take(self, feedback: Feedback, offered_bits_per_second: float, now_ns: int) -> None:
        """Choose the next rate; ``offered`` is what was really sent since the last feedback."""
        if not feedback.received:
            return
        lossy = self._floor.is_exceeded(feedback)
        if feedback.received_bits_per_second and (
            lossy or feedback.queue_delay_us > _DELAY_NONE_US
        ):
            self._rates.append(feedback.received_bits_per_second)
        is_present = feedback.newest_sent_ns >= self._changed_ns + _SETTLE_NS
        is_climbing = self._phase in {_Phase.DOUBLE, _Phase.CLIMB}
        is_long = feedback.queue_delay_us > DELAY_BAD_US
        if self._phase is _Phase.RELAX:
            self._relax(feedback, now_ns)
        elif (is_present and (lossy or is_long)) or (is_climbing and is_long):
            self._back_off(feedback, now_ns)
        elif is_present and is_climbing:
            self._climb(feedback, offered_bits_per_second, now_ns)
        elif is_present:
            self._press(feedback, now_ns)

    def _climb(self, feedback: Feedback, offered: float, now_ns: int) -> None:
        self._note_floor(feedback)
        self._short = offered < self.bits_per_second * _OFFERED_MIN_RATIO
        if feedback.queue_delay_us > _DELAY_SHORT_US or self._short:
            return
        factor = _DOUBLE if self._phase is _Phase.DOUBLE else _CLIMB
        self._phase = _Phase.DOUBLE
        self._set(self.bits_per_second * factor, now_ns)

    def _back_off(self, feedback: Feedback, now_ns: int) -> None:
        self._short = False
        self._calm = 0
        self._resisted = self._line_rate()
        if feedback.queue_delay_us > DELAY_BAD_US:
            self._answered = SenderLimit.LINE
            self._phase = _Phase.RELAX
            self._relax(feedback, now_ns)
        else:
            self._yield_to_loss(feedback, now_ns)

    def _yield_to_loss(self, feedback: Feedback, now_ns: int) -> None:
        """Go back to what came through; what is lost there too is no answer to the rate."""
        through = feedback.received_bits_per_second or self._line_rate()
        is_same = abs(through - self._let_through) <= _PLATEAU_RATIO * through
        if feedback.queue_delay_us > _DELAY_NONE_US:
            self._answered = SenderLimit.LINE
        elif self._phase is _Phase.PRESS:
            self._note_floor(feedback)
        else:
            self._answered = SenderLimit.LINE if is_same else SenderLimit.LOSS
        self._let_through = through
        self._phase = _Phase.PRESS
        self._set(through * _OVERFLOW / (1 - self._floor.ratio), now_ns)

    def _note_floor(self, feedback: Feedback) -> None:
        if feedback.queue_delay_us < _DELAY_NONE_US:
            self._floor.note(feedback)

    def _relax(self, feedback: Feedback, now_ns: int) -> None:
        if feedback.queue_delay_us < _DELAY_SHORT_US:
            self._phase = _Phase.PRESS
            self._calm = 0
            self._set(self._line_rate() * _PRESS, now_ns)
        else:
            share = 1 - feedback.queue_delay_us / 1e6 / _DRAIN_SECONDS
            self._set(self._line_rate() * min(max(share, _RELAX_MIN), _RELAX_MAX), now_ns)

    def _press(self, feedback: Feedback, now_ns: int) -> None:
        self._note_floor(feedback)
        self._calm = self._calm + 1 if feedback.queue_delay_us < _DELAY_NONE_US else 0
        if self._calm >= _CALM_FEEDBACKS:
            self._phase = _Phase.CLIMB
            self._set(self.bits_per_second * _CLIMB, now_ns)

    def _line_rate(self) -> float:
        """Return what has to be sent to fill the line."""
        if not self._rates:
            return self.bits_per_second * _BLIND
        return statistics.median(self._rates) / (1 - self._floor.ratio)

    def _set(self, bits_per_second: float, now_ns: int) -> None:
        self.bits_per_second = min(bits_per_second, self._max)
        self._changed_ns = now_ns
