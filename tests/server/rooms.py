"""Rooms at the MQTT border: they get the commands that are published and answer like agents."""

import asyncio
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from diemcau_contract.codec import decode_down
from diemcau_contract.messages import (
    CapacityResult,
    DevicesResult,
    StepResult,
    TestCapacity,
    TestEnd,
    TestNotice,
    TestOpen,
    TestStep,
)
from diemcau_contract.topics import Down, Up, UpTopic
from diemcau_contract.words import StepKind
from diemcau_line.protocol import (
    Event,
    NoAnswer,
    Opened,
    OpenPoint,
    PointCapacity,
    PointCapacityResult,
    PointStep,
    PointStepResult,
    Refused,
)
from diemcau_line.worker import WorkerProcess
from diemcau_server.config import MeasureConfig, ServerConfig
from diemcau_server.coordinator import Coordinator, Pace, TimeLimits
from diemcau_server.errors import PublishError
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.state import Board
from diemcau_server.steps import StepPlan, StepsOfTest
from tests.measured import END, lossy
from tests.server.district import BOOT, devices_result, step_result

SHORT = StepsOfTest(
    (
        StepPlan(StepKind.PREFLIGHT, 0.1, 0.0, in_opening=True),
        StepPlan(StepKind.IDLE, 0.3, 0.0),
        StepPlan(StepKind.REHEARSAL, 1.0, 1.0),
    ),
    complete=True,
    gap_seconds=0.1,
)
QUICK = StepsOfTest(SHORT.steps, complete=False, gap_seconds=0.1)
LIMITS = TimeLimits(
    accept_seconds=0.5,
    absent_seconds=0.5,
    measuring_seconds=10,
    devices_seconds=2,
    progress_seconds=0.1,
)


def topic(point: str, hub: str = "bu-dang") -> UpTopic:
    """Return where ``point`` sends results."""
    return UpTopic(hub, point, Up.RESULT)


def notice(point: str, event: Any, *, test: str, **changes: Any) -> TestNotice:
    """Return a notice of ``point``."""
    values: dict[str, Any] = {"hub": "bu-dang", "point": point, "boot_id": BOOT, "test": test}
    return TestNotice(**values | {"event": event} | changes)


class Rooms:
    """Stands where the broker is; ``silent`` rooms get commands and say nothing."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, BaseModel]] = []
        self.silent: set[str] = set()
        self.firewalled: set[str] = set()
        self.slow: set[str] = set()
        """Rooms whose measuring process is never ready."""
        self.dying: set[str] = set()
        self.clock_steps: set[str] = set()
        """Rooms whose clock is set in the middle."""
        self.broker_works = True
        self.group_loss = 0.0
        """What a group's step shows on the way down."""
        self.heard = asyncio.Event()
        self.coordinator: Coordinator | None = None

    async def publish(self, name: str, payload: bytes) -> None:
        """Take a command as the broker would."""
        message = decode_down(Down.COMMAND, payload)
        if not self.broker_works:
            raise PublishError("no session")
        point = name.split("/")[3]
        self.sent.append((point, message))
        asyncio.get_running_loop().call_soon(self.heard.set)
        if point not in self.silent:
            await self.answer(point, message)

    async def answer(self, point: str, message: BaseModel) -> None:
        """Answer as an agent whose measuring process does its work in no time."""
        if isinstance(message, TestOpen):
            await self._answer_opening(point, message)
        if isinstance(message, TestEnd) and point not in self.firewalled | self.dying:
            await self.say(notice(point, "ended", test=message.test))
        if isinstance(message, TestStep) and point not in self.dying:
            for step in message.steps:
                result = step_result(point, step.kind, test=message.test, step=step.step)
                if step.kind is StepKind.GROUPS and self.group_loss:
                    result = result.model_copy(update={"down": lossy(self.group_loss)})
                if point in self.clock_steps:
                    stepped = replace(END, clock_step_seconds=2.0)
                    result = result.model_copy(update={"end": stepped})
                await self.say(result)

    async def _answer_opening(self, point: str, message: TestOpen) -> None:
        await self.say(notice(point, "accepted", test=message.test))
        if point in self.firewalled:
            await self.say(notice(point, "no_answer", test=message.test))
        elif point not in self.slow:
            await self.say(notice(point, "opened", test=message.test))
        if point not in self.dying:
            await self.say(devices_result(point, test=message.test))

    async def say(self, message: TestNotice | StepResult | CapacityResult | DevicesResult) -> None:
        """Bring a room's message to the server."""
        assert self.coordinator is not None
        await self.coordinator.on_message(topic(message.point, message.hub), message)

    def told(self, kind: type[BaseModel]) -> list[str]:
        """Return the points that got a command of ``kind``."""
        return [point for point, message in self.sent if isinstance(message, kind)]

    def reasons(self) -> set[str]:
        """Return the reasons of all ends that were sent."""
        return {message.reason for _, message in self.sent if isinstance(message, TestEnd)}


class MeasuredRooms(Rooms):
    """Rooms with a real measuring process each, over 127.0.0.1."""

    def __init__(self) -> None:
        super().__init__()
        self.workers: dict[str, WorkerProcess] = {}
        self.held_up: dict[str, float] = {}
        """How many seconds the account of a rehearsal takes to cross a room's line."""
        self.tasks: set[asyncio.Task[None]] = set()

    async def answer(self, point: str, message: BaseModel) -> None:
        """Hand the command to the room's measuring process."""
        if isinstance(message, TestOpen):
            await self.say(notice(point, "accepted", test=message.test))
            await self.say(devices_result(point, test=message.test))
            await self._open(point, message)
        if isinstance(message, TestStep):
            for step in message.steps:
                self.workers[point].send(PointStep.of(message.test, step))
        if isinstance(message, TestEnd) and point in self.workers:
            await asyncio.to_thread(self.workers.pop(point).stop)
        if isinstance(message, TestCapacity):
            self.workers[point].send(PointCapacity.of(message.test, message.planned))

    async def stop(self) -> None:
        """End every measuring process."""
        for worker in self.workers.values():
            await asyncio.to_thread(worker.stop)

    async def _open(self, point: str, message: TestOpen) -> None:
        loop = asyncio.get_running_loop()

        def hand_over(event: Event) -> None:
            loop.call_soon_threadsafe(self._on_event, point, event)

        before = self.workers.pop(point, None)
        if before is not None:
            await asyncio.to_thread(before.stop)
        worker = WorkerProcess("point", hand_over)
        self.workers[point] = worker
        worker.start()
        worker.send(
            OpenPoint(
                test=message.test,
                host=message.measure.host or "127.0.0.1",
                port=message.measure.port,
                ticket=message.ticket,
                flow=message.flow,
                secret=message.flow_secret,
                ssid=message.measure.ssid,
                stamp_key=message.measure.key,
                up=message.up,
                down=message.down,
            )
        )

    def _on_event(self, point: str, event: Event) -> None:
        message: TestNotice | StepResult | CapacityResult | None = None
        match event:
            case Opened():
                message = notice(point, "opened", test=event.test)
            case Refused():
                message = notice(point, "refused", test=event.test, detail=event.reason)
            case NoAnswer():
                message = notice(point, "no_answer", test=event.test)
            case PointStepResult():
                message = step_result(
                    point,
                    event.kind,
                    test=event.test,
                    step=event.step,
                    down=event.down,
                    up_sender=event.up_sender,
                    stamp=event.stamp,
                    end=event.end,
                )
            case PointCapacityResult():
                message = CapacityResult(
                    hub="bu-dang", point=point, boot_id=BOOT, test=event.test, step=event.step,
                    direction=event.direction, statistics=event.statistics,
                )  # fmt: skip
        if message is not None:
            task = asyncio.get_running_loop().create_task(self._say_over_the_line(message))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _say_over_the_line(self, message: TestNotice | StepResult | CapacityResult) -> None:
        if isinstance(message, StepResult) and message.kind is StepKind.REHEARSAL:
            await asyncio.sleep(self.held_up.get(message.point, 0.0))
        await self.say(message)


def measuring_of(config: ServerConfig, port: int = 0, **changes: Any) -> MeasuringEnd:
    """Return a measuring end for the district, not started."""
    points = [(hub.id, point.id) for hub in config.hubs for point in hub.points]
    where = MeasureConfig(host="127.0.0.1", port=port, advertise_host="127.0.0.1", **changes)
    return MeasuringEnd(where, points)


def coordinator_of(
    config: ServerConfig, rooms: Rooms, measuring: MeasuringEnd, store: Any, **changes: Any
) -> Coordinator:
    """Return a coordinator with short steps, joined to ``rooms``."""
    values: dict[str, Any] = {"limits": LIMITS, "full": lambda _: SHORT, "quick": lambda _: QUICK}
    pace = Pace(**values | changes)
    coordinator = Coordinator(config, Board.of(config), store, measuring, rooms.publish, pace)
    rooms.coordinator = coordinator
    return coordinator
