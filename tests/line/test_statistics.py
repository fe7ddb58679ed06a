"""Figures of a step against sequences worked out by hand, and properties (SPEC 4.1)."""

import math
from collections.abc import Sequence
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diemcau_line.statistics import (
    jitter,
    loss_bursts,
    loss_interval,
    queue_delays,
    reorder_ratio,
    skew,
    traffic_statistics,
    worst_window,
)
from diemcau_line.tally import SentCount
from diemcau_line.traffic import Planned

MS = 1_000_000


def plan(count: int = 100, period_ms: int = 10, per_frame: int = 5) -> list[Planned]:
    """Return a video packet every 10 ms, five to a frame, 1000 octets each at the IP layer."""
    return [
        (number * period_ms * MS, 960, 34, number // per_frame, number % per_frame, per_frame)
        for number in range(count)
    ]


def rows(
    order: Sequence[int], delay_ms: dict[int, int] | None = None, clock_apart_ns: int = 10**15
) -> list[int]:
    """Arrivals of plan() in ``order``, 5 ms on the way unless ``delay_ms`` says otherwise."""
    times = ((n, n * 10 * MS, n * 10 * MS + (delay_ms or {}).get(n, 5) * MS) for n in order)
    return list(chain.from_iterable((n, s, r + clock_apart_ns) for n, s, r in times))


def test_a_clean_step() -> None:
    """Everything arrives: no loss, no queue, rates at the IP layer."""
    said = traffic_statistics(plan(), rows(range(100)), SentCount(0, 100, 0), 1.0)

    assert (said.packets_sent, said.packets_received, said.duplicates) == (100, 100, 0)
    assert (said.loss_ratio, said.loss_ratio_low, said.bursts) == (0.0, 0.0, None)
    assert said.queue_delay_seconds is not None
    assert said.queue_delay_seconds.max == 0.0
    assert said.offered_bits_per_second == said.carried_bits_per_second == 100 * 1000 * 8
    assert [one.sent for one in said.bins] == [10] * 10
    assert (said.late_frame_ratio, said.reorder_ratio, said.jitter_seconds) == (0.0, 0.0, 0.0)


def test_losses_copies_and_late_frames_are_counted() -> None:
    """Packets 10, 11, 50 lost, 20 twice, 90 late by 120 ms: three of twenty frames are bad."""
    order = [n for n in range(100) if n not in {10, 11, 50, 90}] + [20, 90]
    said = traffic_statistics(plan(), rows(order, {90: 125}), SentCount(0, 100, 0), 1.0)

    assert (said.packets_sent, said.packets_received, said.duplicates) == (100, 97, 1)
    assert said.loss_ratio == pytest.approx(0.03)
    assert said.loss_ratio_worst_200ms == pytest.approx(2 / 20)
    assert said.bursts is not None
    assert (said.bursts.count, said.bursts.length_max, said.bursts.length_mean) == (2, 2, 1.5)
    assert said.bursts.spacing_mean_seconds == pytest.approx(0.4)
    assert said.late_frame_ratio == pytest.approx(3 / 20)
    assert said.reorder_ratio == pytest.approx(1 / 97)
    assert said.bins[1].received == 8
    assert said.bins[9].queue_delay_max_seconds == pytest.approx(0.12)


def test_silence_is_total_loss() -> None:
    """Nothing came, not even the sender's count: the plan says what was due."""
    said = traffic_statistics(plan(), [], None, 1.0)

    assert (said.packets_sent, said.packets_received, said.loss_ratio) == (100, 0, 1.0)
    assert (said.loss_ratio_worst_200ms, said.late_frame_ratio) == (1.0, 1.0)
    assert (said.queue_delay_seconds, said.jitter_seconds) == (None, None)
    assert said.loss_ratio_high == 1.0


def test_what_was_never_sent_is_not_lost() -> None:
    """A sender that began late, stopped early and failed twice is not the line's fault."""
    order = [n for n in range(10, 80) if n not in {30, 31}]
    said = traffic_statistics(plan(), rows(order), SentCount(10, 80, 2), 1.0)

    assert (said.packets_sent, said.packets_received, said.loss_ratio) == (68, 68, 0.0)


def test_an_empty_plan_gives_no_nan() -> None:
    """A step of nothing has no loss and no division by zero."""
    said = traffic_statistics([], [], None, 1.0)

    assert (said.packets_sent, said.loss_ratio, said.late_frame_ratio) == (0, 0.0, None)


@given(st.lists(st.integers(0, 99), max_size=200), st.integers(-(10**15), 10**15))
def test_counts_agree_whatever_arrives(order: list[int], apart: int) -> None:
    """Received and lost make the sent, ratios stay in 0..1, the clocks' distance is nothing."""
    said = traffic_statistics(plan(), rows(order, None, apart), None, 1.0)
    here = traffic_statistics(plan(), rows(order), None, 1.0)

    assert said == here
    assert said.packets_received == len(set(order))
    assert said.packets_received + said.duplicates == len(order)
    assert sum(one.sent for one in said.bins) == 100
    assert sum(one.received for one in said.bins) == said.packets_received
    assert 0 <= said.loss_ratio_low <= said.loss_ratio <= said.loss_ratio_high <= 1
    assert said.loss_ratio <= said.loss_ratio_worst_200ms + 1e-9


def test_jitter_follows_rfc_3550() -> None:
    """The running J of section 6.4.1, worked out by hand; its mean is reported."""
    transits = [0, 16_000_000, 0]
    first = 16 / 16
    second = first + (16 - first) / 16

    assert jitter(transits) == pytest.approx((first + second) / 2 / 1000)
    assert jitter([5]) is None


@given(st.lists(st.integers(0, 10**8), min_size=2, max_size=50), st.integers(0, 10**18))
def test_jitter_does_not_know_the_clocks(transits: list[int], apart: int) -> None:
    """A common offset cancels."""
    assert jitter([one + apart for one in transits]) == jitter(transits)


def test_reordering_follows_rfc_4737() -> None:
    """Section 3.3: a packet is reordered when a later one came before it."""
    assert reorder_ratio([0, 1, 3, 2, 4]) == pytest.approx(1 / 5)
    assert reorder_ratio([4, 0, 1, 2, 3]) == pytest.approx(4 / 5)
    assert reorder_ratio([]) == 0.0


@pytest.mark.parametrize("ppm", [-400, -50, 0, 50, 400])
def test_a_clock_that_drifts_shows_no_queue(ppm: int) -> None:
    """The lower convex hull finds the drift under noise of up to 20 ms."""
    noise = [0 if n % 7 == 0 else (n * 7919 % 20) * MS for n in range(1500)]
    times = [(n * 10 * MS, n * 10 * MS + 10**12 + n * 10 * ppm + noise[n]) for n in range(1500)]
    points = [(sent, received - sent) for sent, received in times]
    delays = queue_delays(times)

    assert skew(points) * 1e6 == pytest.approx(ppm, abs=2)
    assert max(abs(d - n / 1e9) for d, n in zip(delays, noise, strict=True)) < 30e-6


def test_a_growing_queue_is_not_taken_for_drift() -> None:
    """7 ms a second is no crystal: the queue must show."""
    times = [(n * 10 * MS, n * 10 * MS + n * 70_000) for n in range(1500)]

    assert queue_delays(times)[-1] == pytest.approx(0.105, rel=0.01)


def test_windows_slide() -> None:
    """The worst window is found wherever it lies; a short step is one window."""
    times = [n * 10 * MS for n in range(200)]
    lost = [95 <= n < 105 for n in range(200)]

    assert worst_window(lost, times, 200 * MS) == pytest.approx(0.5)
    assert worst_window(lost, times, 15_000 * MS) == pytest.approx(0.05)
    assert worst_window([], [], 200 * MS) == 0.0


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_a_window_is_never_better_than_the_whole(lost: list[bool]) -> None:
    """Windows cover the step, so the worst is at least about the mean of them."""
    times = [n * 10 * MS for n in range(len(lost))]
    worst = worst_window(lost, times, 200 * MS)

    assert 0 <= worst <= 1
    assert (worst > 0) == any(lost)


def test_the_interval_is_wilsons_when_losses_are_alone() -> None:
    """5 of 500, one a block: Wilson's score interval (Wilson 1927), 0.0043 to 0.0232."""
    times = [n * 10 * MS for n in range(500)]
    low, high = loss_interval([n % 100 == 50 for n in range(500)], times)

    assert low == pytest.approx(0.0043, abs=2e-4)
    assert high == pytest.approx(0.0232, abs=4e-4)


def test_bursts_make_the_interval_wider() -> None:
    """The same share of loss in one run says less."""
    times = [n * 10 * MS for n in range(500)]
    spread = loss_interval([n % 50 == 0 for n in range(500)], times)
    together = loss_interval([n < 10 for n in range(500)], times)

    assert together[1] - together[0] > 1.5 * (spread[1] - spread[0])


@given(st.lists(st.booleans(), max_size=300))
def test_bursts_hold_every_loss(lost: list[bool]) -> None:
    """Number times mean length is the number of losses."""
    bursts = loss_bursts(lost, [n * 10 * MS for n in range(len(lost))])

    assert (bursts is None) == (not any(lost))
    if bursts is not None:
        assert math.isclose(bursts.count * bursts.length_mean, sum(lost))
        assert bursts.length_max <= sum(lost)
