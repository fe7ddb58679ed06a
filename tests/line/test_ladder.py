"""The ladder and the counting of arrivals against a simulated drop-tail line."""

import random
from collections import deque
from dataclasses import dataclass

import pytest

from diemcau_contract.packets.capacity import Feedback, SenderLimit
from diemcau_line.arrivals import Arrivals, Best, best_rate
from diemcau_line.ladder import Ladder

PACKET_BYTES = 1200
MS = 1_000_000
SECOND = 1_000_000_000
START_NS = 10 * SECOND


@dataclass
class Line:
    """A drop-tail queue in front of a rate, half of ``rtt_seconds`` behind it each way."""

    bits_per_second: float
    rtt_seconds: float = 0.0
    queue_seconds: float = 0.1
    loss_ratio: float = 0.0
    bucket_bytes: float = 0.0
    free_ns: float = 0.0

    def carry(self, now_ns: float, chance: random.Random) -> int | None:
        """Return when a packet sent now arrives, None when it is lost."""
        once = PACKET_BYTES * 8 * SECOND / self.bits_per_second
        tokens = self.bucket_bytes * 8 * SECOND / self.bits_per_second
        start = max(now_ns - tokens, self.free_ns)
        if start - now_ns > max(self.queue_seconds * SECOND, once):
            return None
        self.free_ns = start + once
        if chance.random() < self.loss_ratio:
            return None
        return int(max(self.free_ns, now_ns) + self.rtt_seconds * SECOND / 2)


@dataclass
class Run:
    """What a simulated capacity step gave."""

    ladder: Ladder
    best: Best
    feedbacks: list[Feedback]
    sent: int


def simulate(
    line: Line, *, cap: float = 1e9, seconds: float = 3.5, sender: float = 1e12,
    start: float | None = None, seed: int = 5,
) -> Run:  # fmt: skip
    """Send in trains a millisecond apart, with feedback every 50 ms; ``sender`` can do no more."""
    chance = random.Random(seed)  # noqa: S311  # a simulated line
    ladder = Ladder(start or min(2e6, line.bits_per_second / 2), cap)
    arrivals = Arrivals(START_NS, seconds, 1.0)
    flying: deque[tuple[int, int, int]] = deque()
    words: deque[tuple[int, Feedback]] = deque()
    feedbacks: list[Feedback] = []
    credit, number, told = 0.0, 0, 0
    for now in range(START_NS, START_NS + int(seconds * SECOND), MS):
        while flying and flying[0][2] <= now:
            arrivals.take(*flying.popleft(), PACKET_BYTES)
        if (now - START_NS) % (50 * MS) == 0:
            word = arrivals.feedback(1, 1, now)
            feedbacks.append(word)
            words.append((now + int(line.rtt_seconds * SECOND / 2), word))
        while words and words[0][0] <= now:
            offered = (number - told) * PACKET_BYTES * 8 / 0.05
            told = number
            ladder.take(words.popleft()[1], offered, now)
        credit += min(ladder.bits_per_second, sender) / 8 / PACKET_BYTES / 1000
        while credit >= 1:
            credit -= 1
            arrived = line.carry(now, chance)
            if arrived is not None:
                flying.append((number, now, arrived))
            number += 1
    for one in flying:
        arrivals.take(*one, PACKET_BYTES)
    best = best_rate(arrivals.slots)
    assert best is not None
    return Run(ladder, best, feedbacks, number)


@pytest.mark.parametrize("queue_seconds", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("rtt_seconds", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("rate", [0.5e6, 4e6, 20e6, 200e6])
def test_the_rate_of_a_line_is_found(rate: float, rtt_seconds: float, queue_seconds: float) -> None:
    """Within 2 %, whatever rate, round trip and queue, and the line is said to be the limit."""
    run = simulate(Line(rate, rtt_seconds, queue_seconds))

    assert run.best.bits_per_second == pytest.approx(rate, rel=0.02)
    assert run.ladder.limit is SenderLimit.LINE


@pytest.mark.parametrize("rtt_seconds", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("rate", [0.5e6, 4e6, 20e6, 200e6])
def test_a_lossy_line_shows_what_it_lets_through(rate: float, rtt_seconds: float) -> None:
    """With 1 % random loss behind the queue the receiver gets 99 %."""
    run = simulate(Line(rate, rtt_seconds, loss_ratio=0.01))

    assert run.best.bits_per_second == pytest.approx(rate * 0.99, rel=0.02)


@pytest.mark.parametrize("loss_ratio", [0.03, 0.06, 0.1])
@pytest.mark.parametrize("rate", [4e6, 20e6, 100e6])
def test_loss_that_has_nothing_to_do_with_the_rate_is_told_apart(
    rate: float, loss_ratio: float
) -> None:
    """A line that loses more than 2 % at any rate is still measured; its best 400 ms lost less."""
    run = simulate(Line(rate, 0.02, loss_ratio=loss_ratio))

    assert run.best.bits_per_second == pytest.approx(rate * (1 - loss_ratio), rel=0.06)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss_ratio", [0.03, 0.06, 0.1])
@pytest.mark.parametrize("rtt_seconds", [0.05, 0.15, 0.3])
@pytest.mark.parametrize("rate", [4e6, 20e6, 100e6])
def test_random_loss_on_a_long_way_is_no_answer_to_the_rate(
    rate: float, rtt_seconds: float, loss_ratio: float, seed: int
) -> None:
    """The rate is found; where the time does not suffice for that it is a lower bound."""
    line = Line(rate, rtt_seconds, loss_ratio=loss_ratio)
    run = simulate(line, cap=250e6, start=1.1e6, seed=seed)
    is_said_of_the_line = run.best.queued or run.ladder.limit is SenderLimit.LINE

    assert run.best.bits_per_second <= rate * (1 - loss_ratio) * 1.07
    if rtt_seconds <= 0.15 or loss_ratio <= 0.06 or is_said_of_the_line:
        assert run.best.bits_per_second >= rate * (1 - loss_ratio) * 0.97


def test_loss_answers_for_the_line_only_where_it_comes_back_at_one_rate() -> None:
    """Once may be chance; a second time with the same let through is a rate, until it is passed."""
    ladder = Ladder(10e6, 1e9)

    def lose(sent: int, received: int, now: int) -> None:
        word = Feedback(1, 1, 1, received, sent - received, received * 192_000, 0, 0, now)
        ladder.take(word, ladder.bits_per_second, now)

    lose(52, 40, SECOND)
    first = ladder.limit
    for turn in range(2, 6):
        lose(40, 40, turn * SECOND)
    assert ladder.bits_per_second > 9e6  # pressing met no resistance: it climbs
    lose(60, 41, 6 * SECOND)

    second = ladder.limit
    for turn in range(7, 15):
        lose(40, 40, turn * SECOND)

    assert first is SenderLimit.LOSS
    assert second is SenderLimit.LINE
    assert ladder.bits_per_second > 20e6
    assert ladder.limit is SenderLimit.TIME


def test_a_ladder_that_is_still_climbing_at_the_end_says_so() -> None:
    """A fast line far away: half a second does not suffice."""
    run = simulate(Line(200e6, 0.15), cap=250e6, start=1.1e6, seconds=1.0)

    assert run.ladder.limit is SenderLimit.TIME


@pytest.mark.parametrize("rate", [4e6, 50e6])
def test_a_policer_without_a_queue_is_found(rate: float) -> None:
    """Where nothing waits loss alone tells the rate, and saved-up tokens do not deceive."""
    run = simulate(Line(rate, 0.02, queue_seconds=0.001, bucket_bytes=rate * 0.1 / 8))

    assert run.best.bits_per_second == pytest.approx(rate, rel=0.03)


def test_the_queue_is_kept_short() -> None:
    """Once the ramp's own queue has drained, that of a long buffer stays near 30 ms."""
    run = simulate(Line(20e6, 0.05, queue_seconds=2.0))
    later = sorted(word.queue_delay_us for word in run.feedbacks[35:])

    assert later[len(later) // 2] < 30_000
    assert later[-1] < 60_000


def test_a_cap_below_the_line_is_said() -> None:
    """The rate never goes above the cap, and the cap is named."""
    run = simulate(Line(100e6), cap=10e6)

    assert run.ladder.limit is SenderLimit.CAP
    assert run.best.bits_per_second == pytest.approx(10e6, rel=0.02)
    assert run.sent * PACKET_BYTES * 8 <= 10e6 * 3.5
    assert not run.best.full


def test_a_sender_that_cannot_offer_more_is_said() -> None:
    """What a slow PC sends is a lower bound and does not run up the ladder."""
    run = simulate(Line(100e6), sender=30e6)

    assert run.ladder.limit is SenderLimit.SENDER
    assert run.ladder.bits_per_second < 80e6
    assert run.best.bits_per_second == pytest.approx(30e6, rel=0.02)


def test_a_line_slower_than_the_start_is_found() -> None:
    """A start above the line is taken back."""
    run = simulate(Line(1e6, 0.05), start=10e6)

    assert run.best.bits_per_second == pytest.approx(1e6, rel=0.02)


def test_silence_changes_nothing() -> None:
    """Feedback that tells of no packet says nothing about the line."""
    ladder = Ladder(1e6, 1e9)
    ladder.take(Feedback(1, 1, 1, 0, 0, 0, 0, 0, 0), 1e6, SECOND)

    assert ladder.bits_per_second == 1e6


def test_one_lost_packet_of_a_few_is_no_bad_feedback() -> None:
    """Two of ten lost: still good; three: bad."""
    two, three = Ladder(1e6, 1e9), Ladder(1e6, 1e9)
    two.take(Feedback(1, 1, 1, 8, 2, 800_000, 0, 0, 2 * SECOND), 1e6, 2 * SECOND)
    three.take(Feedback(1, 1, 1, 7, 3, 700_000, 0, 0, 2 * SECOND), 1e6, 2 * SECOND)

    assert two.bits_per_second == 2e6
    assert three.bits_per_second == pytest.approx(0.7e6 * 1.015)


def test_arrivals_out_of_time_are_not_counted() -> None:
    """A forged or very late time finds no slot."""
    arrivals = Arrivals(START_NS, 1.0, 1.0)
    for received in (0, START_NS - SECOND, START_NS + 3 * SECOND, 1 << 62):
        arrivals.take(1, 0, received, PACKET_BYTES)

    assert arrivals.packets == 0
    assert best_rate(arrivals.slots) is None


def test_feedback_tells_of_its_own_interval() -> None:
    """Counts since the last word, rate between last arrivals, delay above the least so far."""
    arrivals = Arrivals(START_NS, 1.0, 1.0)
    arrivals.take(0, 0, START_NS + 1, PACKET_BYTES)
    first = arrivals.feedback(1, 2, START_NS + 50 * MS)
    for number, received in ((1, 60 * MS), (4, 81 * MS)):
        arrivals.take(number, 50 * MS, START_NS + received + 1, PACKET_BYTES)
    second = arrivals.feedback(1, 2, START_NS + 100 * MS + 1)

    assert (first.number, first.received, first.lost, first.queue_delay_us) == (1, 1, 0, 0)
    assert (second.number, second.received, second.lost) == (2, 2, 2)
    assert second.received_bits_per_second == 2 * PACKET_BYTES * 8 * SECOND // (81 * MS)
    assert (second.queue_delay_us, second.held_us) == (10_000, 19_000)
