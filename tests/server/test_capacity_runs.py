"""Scheduled measurements of lines: real measuring processes, and who gives way to whom."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from diemcau_contract.messages import TestCapacity as CapacityCommand
from diemcau_contract.messages import TestEnd as EndOfTest
from diemcau_contract.messages import TestOpen as OpenCommand
from diemcau_contract.words import PointState
from diemcau_server.coordinator import Coordinator, Pace, Wanted
from diemcau_server.coordinator import TestRunningError as Running
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.measuring_process import MeasuringError
from diemcau_server.state import Board, PointKey, PointView
from tests.server.coordinator.runs import Kept, ended, result_of
from tests.server.district import NOW, district
from tests.server.rooms import LIMITS, QUICK, SHORT, MeasuredRooms, measuring_of

TWO = ("bom-bo", "dak-nhau")


class Rooms(MeasuredRooms):
    """Rooms of which some get no capacity command through; ``asked`` is set by the first such."""

    def __init__(self) -> None:
        super().__init__()
        self.held: set[str] = set()
        self.asked = asyncio.Event()

    async def answer(self, point: str, message: BaseModel) -> None:
        """Leave out what is held back."""
        if isinstance(message, CapacityCommand) and point in self.held:
            self.asked.set()
            return
        await super().answer(point, message)


class District:
    """A coordinator with its board, its rooms and what it keeps."""

    def __init__(self, folder: Path, measuring: MeasuringEnd) -> None:
        config = district(folder)
        self.rooms, self.kept, self.board = Rooms(), Kept(), Board.of(config)
        self.coordinator = Coordinator(
            config, self.board, self.kept, measuring, self.rooms.publish,
            Pace(LIMITS, lambda _: SHORT, lambda _: QUICK, lambda: NOW.replace(hour=18)),
        )  # fmt: skip
        self.rooms.coordinator = self.coordinator

    def view(self, point: str) -> PointView:
        """Return the board's view of a point."""
        key = PointKey("bu-dang", point)
        return self.board.view_of(key, self.board.records[key], datetime.now(UTC))


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[District]:
    """Give a district with a running measuring end."""
    measuring = measuring_of(district(tmp_path))
    await measuring.start()
    made = District(tmp_path, measuring)
    yield made
    await made.coordinator.stop()
    await made.rooms.stop()
    await measuring.stop()


async def test_the_schedule_measures_lines_and_nothing_else(there: District) -> None:
    """Devices stay closed, no step runs, no test is stored, the board's verdict stays."""
    first = await result_of(await there.coordinator.start(Wanted("An", points=TWO)))
    before = [there.board.records[PointKey("bu-dang", point)].judged for point in TWO]
    there.rooms.sent.clear()
    is_done = await there.coordinator.measure_capacity("bu-dang", TWO)

    assert is_done
    opened = [one for _, one in there.rooms.sent if isinstance(one, OpenCommand)]
    assert [one.check_devices for one in opened] == [False, False]
    assert {type(one) for _, one in there.rooms.sent} == {OpenCommand, CapacityCommand, EndOfTest}
    assert there.kept.results == [first]
    assert [there.board.records[PointKey("bu-dang", point)].judged for point in TWO] == before
    assert there.kept.capacities == there.board.capacities("bu-dang")
    for point in TWO:
        found = there.board.capacities("bu-dang")[point]
        assert found.up is not None
        assert found.down is not None
        assert min(found.up.bits_per_second, found.down.bits_per_second) > 5e6
        assert there.view(point).capacity == found
        # Two directions of 3.5 s, some of which a busy machine may lose.
        assert found.duration_seconds is not None
        assert 3.5 < found.duration_seconds < 8.0
        # At least what a line of that rate carries in a second.
        assert min(there.view(point).capacity_bytes.values()) > 5e6 / 8


async def test_a_technicians_test_ends_the_schedules_run(there: District) -> None:
    """It begins at once; what was measured is kept, the rest has not had its turn."""
    there.rooms.held = {"dak-nhau"}
    night = asyncio.create_task(there.coordinator.measure_capacity("bu-dang", TWO))
    async with asyncio.timeout(30):
        await there.rooms.asked.wait()
    assert there.view("dak-nhau").state is PointState.TESTING
    result = await result_of(await there.coordinator.start(Wanted("An", points=("dak-nhau",))))

    assert await night is False
    assert result.points[0].line.up is not None
    assert result.points[0].line.up.packets_received > 0
    assert set(there.kept.capacities) == {"bom-bo"}
    assert there.rooms.reasons() == {"cancelled", "finished"}


async def test_the_schedule_waits_for_a_technicians_test(there: District) -> None:
    """It neither ends it nor runs beside it."""
    run = await there.coordinator.start(Wanted("An", points=TWO))
    with pytest.raises(Running, match="test_running"):
        await there.coordinator.measure_capacity("bu-dang", TWO)

    assert (await ended(run)).result is not None


async def test_a_technician_may_come_while_the_schedules_run_still_opens(there: District) -> None:
    """Before its first command has gone out."""
    night = asyncio.create_task(there.coordinator.measure_capacity("bu-dang", TWO))
    await asyncio.sleep(0)
    result = await result_of(await there.coordinator.start(Wanted("An", points=TWO)))

    assert await night is False
    assert len(result.points) == 2
    assert there.kept.capacities == {}


async def test_the_schedule_gives_up_without_a_broker(there: District) -> None:
    """It says that not everybody had a turn, and leaves the line free."""
    there.rooms.broker_works = False

    assert await there.coordinator.measure_capacity("bu-dang", TWO) is False
    there.coordinator.require_idle()


async def test_a_capacity_that_cannot_be_had_costs_no_verdict(
    there: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines were tested before: that result comes, without a figure."""

    async def refuse(*_: object) -> None:
        message = "over_limit"
        raise MeasuringError(message)

    monkeypatch.setattr(MeasuringEnd, "plan_capacity", refuse)
    wanted = Wanted("An", points=("bom-bo",), capacity=True, quick=True)
    result = await result_of(await there.coordinator.start(wanted))

    assert result.points[0].line.up is not None
    assert result.points[0].line.capacity.up_bits_per_second is None
