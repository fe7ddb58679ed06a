"""Which lines are due in quiet hours, on a clock that the tests set."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import pytest

from diemcau_server.capacity import DirectionCapacity, LineCapacity
from diemcau_server.config import CapacitySchedule, ServerConfig
from diemcau_server.coordinator.errors import measuring_unavailable
from diemcau_server.coordinator.limits import CAPACITY_POINT_SECONDS, WHOLE_SECONDS
from diemcau_server.nights import CapacityNights, Night, night_at
from diemcau_server.state import Board
from diemcau_server.store import Store
from diemcau_server.store.engine import resolved_url
from tests.server.district import FILE, district, hello_of

if TYPE_CHECKING:
    from diemcau_server.coordinator import Coordinator

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
FILE_AT_NIGHT = FILE.replace(
    "port: 0}", "port: 0, capacity_schedule: {start: '01:00', end: '04:00', every_days: 1}}"
)
ALL = ("bom-bo", "dak-nhau", "duc-lieu")


def local(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a moment of March 2026 in the district's time."""
    return datetime(2026, 3, day, hour, minute, tzinfo=ZONE)


def found(moment: datetime) -> LineCapacity:
    """Return a line that was measured at ``moment``."""
    return LineCapacity(moment.astimezone(UTC), DirectionCapacity(8e6, "line"))


class Lines:
    """In the place of the coordinator: notes who is asked for, and answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.is_done = True
        self.error: Exception | None = None

    async def measure_capacity(self, hub: str, points: Sequence[str]) -> bool:
        """Measure nothing."""
        assert hub == "bu-dang"
        if self.error is not None:
            raise self.error
        self.asked.append(tuple(points))
        return self.is_done


class Hours:
    """The schedule of a district, at a time that is set."""

    def __init__(self, config: ServerConfig, store: Store) -> None:
        self.now = local(12, 2)
        self.lines = Lines()
        self.board = Board.of(config)
        for point in ALL:
            self.come(point)
        self.nights = CapacityNights(
            config, self.board, cast("Coordinator", self.lines), store, lambda: self.now
        )

    def come(self, point: str, *, online: bool = True) -> None:
        """Let a point's agent come, or go."""
        assert self.board.on_hello(hello_of(point, online=online))

    async def look(self, moment: datetime) -> list[tuple[str, ...]]:
        """Return who is asked for at ``moment``."""
        self.now, self.lines.asked = moment.astimezone(UTC), []
        await self.nights.look()
        return self.lines.asked


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Give an empty store."""
    made = await Store.open(resolved_url("sqlite:///nights.sqlite", tmp_path, None))
    yield made
    await made.close()


@pytest.fixture
async def hours(tmp_path: Path, store: Store) -> Hours:
    """Give a schedule from 1 to 4 every night."""
    return Hours(district(tmp_path, FILE_AT_NIGHT), store)


@pytest.mark.parametrize(
    ("start", "end", "moment", "begins"),
    [
        (1, 4, local(12, 0, 59), None),
        (1, 4, local(12, 1), local(12, 1)),
        (1, 4, local(12, 3, 59), local(12, 1)),
        (1, 4, local(12, 4), None),
        (22, 2, local(12, 21, 59), None),
        (22, 2, local(12, 22), local(12, 22)),
        (22, 2, local(13, 1, 59), local(12, 22)),
        (22, 2, local(13, 2), None),
    ],
)
def test_quiet_hours_may_go_past_midnight(
    start: int, end: int, moment: datetime, begins: datetime | None
) -> None:
    """From the first minute to before the last, in the district's time."""
    schedule = CapacitySchedule.model_validate({"start": f"{start}:00", "end": f"{end}:00"})
    night = night_at(schedule, ZONE, moment.astimezone(UTC))

    assert (night.begins if night else None) == begins
    if night is not None:
        hours = (end - start) % 24
        assert night == Night(night.begins, night.begins + timedelta(hours=hours))


def test_hours_are_read_with_and_without_quotes() -> None:
    """YAML reads 22:00 as 1320."""
    schedule = CapacitySchedule.model_validate({"start": 22 * 60, "end": "4:30"})

    assert (schedule.start, schedule.end) == (time(22), time(4, 30))
    assert schedule.every_days == 7


async def test_every_line_is_measured_once_a_night(hours: Hours) -> None:
    """Not by day, not twice; those out of use are left alone."""
    assert await hours.look(local(12, 0, 59)) == []
    assert await hours.look(local(12, 1)) == [ALL]
    assert await hours.look(local(12, 1, 1)) == []
    assert await hours.look(local(12, 12)) == []
    assert await hours.look(local(13, 1)) == [ALL]


async def test_an_agent_that_is_away_is_asked_when_it_comes(hours: Hours) -> None:
    """As all of them are just after the server's start: the night is not lost for them."""
    hours.come(ALL[0], online=False)
    assert await hours.look(local(12, 1)) == [ALL[1:]]
    hours.come(ALL[0])
    assert await hours.look(local(12, 1, 1)) == [ALL[:1]]


async def test_a_restart_in_the_night_measures_nobody_twice(
    tmp_path: Path, store: Store, hours: Hours
) -> None:
    """What was measured and what was tried is known after it, also of a point that was off."""
    await hours.look(local(12, 1))
    capacity = found(local(12, 1))
    await store.save_capacity("bu-dang", "bom-bo", capacity)
    later = Hours(district(tmp_path, FILE_AT_NIGHT), store)
    later.board.restore(await store.restored(), local(12, 1))

    assert later.board.capacities("bu-dang") == {"bom-bo": capacity}
    assert await later.look(local(12, 1, 5)) == []
    assert await later.look(local(13, 1)) == [("dak-nhau", "duc-lieu", "bom-bo")]


async def test_a_run_that_gave_way_is_taken_up_again(hours: Hours) -> None:
    """Only for those whose line was not measured before."""
    hours.lines.is_done = False
    await hours.look(local(12, 1))
    hours.board.capacity_measured("bu-dang", "dak-nhau", found(local(12, 1)))
    hours.lines.is_done = True

    assert await hours.look(local(12, 1, 2)) == [("bom-bo", "duc-lieu")]
    assert await hours.look(local(12, 1, 3)) == []


async def test_a_refused_run_is_tried_again(hours: Hours) -> None:
    """Somebody's test is on the line, or the measuring end is not there."""
    hours.lines.error = measuring_unavailable()
    await hours.look(local(12, 1))
    hours.lines.error = None

    assert await hours.look(local(12, 1, 1)) == [ALL]


@pytest.mark.parametrize(("days", "due"), [(6, False), (7, True)])
async def test_a_line_is_due_after_so_many_nights(
    tmp_path: Path, store: Store, days: int, due: object
) -> None:
    """Also after a measurement that somebody asked for by day."""
    config = district(tmp_path, FILE_AT_NIGHT.replace("every_days: 1", "every_days: 7"))
    for hour in (2, 10):
        hours = Hours(config, store)
        for point in ALL:
            hours.board.capacity_measured("bu-dang", point, found(local(1, hour)))

        assert bool(await hours.look(local(1 + days, 1))) is due


async def test_nothing_begins_close_to_a_session_or_in_it(tmp_path: Path, store: Store) -> None:
    """Half an hour before it the lines are its own; what would not be over by then is left."""
    text = FILE_AT_NIGHT.replace("start: 2026-03-14 07:00:00", "start: 2026-03-14 02:30:00")
    config = district(tmp_path, text)
    for moment, asked in (
        (local(14, 2) - timedelta(seconds=WHOLE_SECONDS + CAPACITY_POINT_SECONDS), 1),
        (local(14, 2), 0),
        (local(14, 2, 30), 0),
        (local(14, 1), len(ALL)),
    ):
        taken = await Hours(config, store).look(moment)
        assert sum(map(len, taken)) == asked


async def test_a_run_takes_as_many_as_fit_before_the_end(hours: Hours) -> None:
    """The rest waits for the next night; the longest unmeasured come first."""
    hours.board.capacity_measured("bu-dang", "bom-bo", found(local(10, 1)))
    seconds = WHOLE_SECONDS + 2 * CAPACITY_POINT_SECONDS

    moment = local(12, 4) - timedelta(seconds=seconds)
    assert await hours.look(moment) == [ALL[1:]]


async def test_without_a_schedule_nothing_is_measured(tmp_path: Path, store: Store) -> None:
    """The default."""
    hours = Hours(district(tmp_path), store)

    assert await hours.look(local(12, 2)) == []
