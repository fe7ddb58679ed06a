"""Who takes part in a test, and what keeps one from starting."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from diemcau_contract.causes import Cause
from diemcau_contract.messages import TestEnd as EndOfTest
from diemcau_contract.messages import TestOpen as Invitation
from diemcau_contract.messages import TestStep as StepsOfPoint
from diemcau_contract.words import PointState, Verdict
from diemcau_server.coordinator import (
    Coordinator,
    Outcome,
    Pace,
    SelectionError,
    UnavailableError,
    Wanted,
    errors,
)
from diemcau_server.coordinator.point import PointPhase
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.state import Board
from tests.server.coordinator.runs import ALL, Kept, result_of
from tests.server.district import NOW, district, hello_of
from tests.server.rooms import LIMITS, SHORT, Rooms, coordinator_of, measuring_of


async def test_a_silent_point_does_not_hold_up_the_others(
    coordinator: Coordinator, rooms: Rooms
) -> None:
    """It is named as silent; the others are measured; every point gets the end."""
    rooms.silent = {"dak-nhau"}
    result = await result_of(await coordinator.start(ALL))
    causes = {one.point: one.cause for one in result.points}

    assert causes["dak-nhau"] is Cause.AGENT_SILENT
    assert sorted(rooms.told(StepsOfPoint)) == ["bom-bo", "duc-lieu"]
    assert sorted(rooms.told(EndOfTest)) == ["bom-bo", "dak-nhau", "duc-lieu"]
    assert rooms.reasons() == {"finished"}
    assert result.verdict is Verdict.UNKNOWN


async def test_a_slow_agent_that_holds_a_session_is_waited_for(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> None:
    """It is there; only its answer is late."""
    limits = replace(LIMITS, absent_seconds=0.0, accept_seconds=1000.0)
    config = district(tmp_path)
    board = Board.of(config)
    for point in ALL.points or ():
        assert board.on_hello(hello_of(point))
    pace = Pace(limits=limits, full=lambda _: SHORT, quick=lambda _: SHORT)
    coordinator = Coordinator(config, board, kept, measuring, rooms.publish, pace)
    rooms.coordinator = coordinator
    rooms.silent = {"dak-nhau"}
    run = await coordinator.start(ALL)
    async for event in run.events():
        if isinstance(event, Outcome) or event.points[0].phase is PointPhase.OPENED:
            break
    rooms.silent.clear()
    (asked,) = (sent for point, sent in rooms.sent if point == "dak-nhau")
    await rooms.answer("dak-nhau", asked)
    result = await result_of(run)

    assert Cause.AGENT_SILENT not in {one.cause for one in result.points}


async def test_nobody_to_measure_ends_without_steps(coordinator: Coordinator, rooms: Rooms) -> None:
    """When every point is silent or blocked the test ends at once, with a verdict."""
    rooms.silent = {"bom-bo", "dak-nhau"}
    rooms.firewalled = {"duc-lieu"}
    result = await result_of(await coordinator.start(ALL))

    assert rooms.told(StepsOfPoint) == []
    assert result.hub_line.verdict is Verdict.UNKNOWN
    assert result.hub_line.up is None


@pytest.mark.parametrize("silent", [False, True])
async def test_every_room_is_told_whether_it_may_sound(
    coordinator: Coordinator, rooms: Rooms, *, silent: bool
) -> None:
    """As whoever asks for the test has said."""
    rooms.firewalled = {"bom-bo", "dak-nhau", "duc-lieu"}
    await result_of(await coordinator.start(replace(ALL, silent=silent)))

    assert [sent.silent for _, sent in rooms.sent if isinstance(sent, Invitation)] == [silent] * 3


async def test_one_test_at_a_time(coordinator: Coordinator) -> None:
    """The second is told who tests and since when; after the end there is room again."""
    run = await coordinator.start(ALL)
    with pytest.raises(errors.TestRunningError) as caught:
        await coordinator.start(replace(ALL, asked_by="Bình"))

    assert (caught.value.test, caught.value.asked_by) == (run.order.test, "An")
    assert "An" in caught.value.text.vi
    assert await coordinator.cancel(run.order.test)
    again = await coordinator.start(ALL)
    assert again.order.test != run.order.test


async def test_without_a_measuring_process_no_test_starts(
    tmp_path: Path, rooms: Rooms, kept: Kept
) -> None:
    """The refusal leaves room for the next try."""
    coordinator = coordinator_of(district(tmp_path), rooms, measuring_of(district(tmp_path)), kept)
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            await coordinator.start(ALL)
        assert caught.value.code == "measuring_unavailable"


async def test_without_a_broker_no_test_starts(coordinator: Coordinator, rooms: Rooms) -> None:
    """The refusal names the broker; once it is back, tests start."""
    rooms.broker_works = False
    with pytest.raises(UnavailableError) as caught:
        await coordinator.start(ALL)
    assert caught.value.code == "broker_unavailable"
    rooms.broker_works = True
    await coordinator.start(ALL)


async def test_capacity_is_refused_close_to_a_session(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> None:
    """A flooded line half an hour before a session, or in it, helps nobody."""
    config = district(tmp_path)
    session = next(one for one in config.sessions if one.form == "line")
    wanted = Wanted("An", points=("bom-bo",), profile="light", capacity=True)
    for moment in (session.start - timedelta(minutes=29), session.end - timedelta(seconds=1)):
        changes = {"clock": lambda moment=moment: moment}
        coordinator = coordinator_of(config, rooms, measuring, kept, **changes)
        with pytest.raises(SelectionError, match="in_session"):
            await coordinator.start(wanted)

    assert rooms.sent == []


async def test_the_board_shows_the_test_and_its_verdict(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> None:
    """Points are testing while it runs, and not afterwards."""
    config = district(tmp_path)
    board = Board.of(config)
    coordinator = Coordinator(config, board, kept, measuring, rooms.publish, Pace(limits=LIMITS))
    rooms.coordinator = coordinator
    run = await coordinator.start(ALL)
    during = {view.key.point: view.state for view in board.view(NOW)}
    await coordinator.cancel(run.order.test)
    after = {view.key.point: view.state for view in board.view(NOW)}

    assert during["bom-bo"] is PointState.TESTING
    assert during["phu-son"] is not PointState.TESTING
    assert PointState.TESTING not in after.values()
