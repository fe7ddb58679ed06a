"""The hub's measuring end: a process of its own, kept alive, asked by futures (decision 0012).

Packets are paced and stamped in ``python -m diemcau_line hub``; here only its commands and events
pass through. Its events arrive in a reader thread and are handed to the event loop.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from diemcau_contract.measurements import CapacityStatistics
from diemcau_contract.messages import MeasureSettings, PlannedCapacity, PlannedStep
from diemcau_contract.tickets import issue
from diemcau_contract.words import Direction
from diemcau_line.protocol import (
    Abort,
    CapacityPlanned,
    CloseTest,
    Command,
    CutStep,
    Event,
    Failed,
    HubCapacityResult,
    HubCounters,
    HubFlow,
    HubReady,
    HubStepResult,
    OpenTest,
    ReportCounters,
    RunCapacity,
    RunStep,
    SetStampSessions,
    StampSession,
    StartHub,
    StepPlanned,
    TestClosed,
    TestOpened,
)
from diemcau_line.worker import WorkerGoneError, WorkerProcess
from diemcau_server.config import MeasureConfig
from diemcau_server.evidence import HubFigures
from diemcau_server.flows import CAPACITY_SECONDS, FlowOrder, ticket_of
from diemcau_server.steps import Row

READY_SECONDS = 15.0
"""The process imports and binds in 1 s; an old machine that also starts its services needs more."""

LEAD_SECONDS = 0.7
"""From planning to the first packet: the command crosses the broker and a bad line meanwhile."""

CLOSE_SECONDS = 2.0
"""A process that has not stopped its traffic by then is ended instead."""

RESTART_FIRST_SECONDS = 0.5
RESTART_MOST_SECONDS = 30.0
STABLE_SECONDS = 60.0
"""A process that lived this long starts over with the first pause."""

_CAPACITY_LEAST = 100_000
"""Below this a packet comes every 100 ms: nothing could be told."""

_ANSWERS: Mapping[type[object], str] = {
    HubReady: "start_hub",
    TestOpened: "open_test",
    TestClosed: "close_test",
    HubCounters: "report_counters",
}
"""The command that each event answers."""

_LOG = logging.getLogger(__name__)


class MeasuringError(Exception):
    """The measuring end is not there or refuses; the text says why."""


class TestListener(Protocol):
    """Who wants to know what happens to a test at the hub's end."""

    def hub_figures(self, point: str, step: int, figures: HubFigures) -> None:
        """Take what the hub's end measured of one point in one step."""

    def hub_capacity(
        self, point: str, direction: Direction, statistics: CapacityStatistics | None
    ) -> None:
        """Take what the hub's end says of one point's capacity; None where the point received."""

    def measuring_lost(self) -> None:
        """Note that the process has died, and the test with it."""


@dataclass(frozen=True, slots=True)
class CapacityOrder:
    """One direction of one point; without a limit of its own that of the file holds."""

    step: int
    point: str
    direction: Direction
    start_bits_per_second: float
    max_bits_per_second: float | None = None


@dataclass(slots=True)
class _Test:
    test: str
    flows: Mapping[str, int]
    listener: TestListener


class MeasuringEnd:
    """The measuring process, with the keys of its STAMP sessions and of its tickets.

    Keys are made anew for each instance, so at each start of the server; they outlive a restart of
    the process. ``points`` are (hub, point).
    """

    def __init__(
        self, where: MeasureConfig, points: Sequence[tuple[str, str]], *, dscp: int = 34
    ) -> None:
        self._where = where
        self._port = where.port
        self._dscp = dscp
        self._ssids = {one: number for number, one in enumerate(points, start=1)}
        self._keys = {one: secrets.token_hex(32) for one in points}
        self._ticket_key = secrets.token_bytes(32)
        self._worker: WorkerProcess | None = None
        self._gone = asyncio.Event()
        self.started = asyncio.Event()
        """Set while the process runs and listens."""
        self._answers: dict[str, asyncio.Future[Event]] = {}
        self._test: _Test | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether the process runs and listens."""
        return self.started.is_set()

    @property
    def port(self) -> int:
        """The UDP port, known after the start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The process's id, or None while it does not run."""
        return self._worker.pid if self._worker else None

    def settings_of(self, hub: str, point: str) -> MeasureSettings:
        """Return where and how ``point`` keeps its light flow.

        Raises:
            KeyError: the point is not one of this server.
        """
        return MeasureSettings(
            host=self._where.advertise_host,
            port=self._port,
            ssid=self._ssids[hub, point],
            key=self._keys[hub, point],
            packets_per_second=self._where.packets_per_second,
            dscp=self._dscp,
        )

    async def start(self) -> None:
        """Start the process and keep it running.

        Raises:
            MeasuringError: it cannot listen; ``stop`` need not be called then.
        """
        await self._launch()
        self._supervisor = asyncio.create_task(self._supervise(), name="measuring end")

    async def stop(self) -> None:
        """End the process, and with it all its traffic."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        self._lose("the server stops")
        await self._end_worker()

    async def open_test(
        self,
        test: str,
        flows: Sequence[FlowOrder],
        *,
        expires_in_seconds: float,
        listener: TestListener,
        capacity: bool = False,
    ) -> dict[str, str]:
        """Let these flows in, on request also for their capacity; return each point's ticket.

        Raises:
            MeasuringError: the process is not there or refuses.
        """
        await self._ask(
            "open_test",
            OpenTest(
                test=test,
                flows=tuple(
                    HubFlow(
                        point=one.point,
                        flow=one.flow,
                        secret=one.secret,
                        up=one.up,
                        down=one.down,
                    )
                    for one in flows
                ),
                expires_in_seconds=expires_in_seconds,
            ),
        )
        self._test = _Test(test, {one.point: one.flow for one in flows}, listener)
        not_after = time.time() + expires_in_seconds
        most = self._where.capacity_max_bits_per_second if capacity else None
        return {
            one.point: issue(
                ticket_of(test, one, expires_in_seconds, not_after, most), self._ticket_key
            )
            for one in flows
        }

    async def plan_steps(
        self, test: str, rows: Sequence[Row], points: Sequence[str], begins_at: float
    ) -> tuple[PlannedStep, ...]:
        """Plan steps of an opened test for those of its ``points`` that take part in them.

        ``begins_at`` is the start of the test's first step on the loop's clock.

        Raises:
            MeasuringError: the process is not there, refuses, or has forgotten the test.
        """
        current = self._test
        if current is None or current.test != test:
            message = f"test {test} is not open"
            raise MeasuringError(message)
        planned: list[PlannedStep] = []
        for number, row, offset in rows:
            wait = begins_at + offset - asyncio.get_running_loop().time()
            command = RunStep(
                test=test,
                step=number,
                kind=row.kind,
                flows=tuple(current.flows[point] for point in points if row.includes(point)),
                rate_ratio=row.rate_ratio,
                starts_in_seconds=max(0.0, wait),
                duration_seconds=row.duration_seconds,
            )
            answer = await self._ask(f"run_step {number}", command)
            if isinstance(answer, StepPlanned):
                planned.append(
                    PlannedStep(
                        step=number,
                        kind=row.kind,
                        starts_at_hub_ns=answer.starts_at_hub_ns,
                        duration_seconds=row.duration_seconds,
                        rate_ratio=row.rate_ratio,
                    )
                )
        return tuple(planned)

    async def plan_capacity(self, test: str, order: CapacityOrder) -> PlannedCapacity:
        """Plan the capacity of one direction of one point, to start after the lead.

        Raises:
            MeasuringError: the process is not there, refuses, or has forgotten the test.
        """
        current = self._test
        if current is None or current.test != test:
            message = f"test {test} is not open"
            raise MeasuringError(message)
        most = self._where.capacity_max_bits_per_second
        if order.max_bits_per_second is not None:
            most = min(most, max(_CAPACITY_LEAST, round(order.max_bits_per_second)))
        start = round(max(order.start_bits_per_second, _CAPACITY_LEAST))
        command = RunCapacity(
            test=test,
            step=order.step,
            flow=current.flows[order.point],
            direction=order.direction,
            starts_in_seconds=LEAD_SECONDS,
            duration_seconds=CAPACITY_SECONDS,
            start_bits_per_second=min(start, most),
            max_bits_per_second=most,
        )
        answer = await self._ask(f"run_capacity {order.step}", command)
        if not isinstance(answer, CapacityPlanned):
            message = "the capacity was not planned"
            raise MeasuringError(message)
        return PlannedCapacity(
            step=order.step,
            direction=order.direction,
            starts_at_hub_ns=answer.starts_at_hub_ns,
            duration_seconds=answer.duration_seconds,
            start_bits_per_second=command.start_bits_per_second,
            max_bits_per_second=most,
        )

    async def cut_step(self, test: str, step: int, duration_seconds: float) -> None:
        """Let a step end earlier than planned.

        Raises:
            MeasuringError: the process is not there.
        """
        await self._send(CutStep(test=test, step=step, duration_seconds=duration_seconds))

    async def end_test(self, test: str) -> None:
        """Stop the traffic of ``test`` at once and forget it; a process that does not is ended."""
        if self._test is None or self._test.test != test:
            return
        self._test = None
        if not self.available:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send(Abort(test))
                await self._ask("close_test", CloseTest(test))
        except MeasuringError as error:
            _LOG.info("test %s is closed already: %s", test, error)
        except TimeoutError:
            _LOG.error("the measuring process does not stop test %s: it is ended", test)
            await self._end_worker()

    async def counters(self) -> HubCounters:
        """Return the totals of the process since its start.

        Raises:
            MeasuringError: the process is not there.
        """
        answer = await self._ask("report_counters", ReportCounters())
        if not isinstance(answer, HubCounters):
            message = "no counters came"
            raise MeasuringError(message)
        return answer

    async def _supervise(self) -> None:
        pause = RESTART_FIRST_SECONDS
        while True:
            began = time.monotonic()
            await self._gone.wait()
            if time.monotonic() - began > STABLE_SECONDS:
                pause = RESTART_FIRST_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, RESTART_MOST_SECONDS)
            try:
                await self._launch()
            except MeasuringError as error:
                _LOG.error("the measuring process cannot be started: %s", error)

    async def _launch(self) -> None:
        """Start one process and wait until it listens; its port stays the same from then on."""
        loop = asyncio.get_running_loop()
        await self._end_worker()
        self._gone.clear()
        worker = WorkerProcess(
            "hub",
            on_event=lambda event: _hand_over(loop, self._on_event, worker, event),
            on_exit=lambda code: _hand_over(loop, self._on_exit, worker, code),
        )
        self._worker = worker
        try:
            worker.start()
            async with asyncio.timeout(READY_SECONDS):
                ready = await self._ask_starting(worker)
        except (OSError, TimeoutError, MeasuringError) as error:
            self._gone.set()
            await self._end_worker()
            raise MeasuringError(str(error) or "it does not answer") from error
        if isinstance(ready, HubReady):
            self._port = ready.port
        self.started.set()
        await self._send(
            SetStampSessions(
                tuple(StampSession(self._ssids[one], self._keys[one]) for one in self._ssids)
            )
        )
        _LOG.info("the measuring end listens on UDP port %d", self._port)

    async def _ask_starting(self, worker: WorkerProcess) -> Event:
        answer = self._expect("start_hub")
        command = StartHub(
            ticket_key=self._ticket_key.hex(),
            bind=(self._where.host,),
            port=self._port,
            dscp=self._dscp,
            max_bits_per_second=self._where.max_bits_per_second,
        )
        try:
            await asyncio.to_thread(worker.send, command)
        except WorkerGoneError as error:
            raise MeasuringError(str(error)) from error
        return await answer

    async def _ask(self, key: str, command: Command) -> Event:
        """Send ``command`` and return the event that answers it under ``key``."""
        answer = self._expect(key)
        try:
            await self._send(command)
            return await answer
        finally:
            self._answers.pop(key, None)

    async def _send(self, command: Command) -> None:
        if not self.available or self._worker is None:
            message = "the measuring process does not run"
            raise MeasuringError(message)
        try:
            await asyncio.to_thread(self._worker.send, command)
        except WorkerGoneError as error:
            raise MeasuringError(str(error)) from error

    def _expect(self, key: str) -> asyncio.Future[Event]:
        before = self._answers.get(key)
        if before is not None and not before.done():
            before.cancel()
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._answers[key] = future
        return future

    def _on_event(self, worker: WorkerProcess, event: Event) -> None:
        if worker is not self._worker:
            return
        if isinstance(event, HubStepResult):
            self._pass_on(event)
        elif isinstance(event, Failed):
            self._fail(event)
        elif isinstance(event, StepPlanned):
            self._answer(f"run_step {event.step}", event)
        elif isinstance(event, CapacityPlanned):
            self._answer(f"run_capacity {event.step}", event)
        elif isinstance(event, HubCapacityResult):
            self._pass_capacity_on(event)
        elif type(event) in _ANSWERS:
            self._answer(_ANSWERS[type(event)], event)
        else:
            _LOG.debug("measuring end: %s", event)

    def _on_exit(self, worker: WorkerProcess, code: int) -> None:
        if worker is self._worker:
            _LOG.error("the measuring process has ended (exit code %d)", code)
            self._lose(f"the measuring process has ended (exit code {code})")

    def _pass_on(self, result: HubStepResult) -> None:
        current = self._test
        if current is None or current.test != result.test:
            return
        for one in result.flows:
            figures = HubFigures(up=one.up, down_sender=one.down_sender, end=result.end)
            current.listener.hub_figures(one.point, result.step, figures)

    def _pass_capacity_on(self, result: HubCapacityResult) -> None:
        current = self._test
        if current is not None and current.test == result.test:
            current.listener.hub_capacity(result.point, result.direction, result.statistics)

    def _answer(self, key: str, event: Event) -> None:
        future = self._answers.pop(key, None)
        if future is not None and not future.done():
            future.set_result(event)

    def _fail(self, event: Failed) -> None:
        """Fail whoever waits for the answer to the command that could not be done."""
        text = f"{event.command}: {event.reason}: {event.detail}"
        waiting = [key for key in self._answers if key.split()[0] == event.command]
        if not waiting:
            _LOG.warning("measuring end: %s", text)
        self._fail_answers(waiting, text)

    def _fail_answers(self, keys: Sequence[str], text: str) -> None:
        for key in keys:
            future = self._answers.pop(key)
            if not future.done():
                future.set_exception(MeasuringError(text))
                future.exception()  # seen: whoever asked may fail while sending, and not await it

    def _lose(self, text: str) -> None:
        """Tell everyone who waits that the process is gone."""
        self.started.clear()
        self._fail_answers(list(self._answers), text)
        current, self._test = self._test, None
        if current is not None:
            current.listener.measuring_lost()
        self._gone.set()

    async def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        self.started.clear()
        if worker is not None:
            await asyncio.to_thread(worker.stop)
            self._gone.set()


def _hand_over(loop: asyncio.AbstractEventLoop, take: Callable[..., None], *given: object) -> None:
    """Call ``take`` in the loop, from the reader thread; a loop that has ended needs nothing."""
    try:
        loop.call_soon_threadsafe(take, *given)
    except RuntimeError:
        _LOG.debug("the event loop has ended before the measuring process")
