"""What keeps a point from being measured is named, while the test runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from diemcau_contract.causes import Cause
from diemcau_server.coordinator import Coordinator
from diemcau_server.measuring import MeasuringEnd
from tests.server.coordinator.runs import ALL, Kept, named_in, result_of
from tests.server.district import district
from tests.server.rooms import LIMITS, Rooms, coordinator_of


async def test_blocked_udp_is_told_while_the_test_runs(
    coordinator: Coordinator, rooms: Rooms
) -> None:
    """The progress names the firewall at once, the result as well."""
    rooms.firewalled = {"bom-bo"}
    run = await coordinator.start(ALL)

    assert run.progress().points[0].cause is Cause.FIREWALL
    assert (await result_of(run)).points[0].cause is Cause.FIREWALL


@pytest.mark.parametrize(
    ("fault", "limit", "cause"),
    [
        # Nobody waits for an agent that is away: the time to answer is for who holds a session.
        ("silent", {"accept_seconds": 1000.0}, Cause.AGENT_SILENT),
        # Its agent answers at once, its measuring process does not come up: no fault of the line.
        ("slow", {"opening_seconds": 0.3}, Cause.PC_BUSY),
        # As soon as the account of a step is overdue, not at the end of all.
        ("dying", {"results_seconds": 0.1}, Cause.AGENT_SILENT),
    ],
)
async def test_a_point_that_does_not_follow_is_named_while_the_test_runs(
    tmp_path: Path,
    measuring: MeasuringEnd,
    rooms: Rooms,
    kept: Kept,
    *,
    fault: str,
    limit: dict[str, float],
    cause: Cause,
) -> None:
    """It is held up for no longer than its limit; the result says the same, of it alone."""
    limits = replace(LIMITS, **limit)
    coordinator = coordinator_of(district(tmp_path), rooms, measuring, kept, limits=limits)
    setattr(rooms, fault, {"dak-nhau"})
    run = await coordinator.start(ALL)

    assert await named_in(run) == {"dak-nhau": cause}
    result = await result_of(run)
    assert [one.point for one in result.points if one.cause is cause] == ["dak-nhau"]


async def test_a_point_that_dies_in_the_middle_is_silent(
    coordinator: Coordinator, rooms: Rooms
) -> None:
    """It accepted, and was never heard again: the test ends all the same."""
    rooms.dying = {"bom-bo"}
    result = await result_of(await coordinator.start(ALL))

    assert result.points[0].cause is Cause.AGENT_SILENT
    assert result.points[1].line.idle is not None


async def test_a_clock_step_is_named_while_the_test_runs(
    coordinator: Coordinator, rooms: Rooms
) -> None:
    """As soon as the step is over in which it was seen."""
    rooms.clock_steps = {"dak-nhau"}

    assert await named_in(await coordinator.start(ALL)) == {"dak-nhau": Cause.CLOCK_STEP}
