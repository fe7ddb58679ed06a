"""The order of capacity turns, and what counts of them, on lines that the tests lay."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import BaseModel

from diemcau_contract.measurements import CapacityStatistics
from diemcau_contract.messages import PlannedCapacity
from diemcau_contract.messages import TestCapacity as CapacityCommand
from diemcau_contract.profiles import Profile
from diemcau_contract.words import Direction
from diemcau_server.capacity import DirectionCapacity, HubRates, LineCapacity
from diemcau_server.coordinator.capacity import CapacityTask, CapacityTurns, Channel, figure
from diemcau_server.coordinator.limits import TimeLimits
from diemcau_server.coordinator.point import PointPhase, PointRun

if TYPE_CHECKING:
    from diemcau_server.measuring import CapacityOrder, MeasuringEnd

POINTS = ("a", "b", "c")
PLAN = {"audio_bits_per_second": 64_000, "video_bits_per_second": 960_000, "frames_per_second": 30}
PROFILE = Profile.model_validate({"id": "p", "name": "P", "up": PLAN, "down": PLAN})
WAYS = (Direction.UP, Direction.DOWN)
WIDE: HubRates = dict.fromkeys(Direction, 100e6)
CAP = 250e6


def known(mega: float) -> dict[str, LineCapacity]:
    """Return lines of which an earlier test found ``mega``."""
    way = DirectionCapacity(mega * 1e6, "line")
    return {name: LineCapacity(datetime(2026, 3, 1, tzinfo=UTC), way, way) for name in POINTS}


class Lines:
    """Lines behind one hub; whoever measures at the same time shares the hub's line."""

    def __init__(self, task: CapacityTask, rates: Mapping[str, float], hub: float = 1e12) -> None:
        self.task = task
        self.rates = rates
        self.hub = hub
        self.turns: list[tuple[Direction, tuple[str, ...]]] = []
        self.caps: list[float] = []
        self.done: list[str] = []
        self.points = [PointRun(name, name) for name in POINTS]
        for one in self.points:
            one.join()
        self._orders: dict[str, CapacityOrder] = {}

    async def plan_capacity(self, test: str, order: "CapacityOrder") -> PlannedCapacity:
        """Plan as the measuring end does."""
        assert test == "t"
        self._orders[order.point] = order
        most = min(CAP, order.max_bits_per_second or CAP)
        self.caps.append(most)
        return PlannedCapacity(
            step=order.step, direction=order.direction, starts_at_hub_ns=0, duration_seconds=3.5,
            start_bits_per_second=round(order.start_bits_per_second),
            max_bits_per_second=round(most),
        )  # fmt: skip

    async def send(self, commands: Mapping[str, BaseModel]) -> None:
        """Measure those who are asked, in no time."""
        way = Direction.UP
        for name, command in commands.items():
            assert isinstance(command, CapacityCommand)
            way, most = command.planned.direction, command.planned.max_bits_per_second
            line = min(self.rates[name], self.hub / len(commands))
            point = next(one for one in self.points if one.point == name)
            if self.rates[name]:
                point.capacity[way] = CapacityStatistics(
                    min(line, most), "cap" if line > most else "line", 3.5, 9, 9, 9, 0.0,
                    None, None, None,
                )  # fmt: skip
        self.turns.append((way, tuple(commands)))

    async def until(self, done: Callable[[], bool], deadline: float) -> None:
        """Wait for nothing: what there is has come."""
        del done, deadline

    async def measured(self, one: PointRun) -> None:
        """Note who is done."""
        self.done.append(one.point)

    async def run(self, seconds: float = 300.0) -> dict[str, Sequence[tuple[float, str] | None]]:
        """Measure all; return each point's figures up and down in Mbit/s."""
        channel = Channel(self.send, self.until, self.measured)
        turns = CapacityTurns(
            "t", PROFILE, self.task, cast("MeasuringEnd", self), TimeLimits(), channel
        )
        await turns.run(self.points, asyncio.get_running_loop().time() + seconds)
        found = {one.point: [figure(one, way) for way in WAYS] for one in self.points}
        return {
            name: [(one.bits_per_second / 1e6, one.limited_by) if one else None for one in both]
            for name, both in found.items()
        }


async def test_without_knowledge_points_go_one_by_one() -> None:
    """One direction after the other, each point to its end, up to the file's limit."""
    lines = Lines(CapacityTask(), dict.fromkeys(POINTS, 8e6))
    found = await lines.run()

    assert lines.turns == [(way, (name,)) for name in POINTS for way in WAYS]
    assert set(lines.caps) == {CAP}
    assert set(map(tuple, found.values())) == {((8.0, "line"), (8.0, "line"))}
    assert lines.done == list(POINTS)


async def test_known_lines_go_together_within_the_hubs_room() -> None:
    """Three of 8 Mbit/s have 16 each, which fits; the figures are their own."""
    lines = Lines(CapacityTask(known(8), WIDE, WIDE), dict.fromkeys(POINTS, 8.1e6), 100e6)
    found = await lines.run()

    assert lines.turns == [(way, POINTS) for way in WAYS]
    assert sum(lines.caps[:3]) == pytest.approx(48e6)
    assert set(map(tuple, found.values())) == {((8.1, "line"), (8.1, "line"))}


async def test_a_shared_bottleneck_is_no_points_own_capacity() -> None:
    """The file says 100, the hub's line carries 20: who got less than known goes again alone."""
    lines = Lines(CapacityTask(known(8), WIDE, WIDE), dict.fromkeys(POINTS, 8e6), 20e6)
    found = await lines.run()

    assert lines.turns[:4] == [(Direction.UP, POINTS), *[(Direction.UP, (one,)) for one in POINTS]]
    assert set(map(tuple, found.values())) == {((8.0, "line"), (8.0, "line"))}
    # Every turn counts for the load, 9 bytes each here.
    assert [one.capacity_bytes for one in lines.points] == [dict.fromkeys(WAYS, 18)] * 3
    assert [one.capacity_seconds for one in lines.points] == [4 * 3.5] * 3


async def test_without_time_for_a_second_turn_it_is_a_lower_bound() -> None:
    """Better a bound than a wrong capacity."""
    lines = Lines(CapacityTask(known(8), WIDE, WIDE), dict.fromkeys(POINTS, 8e6), 20e6)
    found = await lines.run(seconds=5.0)

    assert lines.turns == [(way, POINTS) for way in WAYS]
    for both in found.values():
        for one in both:
            assert one is not None
            assert one[0] == pytest.approx(20 / 3)
            assert one[1] == "hub"


async def test_a_line_that_has_become_faster_is_measured_again_alone() -> None:
    """Beside others its load is bounded: that is no capacity."""
    rates = {"a": 8e6, "b": 50e6, "c": 8e6}
    lines = Lines(CapacityTask(known(8), WIDE, WIDE), rates)
    found = await lines.run()

    assert found["b"] == [(50.0, "line"), (50.0, "line")]
    assert lines.turns == [(way, who) for way in WAYS for who in (POINTS, ("b",))]


async def test_who_fills_the_hubs_line_alone_has_a_lower_bound() -> None:
    """95 of the 100 Mbit/s that the hub's line has: the own line may carry more."""
    rates = {"a": 95e6, "b": 94e6, "c": 8e6}
    found = await Lines(CapacityTask({}, WIDE, WIDE), rates).run()

    assert found["a"] == [(95.0, "hub"), (95.0, "hub")]
    assert found["b"] == [(94.0, "line"), (94.0, "line")]


async def test_a_point_that_left_is_not_asked_and_one_that_is_silent_has_no_figure() -> None:
    """Neither keeps the others from theirs."""
    lines = Lines(CapacityTask(known(8), WIDE, WIDE), {"a": 8e6, "b": 0.0, "c": 8e6})
    lines.points[2].phase = PointPhase.FAILED
    found = await lines.run()

    assert lines.turns == [(way, ("a", "b")) for way in WAYS]
    assert found == {"a": [(8.0, "line")] * 2, "b": [None, None], "c": [None, None]}
