import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from pydantic import BaseModel

from diemcau_agent import roomcheck, testing
from diemcau_agent.app import Agent
from diemcau_agent.boot import Boot
from diemcau_agent.config import AgentConfig
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.errors import LinkDownError
from diemcau_agent.link import Backoff, Link
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.testing import TestDesk
from diemcau_contract import messages
from diemcau_contract.causes import Cause
from diemcau_contract.messages import (
    DeviceResult,
    DevicesResult,
    PlannedStep,
    Report,
    StepResult,
)
from diemcau_contract.tickets import Ticket, issue
from diemcau_contract.topics import Down, Up
from diemcau_contract.words import DeviceKind, Status, StepKind
from diemcau_line import protocol
from diemcau_line.opening import PREFLIGHT_PACKETS
from diemcau_line.protocol import (
    Event,
    HubFlow,
    HubReady,
    OpenTest,
    RunStep,
    SetStampSessions,
    StampSession,
    StartHub,
    StepPlanned,
)
from diemcau_line.worker import WorkerProcess
from tests.agent.hubs import (
    agent_config,
    invitation,
    measure_settings,
    running_hub,
    settings,
    until,
)
from tests.brokers import Mosquitto

FAST = Backoff(base_seconds=0.01, cap_seconds=0.05)
TICKET_KEY = "11" * 32
Kind = TypeVar("Kind")
CAMERA = ExpectedDevice(
    "camera", "main", {"format": "lavfi", "url": "testsrc2=size=640x360:rate=30,realtime"}
)


@contextlib.asynccontextmanager
async def running_agent(config: AgentConfig) -> AsyncIterator[Agent]:
    """Yield an agent that runs in this process; it must leave no process behind."""
    stop = asyncio.Event()
    agent = Agent(config, FAST)
    task = asyncio.create_task(agent.run(stop))
    try:
        yield agent
    finally:
        stop.set()
        await task
        left = [" ".join(child.cmdline()) for child in psutil.Process().children()]
        assert not [line for line in left if "diemcau_line point" in line]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A UDP port that hears everything and answers nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        yield silent.getsockname()[1]


class MeasuringHub:
    """The hub's measuring process, as the server drives it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self.worker = WorkerProcess("hub", self._on_event)

    def _on_event(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def plan_step(self) -> PlannedStep:
        """Plan one second of rehearsal."""
        self.worker.send(
            RunStep(
                test="t1", step=0, kind=StepKind.REHEARSAL, flows=(1,), rate_ratio=1.0,
                starts_at_monotonic_ns=time.monotonic_ns() + 500_000_000, duration_seconds=1.0,
            )
        )  # fmt: skip
        planned = await self.next(StepPlanned)
        return PlannedStep(
            step=0, kind=StepKind.REHEARSAL, starts_at_hub_ns=planned.starts_at_hub_ns,
            duration_seconds=1.0, rate_ratio=1.0,
        )  # fmt: skip

    async def next(self, kind: type[Kind]) -> Kind:
        """Return the next event of ``kind``."""
        async with asyncio.timeout(30):
            while True:
                event = await self._events.get()
                if isinstance(event, kind):
                    return event


async def test_a_silent_port_is_told(
    broker: Mosquitto, tmp_path: Path, silent_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """No answer by UDP: accepted, no_answer, the devices all the same, and the end."""
    async with (
        running_hub(broker.port) as hub,
        running_agent(agent_config(tmp_path, broker.port, CAMERA)),
    ):
        await hub.wait_for(Report)
        await hub.say(Down.COMMAND, invitation("t1", silent_port))
        notices = await hub.wait_for(messages.TestNotice, count=2)
        assert [notice.event for notice in notices] == ["accepted", "no_answer"]
        assert [text for text in caplog.messages if text.startswith("test ")][1:] == [
            "test accepted", f"test no_answer: {notices[1].detail}",
        ]  # fmt: skip
        (devices,) = await hub.wait_for(DevicesResult)
        assert devices.devices[0].status is Status.OK
        assert "probe started" in devices.logs["camera.main"]
        assert devices.host is not None
        await hub.say(Down.COMMAND, messages.TestEnd(test="t1", reason="finished"))
        await hub.say(Down.SETTINGS, settings(1))
        later = await hub.wait_for(Report, lambda report: report.interval_seconds == 1)
        assert "frames_per_second" in " ".join(later[0].devices[0].values)


async def test_one_test_at_a_time_and_each_once(
    broker: Mosquitto, tmp_path: Path, silent_port: int
) -> None:
    """A second test is told that the point is busy; a test that came before is ignored."""
    async with (
        running_hub(broker.port) as hub,
        running_agent(agent_config(tmp_path, broker.port)) as agent,
    ):
        await hub.wait_for(Report)
        for test in ("t1", "t2", "t1"):
            await hub.say(Down.COMMAND, invitation(test, silent_port))
        (busy,) = await hub.wait_for(messages.TestNotice, lambda notice: notice.event == "busy")
        assert (busy.test, busy.detail) == ("t2", "in test t1")
        await hub.say(Down.COMMAND, messages.TestEnd(test="t1", reason="cancelled"))
        await until(lambda: not agent.desk.testing)
        await hub.say(Down.COMMAND, invitation("t1", silent_port))
        await hub.say(Down.COMMAND, invitation("t3", silent_port))
        await hub.wait_for(messages.TestNotice, lambda notice: notice.test == "t3")
        accepted = await hub.wait_for(
            messages.TestNotice, lambda notice: notice.event == "accepted"
        )
        assert [notice.test for notice in accepted] == ["t1", "t3"]


async def test_a_test_may_follow_the_end_of_another_at_once(
    broker: Mosquitto, tmp_path: Path, silent_port: int
) -> None:
    """While the first one's process is on its way out the point is not busy."""
    async with running_hub(broker.port) as hub, running_agent(agent_config(tmp_path, broker.port)):
        await hub.wait_for(Report)
        await hub.say(Down.COMMAND, invitation("t1", silent_port))
        await hub.wait_for(messages.TestNotice)
        await hub.say(Down.COMMAND, messages.TestEnd(test="t1", reason="cancelled"))
        await hub.say(Down.COMMAND, invitation("t2", silent_port))
        second = await hub.wait_for(messages.TestNotice, lambda notice: notice.test == "t2")
        gone = await hub.wait_for(messages.TestNotice, lambda notice: notice.event == "no_answer")

        assert second[0].event == "accepted"
        assert [notice.test for notice in gone] == ["t2"]


async def test_an_expired_test_ends_by_itself(
    broker: Mosquitto, tmp_path: Path, silent_port: int
) -> None:
    """Without an end from the hub the point leaves when the ticket is over."""
    async with (
        running_hub(broker.port) as hub,
        running_agent(agent_config(tmp_path, broker.port)) as agent,
    ):
        await hub.wait_for(Report)
        await hub.say(Down.COMMAND, invitation("t1", silent_port, expires_in_seconds=0.2))
        await hub.wait_for(messages.TestNotice)
        await until(lambda: not agent.desk.testing)


async def test_devices_stay_shut_where_the_room_says_so(
    broker: Mosquitto, tmp_path: Path, silent_port: int
) -> None:
    """opening_allowed: false answers unknown, and opens nothing."""
    config = agent_config(tmp_path, broker.port, CAMERA, opening_allowed=False)
    async with running_hub(broker.port) as hub, running_agent(config):
        await hub.wait_for(Report)
        await hub.say(Down.COMMAND, invitation("t1", silent_port))
        (found,) = await hub.wait_for(DevicesResult)
        assert found.devices[0].status is Status.UNKNOWN
        assert "opening_allowed" in found.logs["camera.main"]


async def test_a_room_whose_programs_use_another_device_is_told_to_the_hub(
    broker: Mosquitto, tmp_path: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe hears the named microphone; a meeting would hear the webcam's."""
    microphone = ExpectedDevice("microphone", "main", {"format": "system", "device": "Jabra"})
    fine = DeviceResult(kind=DeviceKind.MICROPHONE, status=Status.OK)
    webcam = fine.model_copy(
        update={
            "status": Status.WARN, "causes": (Cause.WRONG_DEVICE,), "values": {"used": "Webcam"},
        }
    )  # fmt: skip
    monkeypatch.setattr(roomcheck, "run_probe", lambda *_arguments: (fine, ""))
    monkeypatch.setattr(testing, "inventory", lambda _devices: (webcam,))
    config = agent_config(tmp_path, broker.port, microphone)
    async with running_hub(broker.port) as hub, running_agent(config):
        await hub.wait_for(Report)
        await hub.say(Down.COMMAND, invitation("t1", silent_port))
        (found,) = await hub.wait_for(DevicesResult)

    assert found.devices == (webcam,)


async def test_a_silent_test_plays_nothing(
    broker: Mosquitto, tmp_path: Path, silent_port: int
) -> None:
    """The speaker's probe itself says so; the microphone is listened to as ever."""
    speaker = ExpectedDevice("speaker", "main", {"format": "system"})
    config = agent_config(tmp_path, broker.port, speaker)
    async with running_hub(broker.port) as hub, running_agent(config):
        await hub.wait_for(Report)
        await hub.say(Down.COMMAND, invitation("t1", silent_port, silent=True))
        (found,) = await hub.wait_for(DevicesResult)

    (device,) = found.devices
    assert (device.status, device.causes) == (Status.NOT_APPLICABLE, (Cause.QUIET_HOURS,))


async def test_a_stop_ends_the_test_at_once(
    broker: Mosquitto, tmp_path: Path, silent_port: int
) -> None:
    """An agent that stops in the middle of a test leaves no measuring process."""
    async with (
        running_hub(broker.port) as hub,
        running_agent(agent_config(tmp_path, broker.port, CAMERA)),
    ):
        await hub.wait_for(Report)
        await hub.say(Down.COMMAND, invitation("t1", silent_port))
        await hub.wait_for(messages.TestNotice)


async def test_a_whole_test(broker: Mosquitto, tmp_path: Path) -> None:
    """Against the real measuring process: opened, then one result a step with real figures."""
    async with (
        measuring_hub() as (measuring, measure),
        running_hub(broker.port) as hub,
        running_agent(agent_config(tmp_path, broker.port)),
    ):
        await hub.wait_for(Report)
        await hub.say(Down.SETTINGS, settings(1, measure))
        invited = invitation("t1", measure.port, ticket=ticket(TICKET_KEY))
        flow = HubFlow("bom-bo", 1, invited.flow_secret, invited.up, invited.down)
        measuring.worker.send(OpenTest(test="t1", flows=(flow,), expires_in_seconds=60))
        await measuring.next(protocol.TestOpened)
        await hub.say(Down.COMMAND, invited)
        await hub.wait_for(messages.TestNotice, lambda notice: notice.event == "opened")
        step = await measuring.plan_step()
        await hub.say(Down.COMMAND, messages.TestStep(test="t1", steps=(step,)))
        (preflight,) = await hub.wait_for(StepResult, lambda one: one.kind is StepKind.PREFLIGHT)
        (result,) = await hub.wait_for(StepResult, lambda one: one.kind is not StepKind.PREFLIGHT)
        assert preflight.stamp is not None
        assert preflight.stamp.packets_sent == PREFLIGHT_PACKETS
        assert result.down is not None
        assert result.down.packets_received > 0
        assert result.up_sender is not None
        await hub.say(Down.COMMAND, messages.TestEnd(test="t1", reason="finished"))
        await hub.wait_for(messages.TestNotice, lambda notice: notice.event == "ended")
        (report, *_) = await hub.wait_for(Report, lambda report: report.line is not None)
        assert report.line is not None
        assert report.line.packets_received > 0


@contextlib.asynccontextmanager
async def measuring_hub() -> AsyncIterator[tuple[MeasuringHub, messages.MeasureSettings]]:
    """Yield a measuring process that answers the light flow, and the settings that say so."""
    measuring = MeasuringHub()
    measuring.worker.start()
    try:
        measuring.worker.send(StartHub(ticket_key=TICKET_KEY, bind=("127.0.0.1",)))
        ready = await measuring.next(HubReady)
        measure = measure_settings(ready.port)
        session = StampSession(ssid=measure.ssid, key=measure.key)
        measuring.worker.send(SetStampSessions(sessions=(session,)))
        yield measuring, measure
    finally:
        await asyncio.to_thread(measuring.worker.stop)


def ticket(key: str) -> str:
    """Return a ticket for flow 1 of test t1."""
    return issue(
        Ticket(
            test="t1", point="bom-bo", flow=1, max_bytes=10**9, max_bits_per_second=10**7,
            not_after=time.time() + 60, nonce="0" * 32,
        ),
        bytes.fromhex(key),
    )  # fmt: skip


async def test_a_lost_command_channel_ends_the_test(
    broker: Mosquitto, tmp_path: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a session for longer than the limit the point leaves the test."""
    monkeypatch.setattr(testing, "LINK_LOSS_SECONDS", 0.05)
    async with running_agent(agent_config(tmp_path, broker.port)) as agent:
        async with running_hub(broker.port) as hub:
            await hub.wait_for(Report)
            await hub.say(Down.COMMAND, invitation("t1", silent_port))
            await hub.wait_for(messages.TestNotice)
            assert agent.desk.testing
        broker.stop()
        await until(lambda: not agent.desk.testing)


class StarvedLink(Link):
    """A link over which nothing is acknowledged until it is free."""

    def __init__(self, config: AgentConfig, boot: Boot) -> None:
        super().__init__(config, boot.hello, FAST)
        self.is_free = False
        self.refused = 0
        self.through: list[BaseModel] = []

    async def send(self, kind: Up, message: BaseModel) -> None:
        """Take a message once the link is free."""
        del kind
        if not self.is_free:
            self.refused += 1
            raise LinkDownError
        self.through.append(message)


async def test_an_account_is_tried_for_as_long_as_its_test_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load of the test itself may hold the command channel up for many seconds."""
    monkeypatch.setattr(testing, "LINK_LOSS_SECONDS", 0.0)
    config, boot = agent_config(tmp_path, 1883), Boot("bu-dang", "bom-bo")
    link = StarvedLink(config, boot)
    desk = TestDesk(
        config, boot, link, lambda: HostSettings(tmp_path, "127.0.0.1"), lambda _opened: None
    )
    desk.on_command(invitation("t1", 8620))
    sending = asyncio.create_task(desk.send())
    await until(lambda: link.refused > 1)
    link.is_free = True
    await until(lambda: bool(link.through))
    sending.cancel()

    assert [type(message) for message in link.through] == [messages.TestNotice]
