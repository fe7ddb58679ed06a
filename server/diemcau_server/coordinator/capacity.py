"""The capacity part of a test: batches of points, one direction after the other (SPEC 3.5)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from pydantic import BaseModel

from diemcau_contract.messages import TestCapacity
from diemcau_contract.profiles import Profile
from diemcau_contract.words import Direction
from diemcau_server.capacity import (
    CONFIRMED_RATIO,
    DirectionCapacity,
    HubRates,
    LineCapacity,
    batches,
    is_confirmed,
    share_of,
)
from diemcau_server.coordinator.errors import measuring_unavailable
from diemcau_server.coordinator.limits import TimeLimits
from diemcau_server.coordinator.point import PointRun
from diemcau_server.flows import CAPACITY_SECONDS, planned_bits_per_second
from diemcau_server.measuring import LEAD_SECONDS, CapacityOrder, MeasuringEnd
from diemcau_server.measuring_process import MeasuringError

FIRST_STEP = 1000
"""Capacity steps are numbered apart from those of the plan."""
_TURN_SECONDS = LEAD_SECONDS + CAPACITY_SECONDS + 1.5
"""One direction with the way of its result."""


@dataclass(frozen=True, slots=True)
class CapacityTask:
    """What is known before the first figure."""

    known: Mapping[str, LineCapacity] = field(default_factory=dict)
    """What earlier tests found, by point."""
    hub: HubRates | None = None
    """What the hub's line carries as the file says; None where it does not."""
    room: HubRates = field(default_factory=lambda: dict.fromkeys(Direction, 0.0))
    """What may be on the hub's line at once; without room points go one after the other."""

    def batches(self, points: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return which of ``points`` are measured at once."""
        return batches(points, self.known, self.room)


@dataclass(frozen=True, slots=True)
class Channel:
    """How the test speaks: to its points, and how it waits for them."""

    send: Callable[[Mapping[str, BaseModel]], Awaitable[None]]
    until: Callable[[Callable[[], bool], float], Awaitable[None]]
    measured: Callable[[PointRun], Awaitable[None]]
    """Called once for each point, when both its directions are done."""


class CapacityTurns:
    """Measures the capacity of the points of one test."""

    def __init__(
        self, test: str, profile: Profile, task: CapacityTask, measuring: MeasuringEnd,
        limits: TimeLimits, channel: Channel,
    ) -> None:  # fmt: skip
        self._test = test
        self._task = task
        self._starts = {
            Direction.UP: planned_bits_per_second(profile.up),
            Direction.DOWN: planned_bits_per_second(profile.down),
        }
        self._measuring = measuring
        self._limits = limits
        self._channel = channel
        self._numbers = count(FIRST_STEP)
        self._loop = asyncio.get_running_loop()

    async def run(self, points: Sequence[PointRun], deadline: float) -> None:
        """Measure all; ``deadline`` (loop time) is when the test is given up.

        Raises:
            CoordinatorError: broker or measuring end was lost on the way.
        """
        by_name = {one.point: one for one in points}
        left = len(points)
        for batch in self._task.batches(tuple(by_name)):
            members = [by_name[point] for point in batch]
            left -= len(members)
            # Nobody waiting is left out because somebody else was measured twice.
            spare = deadline - left * 2 * _TURN_SECONDS
            for way in Direction:
                if len(members) > 1:
                    await self._together(members, way, spare)
                else:
                    await self._alone(members[0], way)
            for one in members:
                await self._channel.measured(one)

    async def _alone(self, one: PointRun, way: Direction) -> None:
        await self._turn([one], way)
        found, hub = figure(one, way), self._task.hub
        if found is not None and hub and found.bits_per_second >= hub[way] * CONFIRMED_RATIO:
            self._call_shared(one, way)

    async def _together(self, members: Sequence[PointRun], way: Direction, spare: float) -> None:
        """Measure at once; what does not come out as it is known is measured again alone."""
        shares: dict[str, float] = {}
        for one in members:
            known = self._task.known[one.point].way(way)
            shares[one.point] = share_of(known) if known else 0.0
        await self._turn(members, way, shares)
        for one in members:
            found, known = figure(one, way), self._task.known[one.point].way(way)
            if found is None or known is None or is_confirmed(found, known):
                continue
            if self._loop.time() + 2 * _TURN_SECONDS > spare:
                self._call_shared(one, way)
            elif one.takes_part:
                del one.capacity[way]
                await self._alone(one, way)

    async def _turn(
        self, members: Sequence[PointRun], way: Direction, shares: Mapping[str, float] | None = None
    ) -> None:
        commands: dict[str, BaseModel] = {}
        asked = [one for one in members if one.takes_part]
        for one in asked:
            most = shares[one.point] if shares else None
            order = CapacityOrder(next(self._numbers), one.point, way, self._starts[way], most)
            try:
                async with asyncio.timeout(self._limits.measuring_seconds):
                    planned = await self._measuring.plan_capacity(self._test, order)
            except (MeasuringError, TimeoutError) as error:
                raise measuring_unavailable() from error
            commands[one.point] = TestCapacity(test=self._test, planned=planned)
        await self._channel.send(commands)
        end = self._loop.time() + LEAD_SECONDS + CAPACITY_SECONDS
        await self._channel.until(
            lambda: all(way in one.capacity or not one.takes_part for one in asked),
            end + self._limits.results_seconds,
        )
        for one in asked:
            statistics = one.capacity.get(way)
            if statistics is not None:
                one.capacity_bytes[way] += statistics.bytes_sent
                one.capacity_seconds += statistics.duration_seconds

    def _call_shared(self, one: PointRun, way: Direction) -> None:
        """Keep the figure as a lower bound: the hub's line may have been the limit."""
        statistics = one.capacity[way]
        if statistics is not None:
            one.capacity[way] = replace(statistics, limited_by="hub")


def figure(one: PointRun, way: Direction) -> DirectionCapacity | None:
    """Return what one direction showed; None where nothing could be told."""
    found = one.capacity.get(way)
    if found is None or found.bits_per_second is None:
        return None
    return DirectionCapacity(found.bits_per_second, found.limited_by)
