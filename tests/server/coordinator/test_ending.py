"""How a test ends without a verdict: cancelled, failed, too long, not stored."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from diemcau_contract.messages import TestEnd as EndOfTest
from diemcau_contract.words import StepKind
from diemcau_server.coordinator import Coordinator
from diemcau_server.coordinator.progress import Progress
from diemcau_server.measuring import MeasuringEnd
from tests.server.coordinator.runs import ALL, Kept, code_of, in_groups, result_of
from tests.server.district import district
from tests.server.rooms import LIMITS, MeasuredRooms, Rooms, coordinator_of, measuring_of, notice


async def test_cancelling_stops_everything_at_once(
    coordinator: Coordinator, rooms: Rooms, kept: Kept
) -> None:
    """Every point is told, nothing is stored, listeners hear of it; twice is harmless."""
    run = await coordinator.start(ALL)

    assert await coordinator.cancel(run.order.test)
    assert sorted(rooms.told(EndOfTest)) == ["bom-bo", "dak-nhau", "duc-lieu"]
    assert rooms.reasons() == {"cancelled"}
    assert await code_of(run) == "test_cancelled"
    assert kept.results == []
    assert not await coordinator.cancel(run.order.test)


async def test_what_a_point_says_at_the_end_of_its_test_is_expected(
    coordinator: Coordinator, rooms: Rooms, caplog: pytest.LogCaptureFixture
) -> None:
    """Before and after the test has left the line, also beside the next one; no line of the log."""
    run = await coordinator.start(ALL)
    await result_of(run)
    await rooms.say(notice("bom-bo", "ended", test=run.order.test))
    again = await coordinator.start(ALL)
    await rooms.say(notice("dak-nhau", "ended", test=run.order.test))
    assert await coordinator.cancel(again.order.test)

    assert coordinator.ignored == {}
    assert not [text for text in caplog.messages if "ignored" in text]


async def test_begin_and_end_are_logged_with_hub_and_outcome(
    coordinator: Coordinator, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asked, how many points with which verdict, and the hub's own line."""
    await result_of(await coordinator.start(ALL))
    cancelled = await coordinator.start(ALL)
    await coordinator.cancel(cancelled.order.test)
    begun = "test of 3 points begins: hub bu-dang, asked for by An"

    assert [text for text in caplog.messages if text.startswith("test ")] == [
        begun,
        "test ended: hub bu-dang, unknown (points: 3 unknown; the hub's line: unknown)",
        begun,
        "test ended: hub bu-dang, test_cancelled: The test was cancelled.",
    ]


async def test_a_measuring_process_that_dies_fails_the_test(
    coordinator: Coordinator, measuring: MeasuringEnd, rooms: Rooms
) -> None:
    """The test ends with a clear error, not with a hang."""
    run = await coordinator.start(ALL)
    pid = measuring.processes[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    assert await code_of(run) == "measuring_unavailable"
    assert rooms.reasons() == {"failed"}


async def test_one_of_two_measuring_processes_that_dies_in_the_steps_fails_the_test(
    tmp_path: Path, kept: Kept
) -> None:
    """With it went half of the load: what the others show is no rehearsal; all traffic stops."""
    rooms = MeasuredRooms()
    measuring = measuring_of(district(tmp_path), processes=2)
    await measuring.start()
    changes = {"full": in_groups(30.0)}
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, **changes)
    try:
        run = await coordinator.start(ALL)
        async for event in run.events():
            if isinstance(event, Progress) and event.phase == str(StepKind.REHEARSAL):
                break
        pid = measuring.processes[1].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert await code_of(run) == "measuring_unavailable"
        async with asyncio.timeout(20):
            await measuring.processes[1].started.wait()
            again = await coordinator.start(replace(ALL, quick=True))
            result = await result_of(again)
    finally:
        await coordinator.stop()
        await rooms.stop()
        await measuring.stop()

    assert rooms.reasons() == {"failed", "finished"}
    assert [one.line.up is not None for one in result.points] == [True, True, True]


async def test_a_test_has_a_hard_cap(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> None:
    """Whatever holds it up, the test ends."""
    limits = replace(LIMITS, whole_seconds=1.5)
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, limits=limits)
    run = await coordinator.start(ALL)

    assert await code_of(run) == "test_too_long"
    assert rooms.reasons() == {"failed"}


async def test_a_result_that_cannot_be_stored_is_said(coordinator: Coordinator, kept: Kept) -> None:
    """A full disk ends the test with an error; the traffic has stopped."""
    kept.full = True

    assert await code_of(await coordinator.start(ALL)) == "store_failed"
