"""A point's part in a test (SPEC 3.5): one at a time, ended at once when anything says so."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Literal

from pydantic import BaseModel

from diemcau_agent.boot import Boot
from diemcau_agent.config import AgentConfig
from diemcau_agent.devices import inventory, silenced
from diemcau_agent.errors import LinkDownError
from diemcau_agent.link import Link
from diemcau_agent.onetest import News, Notice, OneTest, Outcome
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.roomcheck import RoomFindings, check_room
from diemcau_contract.causes import Cause
from diemcau_contract.codec import encode
from diemcau_contract.errors import MessageError
from diemcau_contract.logs import belonging
from diemcau_contract.messages import (
    CapacityResult,
    Command,
    DeviceResult,
    DevicesResult,
    StepResult,
    TestCapacity,
    TestCut,
    TestEnd,
    TestNotice,
    TestOpen,
    TestStep,
)
from diemcau_contract.topics import Up
from diemcau_line.protocol import PointCapacityResult

_log = logging.getLogger(__name__)

LINK_LOSS_SECONDS: Final = 5.0
"""A test without the command channel for longer than this ends (SPEC 3.5)."""
_REMEMBERED_TESTS: Final = 200
_LOG_CHARACTERS: Final = (4000, 1000, 200, 0)

_Answer = CapacityResult | DevicesResult | StepResult | TestNotice
NoticeEvent = Literal["accepted", "opened", "no_answer", "refused", "failed", "busy", "ended"]


class TestDesk:
    """Takes the hub's commands and runs the test that they ask for."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    def __init__(
        self,
        config: AgentConfig,
        boot: Boot,
        link: Link,
        host_settings: Callable[[], HostSettings],
        on_opened: Callable[[Iterable[DeviceResult]], None],
    ) -> None:
        self._config = config
        self._boot = boot
        self._link = link
        self._host_settings = host_settings
        self._on_opened = on_opened
        self._seen: deque[str] = deque(maxlen=_REMEMBERED_TESTS)
        self._opens: asyncio.Queue[tuple[TestOpen, OneTest]] = asyncio.Queue()
        self._outgoing: asyncio.Queue[_Answer] = asyncio.Queue()
        self._current: OneTest | None = None
        self._loss: asyncio.TimerHandle | None = None

    @property
    def testing(self) -> bool:
        """Whether a test is under way."""
        return self._current is not None

    def on_command(self, command: Command) -> None:
        """Take a command; one that no longer makes sense is logged and ignored."""
        with belonging(test=command.test):
            self._take(command)

    def _take(self, command: Command) -> None:
        match command:
            case TestOpen():
                self._on_open(command)
            case TestStep() | TestCapacity() | TestCut() | TestEnd():
                if self._current is None or self._current.test != command.test:
                    _log.warning("%s of test %s ignored: it does not run here",
                                 type(command).__name__, command.test)  # fmt: skip
                elif isinstance(command, TestStep):
                    self._current.plan(command.steps)
                elif isinstance(command, TestCapacity):
                    self._current.measure_capacity(command.planned)
                elif isinstance(command, TestCut):
                    self._current.cut(command.step, command.duration_seconds)
                else:
                    self._current.end(f"the hub ended it: {command.reason}")

    def on_up(self) -> None:
        """Go on: the command channel is back."""
        if self._loss is not None:
            self._loss.cancel()
            self._loss = None

    def on_down(self) -> None:
        """End the test unless the command channel comes back soon."""
        if self._current is not None and self._loss is None:
            loop = asyncio.get_running_loop()
            self._loss = loop.call_later(LINK_LOSS_SECONDS, self.abort, "link to the hub lost")

    def abort(self, why: str) -> None:
        """End the running test at once."""
        if self._current is not None:
            self._current.end(why)

    async def run(self) -> None:
        """Run the tests that come, until cancelled."""
        while True:
            command, current = await self._opens.get()
            with belonging(test=command.test):
                await self._carry_out(command, current)

    async def send(self) -> None:
        """Send notices and results in order, until cancelled; they outlive a short link loss."""
        while True:
            message = await self._outgoing.get()
            with belonging(test=message.test):
                await self._deliver(message)

    def _on_open(self, command: TestOpen) -> None:
        if command.test in self._seen:
            _log.warning("TestOpen of test %s ignored: it came before", command.test)
            return
        self._seen.append(command.test)
        if self._current is not None and not self._current.is_over:
            self._notice(command.test, Notice("busy", f"in test {self._current.test}"))
            return
        _log.info("test asked for by %s", command.asked_by)
        address = self._config.measure_address
        host = command.measure.host or self._config.broker.host
        host, port = address or (host, command.measure.port)
        self._current = OneTest(command, host, port)
        self._notice(command.test, Notice("accepted", ""))
        self._opens.put_nowait((command, self._current))

    async def _carry_out(self, command: TestOpen, current: OneTest) -> None:
        devices = asyncio.create_task(self._check_devices(command, current), name="devices")
        try:
            await current.run(self._tell)
        finally:
            if self._current is current:
                self._current = None
            devices.cancel()
            await asyncio.gather(devices, return_exceptions=True)
        if current.outcome is not Outcome.REFUSED:
            self._notice(command.test, Notice("ended", current.why_ended))

    async def _check_devices(self, command: TestOpen, current: OneTest) -> None:
        if not command.check_devices:
            return
        # The line first: starting the probes' children must not delay the opening of the flow.
        await current.settled.wait()
        openings = self._config.openings()
        asked_by = f"hub: {command.asked_by}"
        devices = [silenced(one) if command.silent else one for one in self._config.devices]
        found = await check_room(
            devices, self._host_settings(), openings, asked_by,
            look_at_choice=inventory,
        )  # fmt: skip
        self._on_opened(one for one in found.devices if Cause.SWITCHED_OFF not in one.causes)
        self._outgoing.put_nowait(self._devices_result(command.test, found))

    def _devices_result(self, test: str, found: RoomFindings) -> DevicesResult:
        """Make the message; many long logs are cut until it fits."""
        result = DevicesResult(
            hub=self._boot.hub, point=self._boot.point, boot_id=self._boot.boot_id,
            test=test, devices=found.devices, host=found.host,
        )  # fmt: skip
        for length in _LOG_CHARACTERS:
            logs = {name: log[-length:] if length else "" for name, log in found.logs.items()}
            cut = result.model_copy(update={"logs": logs})
            if _fits(cut):
                return cut
        return result

    def _tell(self, test: str, news: News) -> None:
        if isinstance(news, Notice):
            self._notice(test, news)
            return
        if isinstance(news, PointCapacityResult):
            self._outgoing.put_nowait(
                CapacityResult(
                    hub=self._boot.hub, point=self._boot.point, boot_id=self._boot.boot_id,
                    test=test, step=news.step, direction=news.direction, statistics=news.statistics,
                )
            )  # fmt: skip
            return
        result = StepResult(
            hub=self._boot.hub, point=self._boot.point, boot_id=self._boot.boot_id,
            test=test, step=news.step, kind=news.kind, down=news.down,
            up_sender=news.up_sender, stamp=news.stamp, end=news.end,
        )  # fmt: skip
        self._outgoing.put_nowait(result)

    def _notice(self, test: str, notice: Notice) -> None:
        _log.info("test %s%s", notice.event, notice.detail and f": {notice.detail}")
        message = TestNotice(
            hub=self._boot.hub, point=self._boot.point, boot_id=self._boot.boot_id,
            test=test, event=notice.event, detail=notice.detail[:400],
        )  # fmt: skip
        self._outgoing.put_nowait(message)

    async def _deliver(self, message: _Answer) -> None:
        """Try until it is through: as long as its test runs, and a while after it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LINK_LOSS_SECONDS
        while not await self._sent(message):
            if self._current is not None and self._current.test == message.test:
                deadline = loop.time() + LINK_LOSS_SECONDS
            elif loop.time() > deadline:
                _log.warning("%s not delivered: no link", type(message).__name__)
                break
            await asyncio.sleep(0.1)

    async def _sent(self, message: _Answer) -> bool:
        try:
            await self._link.send(Up.RESULT, message)
        except LinkDownError:
            return False
        except MessageError as error:
            _log.error("%s not sent: %s", type(message).__name__, error)
        return True


def _fits(message: BaseModel) -> bool:
    try:
        encode(message)
    except MessageError:
        return False
    return True
