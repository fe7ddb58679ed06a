"""What the steps measure, and which of them follow."""

from dataclasses import replace
from pathlib import Path

import pytest

from diemcau_contract.causes import Cause
from diemcau_contract.messages import TestCut as CutOfTest
from diemcau_contract.words import Confidence, StepKind, Verdict
from diemcau_server.coordinator import Coordinator, Outcome, Wanted
from diemcau_server.coordinator.point import Ignored
from diemcau_server.measuring import MeasuringEnd
from tests.server.coordinator.runs import ALL, Kept, in_groups, result_of
from tests.server.district import devices_result, district, step_result
from tests.server.rooms import (
    LIMITS,
    MeasuredRooms,
    Rooms,
    coordinator_of,
    measuring_of,
    notice,
    topic,
)


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
    # On a busy machine a packet may come after its step; none is forged, or above its bounds.
    assert all(one.rejected.keys() <= {"unknown_flow"} for one in counted)

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


async def test_a_quick_test_is_never_ready(coordinator: Coordinator) -> None:
    """Its confidence is low and its verdict at best unknown."""
    result = await result_of(await coordinator.start(replace(ALL, quick=True)))

    assert Verdict.READY not in {one.verdict for one in result.points}
    assert {one.confidence for one in result.points} == {Confidence.LOW}


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
