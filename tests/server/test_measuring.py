import asyncio
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diemcau_contract.measurements import CapacityStatistics
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import Direction
from diemcau_server.evidence import HubFigures
from diemcau_server.flows import new_flows, planned_bits_per_second
from diemcau_server.measuring import LEAD_SECONDS, MeasuringEnd, MeasuringError
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
async def measuring(tmp_path: Path) -> AsyncIterator[MeasuringEnd]:
    """Give a running measuring end."""
    end = measuring_of(district(tmp_path))
    await end.start()
    yield end
    await end.stop()


async def test_the_process_takes_a_free_port_and_ends_with_its_owner(tmp_path: Path) -> None:
    """Port 0 becomes a real one; after the stop the process is gone."""
    end = measuring_of(district(tmp_path))
    await end.start()
    pid = end.pid

    assert end.available
    assert end.port > 0
    assert pid is not None
    await end.stop()
    assert end.pid is None
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
        "t1", new_flows(["bom-bo"], PLAN, PLAN), expires_in_seconds=30, listener=listener
    )
    begins_at = asyncio.get_running_loop().time() + LEAD_SECONDS
    planned = await measuring.plan_steps("t1", SHORT.timeline(), ["bom-bo"], begins_at)
    async with asyncio.timeout(20):
        await listener.whole.wait()
    await measuring.end_test("t1")

    assert set(tickets) == {"bom-bo"}
    assert [step.step for step in planned] == [1, 2]
    assert planned[0].starts_at_hub_ns < planned[1].starts_at_hub_ns
    assert set(listener.figures) == {("bom-bo", 1), ("bom-bo", 2)}
    assert listener.figures["bom-bo", 2].up is None
    assert listener.figures["bom-bo", 2].end is not None


async def test_a_second_test_is_refused_until_the_first_is_closed(measuring: MeasuringEnd) -> None:
    """The process knows one test at a time."""
    flows = new_flows(["bom-bo"], PLAN, PLAN)
    await measuring.open_test("t1", flows, expires_in_seconds=30, listener=Listener())
    with pytest.raises(MeasuringError, match="test_running"):
        await measuring.open_test("t2", flows, expires_in_seconds=30, listener=Listener())
    await measuring.end_test("t1")
    await measuring.open_test("t2", flows, expires_in_seconds=30, listener=Listener())


async def test_steps_need_an_open_test(measuring: MeasuringEnd) -> None:
    """Nothing runs for a test that nobody opened."""
    with pytest.raises(MeasuringError, match="not open"):
        await measuring.plan_steps("t9", SHORT.timeline(), ["bom-bo"], 0.0)


async def test_a_killed_process_is_told_and_started_anew(measuring: MeasuringEnd) -> None:
    """The test is lost at once; the new process has the same port and answers again."""
    listener = Listener()
    flows = new_flows(["bom-bo"], PLAN, PLAN)
    await measuring.open_test("t1", flows, expires_in_seconds=30, listener=listener)
    port, pid = measuring.port, measuring.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        await listener.lost.wait()
        with pytest.raises(MeasuringError):
            await measuring.open_test("t2", flows, expires_in_seconds=30, listener=listener)
        await measuring.started.wait()
        await measuring.open_test("t3", flows, expires_in_seconds=30, listener=listener)

    assert measuring.port == port
    assert measuring.pid != pid


async def test_a_loss_while_a_command_is_sent_leaves_no_error_behind(
    measuring: MeasuringEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks is told once, by the sending; the answer that then comes to nothing is silent."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["message"])
    )

    async def send(_: object) -> None:
        measuring._lose("gone")
        raise MeasuringError("cannot be sent")

    monkeypatch.setattr(measuring, "_send", send)
    with pytest.raises(MeasuringError, match="cannot be sent"):
        await measuring.counters()
    monkeypatch.undo()
    gc.collect()

    assert told == []


async def test_the_counters_of_the_process_can_be_asked_for(measuring: MeasuringEnd) -> None:
    """They count from the start of the process."""
    assert (await measuring.counters()).rehearsal_sent == 0


def test_the_planned_rate_counts_headers() -> None:
    """50 audio packets a second of 40 octets of header, video packets and frame ends likewise."""
    silent = TrafficPlan(audio_bits_per_second=64_000, video_bits_per_second=0, frames_per_second=1)

    assert planned_bits_per_second(silent) == 64_000 + 51 * 320
