import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from diemcau_contract.measurements import CapacityStatistics
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import Direction
from diemcau_line.protocol import CapacityPlanned, Command, Event, RunCapacity, RunStep
from diemcau_line.traffic import offered_bits_per_second
from diemcau_server.evidence import HubFigures
from diemcau_server.flows import new_flows, planned_bits_per_second
from diemcau_server.measuring import LEAD_SECONDS, CapacityOrder, MeasuringEnd
from diemcau_server.measuring_process import MeasuringError, MeasuringProcess
from tests.server.district import district
from tests.server.rooms import SHORT, measuring_of

PLAN = TrafficPlan(
    audio_bits_per_second=64_000, video_bits_per_second=320_000, frames_per_second=30
)


class Listener:
    """Notes what the measuring end says of a test."""

    def __init__(self) -> None:
        self.figures: dict[tuple[str, int], HubFigures] = {}
        self.lost = asyncio.Event()
        self.whole = asyncio.Event()

    def hub_figures(self, point: str, step: int, figures: HubFigures) -> None:
        """Note the figures of a step."""
        self.figures[point, step] = figures
        if len(self.figures) == 2:
            self.whole.set()

    def hub_capacity(
        self, point: str, direction: Direction, statistics: CapacityStatistics | None
    ) -> None:
        """Nobody asks for it here."""

    def measuring_lost(self) -> None:
        """Note the loss."""
        self.lost.set()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[MeasuringEnd]:
    """Give a running measuring end of two processes."""
    end = measuring_of(district(tmp_path), processes=2)
    await end.start()
    yield end
    await end.stop()


async def opened(end: MeasuringEnd, test: str, *points: str) -> Listener:
    """Open ``test`` for ``points``, or for one; return who listens."""
    listener = Listener()
    flows = new_flows(points or ["bom-bo"], PLAN, PLAN)
    await end.open_test(test, flows, hub="bu-dang", expires_in_seconds=30, listener=listener)
    return listener


def killed(process: MeasuringProcess) -> int:
    """Kill a process; return its id."""
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def in_a_moment() -> float:
    """Return the earliest start of a test's first step."""
    return asyncio.get_running_loop().time() + LEAD_SECONDS


def two_free_ports() -> int:
    """Return a UDP port of loopback that is free now, as the one after it is."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as next_one,
        ):
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                next_one.bind(("127.0.0.1", port + 1))
                return port


async def test_the_process_takes_a_free_port_and_ends_with_its_owner(tmp_path: Path) -> None:
    """Port 0 becomes a real one; after the stop the process is gone."""
    end = measuring_of(district(tmp_path))
    await end.start()
    pid = end.processes[0].pid

    assert end.available
    assert end.port > 0
    assert pid is not None
    await end.stop()
    assert end.processes[0].pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_each_point_has_its_own_stamp_session(measuring: MeasuringEnd) -> None:
    """Session ids and keys differ; a point of nobody has none."""
    one = measuring.settings_of("bu-dang", "bom-bo")
    other = measuring.settings_of("bu-dang", "dak-nhau")

    assert one.port == measuring.port
    assert one.ssid != other.ssid
    assert one.key != other.key
    with pytest.raises(KeyError):
        measuring.settings_of("bu-dang", "nobody")


async def test_a_taken_port_is_said_at_the_start(tmp_path: Path) -> None:
    """The server can tell its user why it does not start."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        end = measuring_of(district(tmp_path), taken.getsockname()[1])
        with pytest.raises(MeasuringError, match="cannot_bind"):
            await end.start()


async def test_a_test_is_opened_stepped_and_closed(measuring: MeasuringEnd) -> None:
    """Every step gives figures for every flow, also for one that never came."""
    listener = Listener()
    tickets = await measuring.open_test(
        "t1",
        new_flows(["bom-bo"], PLAN, PLAN),
        hub="bu-dang",
        expires_in_seconds=30,
        listener=listener,
    )
    planned = await measuring.plan_steps("t1", SHORT.timeline(), ["bom-bo"], in_a_moment())
    async with asyncio.timeout(20):
        await listener.whole.wait()
    await measuring.end_test("t1")

    assert set(tickets) == {"bom-bo"}
    assert [step.step for step in planned["bom-bo"]] == [1, 2]
    assert planned["bom-bo"][0].starts_at_hub_ns < planned["bom-bo"][1].starts_at_hub_ns
    assert set(listener.figures) == {("bom-bo", 1), ("bom-bo", 2)}
    assert listener.figures["bom-bo", 2].up is None
    assert listener.figures["bom-bo", 2].end is not None


async def test_a_second_test_is_refused_until_the_first_is_closed(measuring: MeasuringEnd) -> None:
    """The process knows one test at a time."""
    await opened(measuring, "t1")
    with pytest.raises(MeasuringError, match="test_running"):
        await opened(measuring, "t2")
    await measuring.end_test("t1")
    await opened(measuring, "t2")


async def test_steps_need_an_open_test(measuring: MeasuringEnd) -> None:
    """Nothing runs for a test that nobody opened."""
    with pytest.raises(MeasuringError, match="not open"):
        await measuring.plan_steps("t9", SHORT.timeline(), ["bom-bo"], 0.0)


async def test_a_killed_process_is_told_and_started_anew(measuring: MeasuringEnd) -> None:
    """The test is lost at once; the new process has the same port and answers again."""
    listener = await opened(measuring, "t1")
    process = measuring.processes[0]
    port, pid = measuring.port, killed(process)
    async with asyncio.timeout(20):
        await listener.lost.wait()
        with pytest.raises(MeasuringError):
            await opened(measuring, "t2")
        await process.started.wait()
        await opened(measuring, "t3")

    assert measuring.port == port
    assert process.pid != pid


async def test_a_loss_while_a_command_is_sent_leaves_no_error_behind(
    measuring: MeasuringEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks is told once, by the sending; the answer that then comes to nothing is silent."""
    process = measuring.processes[0]
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["message"])
    )

    async def send(_: object) -> None:
        process._lose("gone")
        raise MeasuringError("cannot be sent")

    monkeypatch.setattr(process, "send", send)
    with pytest.raises(MeasuringError, match="cannot be sent"):
        await process.counters()
    monkeypatch.undo()
    gc.collect()

    assert told == []


async def test_the_counters_of_the_process_can_be_asked_for(measuring: MeasuringEnd) -> None:
    """They count from the start of the process."""
    assert (await measuring.processes[0].counters()).rehearsal_sent == 0


async def test_points_are_shared_out_over_the_processes(pair: MeasuringEnd, tmp_path: Path) -> None:
    """Evenly, neighbours apart, and the same after a new start: agents keep what they were told."""
    points = ["bom-bo", "dak-nhau", "duc-lieu", "tho-son", "phu-son"]
    first, second = (process.port for process in pair.processes)
    again = measuring_of(district(tmp_path), processes=2)

    assert first != second
    assert [pair.settings_of("bu-dang", one).port for one in points] == [
        first, second, first, second, first,
    ]  # fmt: skip
    await again.start()
    try:
        ports = [process.port for process in again.processes]
        told = [again.settings_of("bu-dang", one).port for one in points]
        assert told == [ports[number % 2] for number in range(len(points))]
    finally:
        await again.stop()


async def test_processes_listen_on_ports_in_a_row(tmp_path: Path) -> None:
    """The firewall needs a range; where one of it is taken nothing is left running."""
    port = two_free_ports()
    end = measuring_of(district(tmp_path), port, processes=2)
    await end.start()
    assert [process.port for process in end.processes] == [port, port + 1]
    await end.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port + 1))
        with pytest.raises(MeasuringError, match=f"UDP port {port + 1}"):
            await end.start()

    assert [process.pid for process in end.processes] == [None, None]


async def test_all_processes_are_given_the_same_start(
    pair: MeasuringEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the first takes to answer; each point is told the time of its own process."""
    asked: list[RunStep] = []
    for process in pair.processes:

        async def ask(
            command: Command,
            key: str = "",
            ask: Callable[[Command, str], Awaitable[Event]] = process.ask,
        ) -> Event:
            if isinstance(command, RunStep):
                asked.append(command)
            return await ask(command, key)

        monkeypatch.setattr(process, "ask", ask)
    points = ["bom-bo", "dak-nhau", "duc-lieu"]
    await opened(pair, "t1", *points)
    planned = await pair.plan_steps("t1", SHORT.timeline(), points, in_a_moment())

    assert list(planned) == points
    assert all([step.step for step in steps] == [1, 2] for steps in planned.values())
    for step in (1, 2):
        of_step = [one for one in asked if one.step == step]
        assert sorted(len(one.flows) for one in of_step) == [1, 2]
        assert len({one.starts_at_monotonic_ns for one in of_step}) == 1


async def test_the_hubs_bound_holds_over_all_processes(tmp_path: Path) -> None:
    """Two that send half of it each are at the bound, not below."""
    each = offered_bits_per_second(PLAN, 1.0)
    points = ["bom-bo", "dak-nhau"]
    for most, fits in ((2 * each - 1, False), (2 * each + 1, True)):
        end = measuring_of(district(tmp_path), processes=2, max_bits_per_second=most)
        await end.start()
        try:
            await opened(end, "t1", *points)
            if fits:
                await end.plan_steps("t1", SHORT.timeline(), points, in_a_moment())
            else:
                with pytest.raises(MeasuringError, match="over_limit"):
                    await end.plan_steps("t1", SHORT.timeline(), points, in_a_moment())
        finally:
            await end.stop()


async def test_capacity_of_points_of_two_processes_shares_the_hubs_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one has counts for the other, each direction by itself; what is refused does not."""
    bounds: dict[str, Any] = {"max_bits_per_second": 7e6, "capacity_max_bits_per_second": 4_000_000}
    end = measuring_of(district(tmp_path), processes=2, **bounds)

    async def plan(command: Command, _: str) -> Event:
        assert isinstance(command, RunCapacity)
        return CapacityPlanned(command.test, command.step, 0, command.duration_seconds)

    await end.start()
    try:
        await opened(end, "t1", "bom-bo", "dak-nhau")
        with pytest.raises(MeasuringError, match="unknown_flow"):
            await end.plan_capacity("t1", CapacityOrder(1, "bom-bo", Direction.DOWN, 1e6))
        for process in end.processes:
            monkeypatch.setattr(process, "ask", plan)
        await end.plan_capacity("t1", CapacityOrder(2, "bom-bo", Direction.DOWN, 1e6))
        with pytest.raises(MeasuringError, match="over_limit"):
            await end.plan_capacity("t1", CapacityOrder(3, "dak-nhau", Direction.DOWN, 1e6))
        await end.plan_capacity("t1", CapacityOrder(4, "dak-nhau", Direction.UP, 1e6))
        with pytest.raises(MeasuringError, match="over_limit"):
            await end.plan_capacity("t1", CapacityOrder(5, "bom-bo", Direction.UP, 1e6))
    finally:
        await end.stop()


async def test_a_lost_process_ends_the_test_and_leaves_the_others_alone(
    pair: MeasuringEnd,
) -> None:
    """All at once is what a test is about; the other process goes on and takes the next one."""
    listener = await opened(pair, "t1", "bom-bo", "dak-nhau")
    first, second = pair.processes
    pid = first.pid
    killed(second)
    async with asyncio.timeout(20):
        await listener.lost.wait()
    with pytest.raises(MeasuringError, match="not open"):
        await pair.plan_steps("t1", SHORT.timeline(), ["bom-bo"], in_a_moment())
    await pair.end_test("t1")
    await opened(pair, "t2", "bom-bo")

    assert not second.available
    assert [one.en for one in pair.troubles()] == ["measuring process 2 of 2 does not run"]
    assert first.pid == pid


async def test_a_test_that_one_process_refuses_is_open_at_none(pair: MeasuringEnd) -> None:
    """Otherwise the first would refuse the next test until this one has expired."""
    first, second = pair.processes
    killed(second)
    with pytest.raises(MeasuringError):
        await opened(pair, "t1", "bom-bo", "dak-nhau")
    await opened(pair, "t2", "bom-bo")

    assert first.available


def test_the_planned_rate_counts_headers() -> None:
    """50 audio packets a second of 40 octets of header, video packets and frame ends likewise."""
    silent = TrafficPlan(audio_bits_per_second=64_000, video_bits_per_second=0, frames_per_second=1)

    assert planned_bits_per_second(silent) == 64_000 + 51 * 320
