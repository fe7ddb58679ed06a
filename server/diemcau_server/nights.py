"""Capacity in quiet hours: which lines are due, and when there is time for them (decision 0022)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from diemcau_server.config import CapacitySchedule, ServerConfig
from diemcau_server.coordinator.coordinator import Coordinator
from diemcau_server.coordinator.errors import CoordinatorError
from diemcau_server.coordinator.limits import (
    CAPACITY_POINT_SECONDS,
    CAPACITY_POINTS_MOST,
    WHOLE_SECONDS,
)
from diemcau_server.coordinator.selection import quiet_until
from diemcau_server.errors import StoreError
from diemcau_server.state import Board, PointRecord

LOOK_SECONDS = 30.0
"""So long a run that was refused or had to give way waits before it tries again."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Night:
    """The quiet hours around one moment, in UTC."""

    begins: datetime
    ends: datetime


class NightStore(Protocol):
    """Where it is kept which points a night is done with."""

    async def save_capacity_tried(self, hub: str, points: Sequence[str], moment: datetime) -> None:
        """Note it.

        Raises:
            StoreError: it could not be kept.
        """


class CapacityNights:
    """Looks twice a minute whether lines are due, and has them measured."""

    def __init__(
        self,
        config: ServerConfig,
        board: Board,
        coordinator: Coordinator,
        store: NightStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._board = board
        self._coordinator = coordinator
        self._store = store
        self._clock = clock

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await pause(LOOK_SECONDS)

    async def look(self) -> None:
        """Measure what is due now, one run a hub, to its end."""
        for hub in self._config.hubs:
            points = self._due(hub.id, self._clock())
            if not points:
                continue
            try:
                is_done = await self._coordinator.measure_capacity(hub.id, points)
            except CoordinatorError as error:
                _LOG.info("capacity of %d lines of %s is put off: %s", len(points), hub.id, error)
                continue
            if is_done:
                await self._note(hub.id, points)

    def _due(self, hub: str, now: datetime) -> tuple[str, ...]:
        schedule = self._config.measure.capacity_schedule
        night = night_at(schedule, self._config.timezone, now) if schedule else None
        quiet = quiet_until(self._config, hub, now)
        if schedule is None or night is None or quiet is None:
            return ()
        # What a run may take at the very most: it is over by then, whatever happens.
        seconds = (min(night.ends, quiet) - now).total_seconds() - WHOLE_SECONDS
        most = min(CAPACITY_POINTS_MOST, int(seconds / CAPACITY_POINT_SECONDS))
        return due_points(self._board, hub, night, schedule.every_days, now)[: max(0, most)]

    async def _note(self, hub: str, points: Sequence[str]) -> None:
        moment = self._clock()
        self._board.capacity_tried(hub, points, moment)
        try:
            await self._store.save_capacity_tried(hub, points, moment)
        except StoreError as error:
            _LOG.error("the night's run could not be noted: %s", error)


def night_at(schedule: CapacitySchedule, zone: ZoneInfo, now: datetime) -> Night | None:
    """Return the quiet hours that ``now`` lies in; None by day."""
    today = now.astimezone(zone).date()
    over = timedelta(days=0 if schedule.start < schedule.end else 1)
    for day in (today, today - timedelta(days=1)):
        begins = datetime.combine(day, schedule.start, zone).astimezone(UTC)
        ends = datetime.combine(day + over, schedule.end, zone).astimezone(UTC)
        if begins <= now < ends:
            return Night(begins, ends)
    return None


def due_points(
    board: Board, hub: str, night: Night, every_days: int, now: datetime
) -> tuple[str, ...]:
    """Return the points whose line is due in ``night``, the longest unmeasured first.

    One that the night is done with already, measured or without a figure, waits for the next; one
    whose agent is away is asked when it comes.
    """
    there = board.connected(hub)
    newest = night.begins - timedelta(days=every_days - 1)
    due = [
        (_measured_at(record), key.point)
        for key, record in board.records.items()
        if key.hub == hub
        and key.point in there
        and _can_be_asked(record, now)
        and (record.capacity_tried_at is None or record.capacity_tried_at < night.begins)
        and _measured_at(record) < newest
    ]
    return tuple(point for _, point in sorted(due, key=lambda one: one[0]))


def _measured_at(record: PointRecord) -> datetime:
    return record.capacity.measured_at if record.capacity else datetime.min.replace(tzinfo=UTC)


def _can_be_asked(record: PointRecord, now: datetime) -> bool:
    until = record.section.maintenance_until
    return record.section.enabled and (until is None or until <= now)
