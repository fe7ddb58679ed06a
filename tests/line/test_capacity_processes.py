"""The capacity step between two measuring processes over loopback."""

from collections.abc import Iterator

import pytest

from diemcau_contract.measurements import CapacityStatistics
from diemcau_contract.packets.control import ControlKind
from diemcau_contract.words import Direction
from diemcau_line import protocol
from diemcau_line.protocol import (
    Abort,
    Aborted,
    CapacityPlanned,
    CloseTest,
    Failed,
    HubCapacityResult,
    HubCounters,
    Opened,
    PointCapacity,
    PointCapacityResult,
    ReportCounters,
    RunCapacity,
)
from tests.line.ends import End, Hall, Relay, start_hall

CAP = 8_000_000
START = 1_000_000


@pytest.fixture
def hall() -> Iterator[Hall]:
    """A hub that waits for the points of test ``t``."""
    with End("hub") as hub:
        yield start_hall(hub, 2)


@pytest.fixture
def point() -> Iterator[End]:
    """A point's process."""
    with End("point") as end:
        yield end


def run_capacity(direction: Direction, *, seconds: float = 1.2, cap: int = CAP) -> RunCapacity:
    """Return the hub's command for flow 1."""
    return RunCapacity("t", 5, 1, direction, 0.3, seconds, START, cap)


def start(hall: Hall, point: End, order: RunCapacity) -> None:
    """Let both ends do one capacity step."""
    planned = hall.hub.ask(order, CapacityPlanned)
    point.send(
        PointCapacity(
            "t", planned.step, order.direction, planned.starts_at_hub_ns, planned.duration_seconds,
            order.start_bits_per_second, order.max_bits_per_second,
        )
    )  # fmt: skip


def results(hall: Hall, point: End) -> tuple[CapacityStatistics | None, CapacityStatistics | None]:
    """Return the hub's and the point's figures."""
    at_hub, at_point = hall.hub.wait(HubCapacityResult), point.wait(PointCapacityResult)
    assert at_hub.direction is at_point.direction
    return at_hub.statistics, at_point.statistics


@pytest.mark.parametrize("direction", list(Direction))
def test_a_fast_line_carries_the_cap(hall: Hall, point: End, direction: Direction) -> None:
    """Loopback is faster than the cap: the receiver says so and knows what was sent."""
    point.ask(hall.open_point(1), Opened)
    start(hall, point, run_capacity(direction))
    at_hub, at_point = results(hall, point)
    told, other = (at_hub, at_point) if direction is Direction.UP else (at_point, at_hub)

    assert other is None
    assert told is not None
    assert told.limited_by == "cap"
    assert told.packets_received == told.packets_sent > 400
    assert told.bytes_sent == told.packets_sent * 1200 <= CAP / 8 * 1.2 * 1.01
    assert told.bits_per_second == pytest.approx(CAP, rel=0.1)
    assert told.rtt_min_seconds is not None
    assert told.queue_delay_seconds is not None
    assert 0.6 < told.duration_seconds < 1.4


@pytest.mark.parametrize("direction", list(Direction))
def test_without_feedback_the_load_ends(hall: Hall, point: End, direction: Direction) -> None:
    """A sender that hears nothing for half a second stops for good, at its first rate."""

    def is_feedback(octets: bytes, _up: bool) -> bool:  # noqa: FBT001  # a direction
        return octets[0] >> 6 == 3 and octets[5] == ControlKind.FEEDBACK

    with Relay(hall.port, is_feedback) as relay:
        point.ask(hall.open_point(1, relay.port), Opened)
        start(hall, point, run_capacity(direction, seconds=2.0))
        at_hub, at_point = results(hall, point)
    told = at_hub or at_point

    assert told is not None
    assert 0 < told.bytes_sent <= START / 8 * 0.6
    assert 0 < told.duration_seconds < 1.0
    assert told.rtt_min_seconds is None


def test_a_lossy_line_is_told_as_such(hall: Hall, point: End) -> None:
    """Every tenth load packet dropped is counted by the receiver."""
    seen = 0

    def drop(octets: bytes, _up: bool) -> bool:  # noqa: FBT001  # a direction
        nonlocal seen
        if octets[0] >> 6 != 2:
            return False
        seen += 1
        return seen % 10 == 0

    with Relay(hall.port, drop) as relay:
        point.ask(hall.open_point(1, relay.port), Opened)
        start(hall, point, run_capacity(Direction.DOWN))
        _, told = results(hall, point)

    assert told is not None
    assert told.packets_sent == seen
    assert told.loss_ratio == pytest.approx(0.1, abs=0.02)


def test_the_tickets_octets_are_the_end_of_the_load(hall: Hall, point: End) -> None:
    """The hub neither sends nor counts above the ticket's ``max_bytes``."""
    order = hall.open_point(1, ticket=hall.ticket(1, max_bytes=200_000))
    point.ask(order, Opened)
    start(hall, point, run_capacity(Direction.DOWN))
    _, down = results(hall, point)
    start(hall, point, run_capacity(Direction.UP))
    up, _ = results(hall, point)
    counters = hall.hub.ask(ReportCounters(), HubCounters)

    assert down is not None
    assert up is not None
    assert down.bytes_sent <= 200_000
    assert (down.packets_received + up.packets_received) * 1200 <= 200_000
    assert counters.rejected["over_budget"] > 0


def test_what_may_not_be_measured_is_refused(hall: Hall, point: End) -> None:
    """Not open, above the ticket's rate or the hub's own, twice at once, of another test."""
    closed = hall.hub.ask(run_capacity(Direction.UP), Failed)
    point.ask(hall.open_point(1), Opened)
    over = hall.hub.ask(run_capacity(Direction.UP, cap=20_000_001), Failed)
    hall.hub.ask(run_capacity(Direction.UP), CapacityPlanned)
    twice = hall.hub.ask(run_capacity(Direction.DOWN), Failed)
    hall.hub.ask(CloseTest("t"), protocol.TestClosed)
    gone = hall.hub.ask(run_capacity(Direction.UP), Failed)

    reasons = [one.reason for one in (closed, over, twice, gone)]
    assert reasons == ["unknown_flow", "over_limit", "over_limit", "unknown_test"]
    assert over.detail == "flow 1: 20000001 bit/s, its ticket allows 20000000"


def test_abort_at_the_hub_ends_the_load(hall: Hall, point: End) -> None:
    """STOP reaches a point that sends load; no result follows."""
    point.ask(hall.open_point(1), Opened)
    start(hall, point, run_capacity(Direction.UP, seconds=4.0))
    hall.hub.send(Abort("t"))

    assert hall.hub.wait(Aborted).test == "t"
    assert point.wait(Aborted).test == "t"


def test_abort_at_the_point_ends_the_hubs_load(hall: Hall, point: End) -> None:
    """The hub sends nothing more, and its own part still ends by a result."""
    point.ask(hall.open_point(1), Opened)
    start(hall, point, run_capacity(Direction.DOWN, seconds=1.0))
    point.ask(Abort("t"), Aborted)

    assert hall.hub.wait(HubCapacityResult).statistics is None
    counters = hall.hub.ask(ReportCounters(), HubCounters)
    assert counters.rejected == {}


def test_a_point_that_left_has_no_capacity(hall: Hall, point: End) -> None:
    """What it did not send says nothing about its line."""
    point.ask(hall.open_point(1), Opened)
    start(hall, point, run_capacity(Direction.UP, seconds=0.5))
    point.ask(Abort("t"), Aborted)

    assert hall.hub.wait(HubCapacityResult).statistics is None


def test_load_of_no_step_is_dropped(hall: Hall, point: End) -> None:
    """A point that sends load which the hub has not planned is counted and gets no word."""
    point.ask(hall.open_point(1), Opened)
    planned = hall.hub.ask(run_capacity(Direction.DOWN), CapacityPlanned)
    point.send(PointCapacity("t", 6, Direction.UP, planned.starts_at_hub_ns, 1.0, START, CAP))
    assert point.wait(PointCapacityResult).statistics is None

    counters = hall.hub.ask(ReportCounters(), HubCounters)
    assert 0 < counters.rejected["unknown_flow"] * 1200 <= START / 8 * 0.6
