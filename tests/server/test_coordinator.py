import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from diemcau_contract.causes import Cause
from diemcau_contract.messages import TestCut as CutOfTest
from diemcau_contract.messages import TestEnd as EndOfTest
from diemcau_contract.messages import TestStep as StepsOfPoint
from diemcau_contract.result import TestResult as Result
from diemcau_contract.words import Confidence, PointState, StepKind, Verdict
from diemcau_server.capacity import LineCapacity
from diemcau_server.coordinator import (
    Coordinator,
    Outcome,
    Pace,
    SelectionError,
    UnavailableError,
    Wanted,
    errors,
)
from diemcau_server.coordinator.point import Ignored, PointPhase
from diemcau_server.coordinator.progress import Progress
from diemcau_server.coordinator.run import TestRun as Run
from diemcau_server.errors import StoreError
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.state import Board
from diemcau_server.steps import GROUP, StepsOfTest, group_steps
from tests.server.district import NOW, devices_result, district, hello_of, step_result
from tests.server.rooms import (
    LIMITS,
    SHORT,
    MeasuredRooms,
    Rooms,
    coordinator_of,
    measuring_of,
    notice,
    topic,
)

ALL = Wanted("An", points=("bom-bo", "dak-nhau", "duc-lieu"), profile="light")


class Kept:
    """A store that remembers the results, or has a full disk."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.capacities: dict[str, LineCapacity] = {}
        self.details: list[dict[str, Any]] = []
        self.full = False

    async def save_test(self, result: Result, detail: dict[str, Any]) -> None:
        """Keep a result."""
        if self.full:
            raise StoreError("disk full")
        self.results.append(result)
        self.details.append(detail)

    async def save_capacity(self, hub: str, point: str, found: LineCapacity) -> None:
        """Keep a line's capacity."""
        del hub
        self.capacities[point] = found


@pytest.fixture
async def measuring(tmp_path: Path) -> AsyncIterator[MeasuringEnd]:
    """Give a running measuring end."""
    end = measuring_of(district(tmp_path))
    await end.start()
    yield end
    await end.stop()


@pytest.fixture
async def rooms() -> Rooms:
    """Give rooms that answer."""
    return Rooms()


@pytest.fixture
def kept() -> Kept:
    """Give an empty store."""
    return Kept()


@pytest.fixture
async def coordinator(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> AsyncIterator[Coordinator]:
    """Give a coordinator joined to the rooms."""
    made = coordinator_of(district(tmp_path), rooms, measuring, kept)
    yield made
    await made.stop()


async def ended(run: Run) -> Outcome:
    """Wait for the outcome of a test."""
    async with asyncio.timeout(40):
        async for event in run.events():
            if isinstance(event, Outcome):
                return event
    pytest.fail("the events ended without an outcome")


async def result_of(run: Run) -> Result:
    """Wait for the result of a test."""
    outcome = await ended(run)
    assert outcome.result is not None, outcome.error
    return outcome.result


async def code_of(run: Run) -> str:
    """Wait for the error of a test."""
    outcome = await ended(run)
    assert outcome.error is not None
    return outcome.error.code


@pytest.mark.parametrize("processes", [1, 2])
async def test_three_measured_rooms_get_a_verdict(
    tmp_path: Path, processes: int, kept: Kept
) -> None:
    """Real measuring processes over 127.0.0.1: both directions are counted by their receivers."""
    rooms = MeasuredRooms()
    measuring = measuring_of(district(tmp_path), processes=processes)
    await measuring.start()
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept)
    try:
        result = await result_of(await coordinator.start(ALL))
        counted = [await process.counters() for process in measuring.processes]
    finally:
        await coordinator.stop()
        await rooms.stop()
        await measuring.stop()

    assert all(one.rehearsal_received > 20 and one.rehearsal_sent > 20 for one in counted)
    assert not any(sum(one.rejected.values()) for one in counted)

    assert [one.point for one in result.points] == ["bom-bo", "dak-nhau", "duc-lieu"]
    for one in result.points:
        assert one.line.idle is not None
        assert one.line.idle.packets_received > 0
        assert one.line.up is not None
        assert one.line.down is not None
        assert min(one.line.up.packets_sent, one.line.down.packets_sent) > 20
        assert one.cause is not Cause.AGENT_SILENT
    assert result.hub_line.up is not None
    assert kept.results == [result]
    assert {one["point"] for one in kept.details[0]["points"]} == {
        "bom-bo", "dak-nhau", "duc-lieu",
    }  # fmt: skip


def in_groups(rehearsal_seconds: float) -> Callable[[Sequence[str]], StepsOfTest]:
    """Return a short plan with groups, whose rehearsal is as long as asked."""
    first, idle, rehearsal = SHORT.steps
    rehearsal = replace(rehearsal, duration_seconds=rehearsal_seconds)
    group = replace(GROUP, duration_seconds=0.4)
    return lambda points: replace(
        SHORT, steps=(first, idle, *group_steps(points, group), rehearsal)
    )


async def test_what_follows_the_rehearsal_depends_on_what_it_showed(
    tmp_path: Path, measuring: MeasuringEnd, kept: Kept
) -> None:
    """Points that passed are tried at 120 %; the plan that is shown grows by what is decided."""
    rooms = MeasuredRooms()
    changes = {"full": in_groups(1.0)}
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, **changes)
    try:
        run = await coordinator.start(ALL)
        await result_of(run)
    finally:
        await coordinator.stop()
        await rooms.stop()

    kinds = [row.kind for row in run.outline()]
    assert kinds[:6] == [
        StepKind.PREFLIGHT,
        StepKind.IDLE,
        *[StepKind.GROUPS] * 3,
        StepKind.REHEARSAL,
    ]
    assert set(kinds[6:]) == {StepKind.MARGIN}
    for point in kept.details[0]["points"]:
        steps = [(one["kind"], one["together"]) for one in point["evidence"]["steps"]]
        assert steps[0] == ("groups", 1)
        assert {kind for kind, _ in steps[1:]} == {"margin"}


async def test_capacity_is_measured_on_request_and_remembered_with_its_age(
    tmp_path: Path, measuring: MeasuringEnd, kept: Kept
) -> None:
    """Both directions of each point, after the steps; a later test gives the figure again."""
    rooms = MeasuredRooms()
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept)
    one = Wanted("An", points=("bom-bo",), profile="light", capacity=True)
    try:
        first = await result_of(await coordinator.start(one))
        second = await result_of(await coordinator.start(replace(one, capacity=False)))
    finally:
        await coordinator.stop()
        await rooms.stop()

    found = first.points[0].line.capacity
    assert found.up_bits_per_second is not None
    assert found.down_bits_per_second is not None
    assert min(found.up_bits_per_second, found.down_bits_per_second) > 5e6
    assert found.measured_at == first.started_at
    assert second.points[0].line.capacity == found


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


async def test_the_rehearsal_is_cut_where_every_point_failed_in_its_group(
    tmp_path: Path,
    measuring: MeasuringEnd,
    rooms: Rooms,
    kept: Kept,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No doubt is left: the traffic ends early at both ends, and nobody is called ready."""
    monkeypatch.setattr("diemcau_server.coordinator.run.CUT_SECONDS", 0.5)
    rooms.group_loss = 0.3
    changes = {"full": in_groups(30.0)}
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, **changes)
    run = await coordinator.start(ALL)
    result = await result_of(run)

    assert rooms.told(CutOfTest) == list(ALL.points or ())
    assert run.steps.steps[-1].duration_seconds < 5.0
    assert not run.steps.complete
    assert Verdict.READY not in {one.verdict for one in result.points}


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


async def test_nobody_waits_for_an_agent_that_is_away(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> None:
    """The time to answer is for those who hold a session; the others had theirs with the broker."""
    limits = replace(LIMITS, accept_seconds=1000.0)
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, limits=limits)
    rooms.silent = {"dak-nhau"}
    result = await result_of(await coordinator.start(ALL))
    causes = {one.point: one.cause for one in result.points}

    assert causes["dak-nhau"] is Cause.AGENT_SILENT
    assert causes["bom-bo"] is not Cause.AGENT_SILENT


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


async def test_blocked_udp_is_told_while_the_test_runs(
    coordinator: Coordinator, rooms: Rooms
) -> None:
    """The progress names the firewall at once, the result as well."""
    rooms.firewalled = {"bom-bo"}
    run = await coordinator.start(ALL)

    assert run.progress().points[0].cause is Cause.FIREWALL
    assert (await result_of(run)).points[0].cause is Cause.FIREWALL


async def test_a_pc_too_slow_to_begin_is_named(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> None:
    """Its agent answers at once, its measuring process does not come up: no fault of the line."""
    limits = replace(LIMITS, opening_seconds=0.3)
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, limits=limits)
    rooms.slow = {"bom-bo"}
    run = await coordinator.start(ALL)

    assert await named_in(run) == {"bom-bo": Cause.PC_BUSY}
    assert (await result_of(run)).points[0].cause is Cause.PC_BUSY


async def test_nobody_to_measure_ends_without_steps(coordinator: Coordinator, rooms: Rooms) -> None:
    """When every point is silent or blocked the test ends at once, with a verdict."""
    rooms.silent = {"bom-bo", "dak-nhau"}
    rooms.firewalled = {"duc-lieu"}
    result = await result_of(await coordinator.start(ALL))

    assert rooms.told(StepsOfPoint) == []
    assert result.hub_line.verdict is Verdict.UNKNOWN
    assert result.hub_line.up is None


async def test_a_point_that_dies_in_the_middle_is_silent(
    coordinator: Coordinator, rooms: Rooms
) -> None:
    """It accepted, and was never heard again: the test ends all the same."""
    rooms.dying = {"bom-bo"}
    result = await result_of(await coordinator.start(ALL))

    assert result.points[0].cause is Cause.AGENT_SILENT
    assert result.points[1].line.idle is not None


async def test_an_account_that_is_held_up_is_waited_for(
    tmp_path: Path, measuring: MeasuringEnd, kept: Kept
) -> None:
    """The hub heard the point to the end: it is there, and so is what it measured.

    What comes too late for the margin is not tried at 120 %, and so is never ready.
    """
    rooms = MeasuredRooms()
    rooms.held_up = {"bom-bo": LIMITS.results_seconds + 1.5}
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept)
    try:
        run = await coordinator.start(replace(ALL, points=("bom-bo",)))
        shown = [
            event.points[0].cause
            async for event in run.events()
            if not isinstance(event, Outcome) and event.phase != "judging"
        ]
        result = await result_of(run)
    finally:
        await coordinator.stop()
        await rooms.stop()

    assert Cause.AGENT_SILENT not in shown
    assert result.points[0].line.up is not None
    assert result.points[0].line.up.packets_received > 20
    assert result.points[0].verdict is not Verdict.READY


async def test_a_point_that_has_died_is_named_while_the_test_runs(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> None:
    """As soon as the account of a step is overdue, not at the end of all."""
    limits = replace(LIMITS, results_seconds=0.1)
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, limits=limits)
    rooms.dying = {"bom-bo"}

    assert await named_in(await coordinator.start(ALL)) == {"bom-bo": Cause.AGENT_SILENT}


async def test_a_clock_step_is_named_while_the_test_runs(
    coordinator: Coordinator, rooms: Rooms
) -> None:
    """As soon as the step is over in which it was seen."""
    rooms.clock_steps = {"dak-nhau"}

    assert await named_in(await coordinator.start(ALL)) == {"dak-nhau": Cause.CLOCK_STEP}


async def named_in(run: Run) -> dict[str, Cause]:
    """Return the causes that were shown before the test was judged."""
    named: dict[str, Cause] = {}
    async for event in run.events():
        if isinstance(event, Outcome) or event.phase == "judging":
            break
        named |= {one.point: one.cause for one in event.points if one.cause is not None}
    return named


async def test_a_quick_test_is_never_ready(coordinator: Coordinator) -> None:
    """Its confidence is low and its verdict at best unknown."""
    result = await result_of(await coordinator.start(replace(ALL, quick=True)))

    assert Verdict.READY not in {one.verdict for one in result.points}
    assert {one.confidence for one in result.points} == {Confidence.LOW}


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


async def test_a_test_has_a_hard_cap(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> None:
    """Whatever holds it up, the test ends."""
    limits = replace(LIMITS, whole_seconds=0.3)
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, limits=limits)
    run = await coordinator.start(ALL)

    assert await code_of(run) == "test_too_long"
    assert rooms.reasons() == {"failed"}


async def test_a_result_that_cannot_be_stored_is_said(coordinator: Coordinator, kept: Kept) -> None:
    """A full disk ends the test with an error; the traffic has stopped."""
    kept.full = True

    assert await code_of(await coordinator.start(ALL)) == "store_failed"


async def test_foreign_late_and_doubled_messages_do_not_count(
    coordinator: Coordinator, rooms: Rooms
) -> None:
    """Each is counted by its reason, and the result is that of the first word."""
    await coordinator.on_message(topic("bom-bo"), notice("bom-bo", "accepted", test="t"))
    rooms.silent = {"duc-lieu"}
    run = await coordinator.start(replace(ALL, points=("bom-bo", "duc-lieu")))
    test = run.order.test
    await rooms.say(notice("bom-bo", "accepted", test=test))
    await rooms.say(notice("bom-bo", "accepted", test="another"))
    await rooms.say(notice("dak-nhau", "accepted", test=test))
    await rooms.say(notice("bom-bo", "failed", test=test, boot_id="f" * 16))
    await rooms.say(notice("bom-bo", "opened", test=test, hub="other-hub"))
    await rooms.say(devices_result("bom-bo", test=test))
    async for event in run.events():
        if isinstance(event, Outcome):
            break
        if event.points[1].cause is Cause.AGENT_SILENT and event.phase == "judging":
            break
        if event.points[1].cause is Cause.AGENT_SILENT:
            await rooms.say(notice("duc-lieu", "accepted", test=test))
            await rooms.say(step_result("bom-bo", StepKind.IDLE, test=test, step=9))
            break

    assert (await result_of(run)).points[1].cause is Cause.AGENT_SILENT
    assert coordinator.ignored == {
        Ignored.NO_TEST: 1,
        Ignored.DUPLICATE: 2,
        Ignored.OTHER_TEST: 1,
        Ignored.OTHER_POINT: 2,
        Ignored.OTHER_BOOT: 1,
        Ignored.LATE: 2,
    }


async def test_progress_counts_down(coordinator: Coordinator) -> None:
    """Phases come in their order, elapsed time grows, and the outcome is the last event."""
    run = await coordinator.start(ALL)
    events = [event async for event in run.events()]
    progress = [event for event in events if not isinstance(event, Outcome)]
    phases = list(dict.fromkeys(event.phase for event in progress))

    assert phases[-3:] == ["idle", "rehearsal", "judging"] or phases[-2:] == ["idle", "rehearsal"]
    assert [one.elapsed_seconds for one in progress] == sorted(
        one.elapsed_seconds for one in progress
    )
    assert progress[0].remaining_seconds > progress[-1].remaining_seconds
    assert isinstance(events[-1], Outcome)
