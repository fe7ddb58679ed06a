"""The hub's measuring end: one process or several, which the points share out (decision 0023)."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from diemcau_contract.causes import Text
from diemcau_contract.measurements import CapacityStatistics
from diemcau_contract.messages import MeasureSettings, PlannedCapacity, PlannedStep
from diemcau_contract.tickets import issue
from diemcau_contract.words import Direction
from diemcau_line.protocol import (
    CapacityPlanned,
    CloseTest,
    CutStep,
    Event,
    HubFlow,
    HubStepResult,
    OpenTest,
    RunCapacity,
    RunStep,
    StampSession,
    StartHub,
    StepPlanned,
)
from diemcau_line.traffic import offered_bits_per_second
from diemcau_server.config import MeasureConfig
from diemcau_server.evidence import HubFigures
from diemcau_server.flows import CAPACITY_SECONDS, FlowOrder, ticket_of
from diemcau_server.measuring_process import HubResult, MeasuringError, MeasuringProcess
from diemcau_server.steps import Row

LEAD_SECONDS = 0.7
"""From planning to the first packet: the command crosses the broker and a bad line meanwhile."""

CLOSE_SECONDS = 2.0
"""A process that has not stopped its traffic by then is ended instead."""

_NS = 1_000_000_000
_CAPACITY_LEAST = 100_000
"""Below this a packet comes every 100 ms: nothing could be told."""

_LOG = logging.getLogger(__name__)


class TestListener(Protocol):
    """Who wants to know what happens to a test at the hub's end."""

    def hub_figures(self, point: str, step: int, figures: HubFigures) -> None:
        """Take what the hub's end measured of one point in one step."""

    def hub_capacity(
        self, point: str, direction: Direction, statistics: CapacityStatistics | None
    ) -> None:
        """Take what the hub's end says of one point's capacity; None where the point received."""

    def measuring_lost(self) -> None:
        """Note that a process of the test has died: with it went a part of the load."""


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
    flows: Mapping[str, FlowOrder]
    at: Mapping[str, MeasuringProcess]
    """The process of each point."""
    listener: TestListener
    lost: bool = False
    loads: list[tuple[float, Direction, float]] = field(default_factory=list)
    """The capacity steps: their ends on the loop's clock, their directions, their bits/s."""

    @property
    def processes(self) -> Collection[MeasuringProcess]:
        """The processes that take part."""
        return set(self.at.values())


class MeasuringEnd:
    """The measuring processes, with the keys of the points' STAMP sessions and of the tickets.

    Keys are made anew for each instance, so at each start of the server; they outlive a restart of
    a process. ``points`` are (hub, point); each keeps its process for as long as their list does
    not change, and neighbours in the list have different ones.
    """

    def __init__(
        self, where: MeasureConfig, points: Sequence[tuple[str, str]], *, dscp: int = 34
    ) -> None:
        self._where = where
        self._dscp = dscp
        self._ssids = {one: number for number, one in enumerate(points, start=1)}
        self._keys = {one: secrets.token_hex(32) for one in points}
        self._ticket_key = secrets.token_bytes(32)
        self._test: _Test | None = None
        self.processes = tuple(
            self._process(number, points[number :: where.processes])
            for number in range(where.processes)
        )
        self._at = {
            one: self.processes[number % where.processes] for number, one in enumerate(points)
        }

    @property
    def available(self) -> bool:
        """Whether every process runs and listens."""
        return all(process.available for process in self.processes)

    @property
    def port(self) -> int:
        """The UDP port of the first process, known after the start."""
        return self.processes[0].port

    def troubles(self) -> list[Text]:
        """Return a sentence for each process that does not run."""
        most = len(self.processes)
        return [
            Text(
                f"tiến trình đo {process.number} trên {most} không chạy",
                f"measuring process {process.number} of {most} does not run",
            )
            for process in self.processes
            if not process.available
        ]

    def settings_of(self, hub: str, point: str) -> MeasureSettings:
        """Return where and how ``point`` keeps its light flow.

        Raises:
            KeyError: the point is not one of this server.
        """
        return MeasureSettings(
            host=self._where.advertise_host,
            port=self._at[hub, point].port,
            ssid=self._ssids[hub, point],
            key=self._keys[hub, point],
            packets_per_second=self._where.packets_per_second,
            dscp=self._dscp,
        )

    async def start(self) -> None:
        """Start the processes and keep them running.

        Raises:
            MeasuringError: one cannot listen; ``stop`` need not be called then.
        """
        try:
            await _together(process.start() for process in self.processes)
        except MeasuringError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the processes, and with them all traffic."""
        await _together(process.stop() for process in self.processes)

    async def open_test(
        self,
        test: str,
        flows: Sequence[FlowOrder],
        *,
        hub: str,
        expires_in_seconds: float,
        listener: TestListener,
        capacity: bool = False,
    ) -> dict[str, str]:
        """Let these flows in, on request also for their capacity; return each point's ticket.

        Raises:
            MeasuringError: a process that is needed is not there or refuses.
        """
        opened = _Test(
            test,
            {one.point: one for one in flows},
            {one.point: self._at[hub, one.point] for one in flows},
            listener,
        )
        try:
            await _together(
                process.ask(_opening(opened, process, expires_in_seconds))
                for process in opened.processes
            )
        except BaseException:
            await self._close(opened)
            raise
        self._test = opened
        not_after = time.time() + expires_in_seconds
        most = self._where.capacity_most_bits_per_second if capacity else None
        return {
            one.point: issue(
                ticket_of(test, one, expires_in_seconds, not_after, most), self._ticket_key
            )
            for one in flows
        }

    async def plan_steps(
        self, test: str, rows: Sequence[Row], points: Sequence[str], begins_at: float
    ) -> Mapping[str, Sequence[PlannedStep]]:
        """Plan steps of an opened test; return each of ``points`` those that it takes part in.

        ``begins_at`` is the start of the test's first step on the loop's clock. All processes start
        a step at the same instant; the times in the answer are on the clock of the point's own.

        Raises:
            MeasuringError: a process is not there, refuses, or has forgotten the test.
        """
        current = self._current(test)
        for _, row, _ in rows:
            flows = [current.flows[point] for point in points if row.includes(point)]
            for plans in ([one.down for one in flows], [one.up for one in flows]):
                offered = (offered_bits_per_second(plan, row.rate_ratio) for plan in plans)
                self._within_limit(sum(offered))
        planned: dict[str, list[PlannedStep]] = {point: [] for point in points}
        shares = {
            process: [point for point in points if current.at[point] is process]
            for process in current.processes
        }
        await _together(
            self._plan_at(process, current, rows, {one: planned[one] for one in share}, begins_at)
            for process, share in shares.items()
        )
        return planned

    async def plan_capacity(self, test: str, order: CapacityOrder) -> PlannedCapacity:
        """Plan the capacity of one direction of one point, to start after the lead.

        Raises:
            MeasuringError: the process is not there, refuses, or has forgotten the test.
        """
        current = self._current(test)
        most = self._where.capacity_most_bits_per_second
        if order.max_bits_per_second is not None:
            most = min(most, max(_CAPACITY_LEAST, round(order.max_bits_per_second)))
        start = round(max(order.start_bits_per_second, _CAPACITY_LEAST))
        command = RunCapacity(
            test=test,
            step=order.step,
            flow=current.flows[order.point].flow,
            direction=order.direction,
            starts_in_seconds=LEAD_SECONDS,
            duration_seconds=CAPACITY_SECONDS,
            start_bits_per_second=min(start, most),
            max_bits_per_second=most,
        )
        with self._load_of(current, command):
            answer = await current.at[order.point].ask(command, f"run_capacity {order.step}")
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
            MeasuringError: a process is not there, or has forgotten the test.
        """
        command = CutStep(test=test, step=step, duration_seconds=duration_seconds)
        await _together(process.send(command) for process in self._current(test).processes)

    async def end_test(self, test: str) -> None:
        """Stop the traffic of ``test`` at once and forget it; a process that does not is ended."""
        current = self._test
        if current is None or current.test != test:
            return
        self._test = None
        await self._close(current)

    def _process(self, number: int, points: Sequence[tuple[str, str]]) -> MeasuringProcess:
        where = self._where
        start = StartHub(
            ticket_key=self._ticket_key.hex(),
            bind=(where.host,),
            port=where.port + number if where.port else 0,
            dscp=self._dscp,
            max_bits_per_second=where.max_bits_per_second,
        )
        sessions = [StampSession(self._ssids[one], self._keys[one]) for one in points]
        return MeasuringProcess(number + 1, start, sessions, self._pass_on, self._note_loss)

    def _current(self, test: str) -> _Test:
        current = self._test
        if current is None or current.test != test or current.lost:
            message = f"test {test} is not open"
            raise MeasuringError(message)
        return current

    def _within_limit(self, bits_per_second: float) -> None:
        """Hold the hub's bound over all processes: each knows only what is its own."""
        most = self._where.max_bits_per_second
        if bits_per_second > most:
            bound = f"this hub's bound is {most:.0f}"
            message = f"over_limit: {bits_per_second:.0f} bit/s in all, {bound}"
            raise MeasuringError(message)

    @contextmanager
    def _load_of(self, current: _Test, command: RunCapacity) -> Iterator[None]:
        """Count a capacity step against the hub's bound, unless it comes to nothing."""
        now = asyncio.get_running_loop().time()
        current.loads = [load for load in current.loads if load[0] > now]
        way, wanted = command.direction, float(command.max_bits_per_second)
        self._within_limit(wanted + sum(beside for _, to, beside in current.loads if to is way))
        load = (now + command.starts_in_seconds + command.duration_seconds, way, wanted)
        current.loads.append(load)
        try:
            yield
        except BaseException:
            if load in current.loads:
                current.loads.remove(load)
            raise

    async def _plan_at(
        self,
        process: MeasuringProcess,
        current: _Test,
        rows: Sequence[Row],
        planned: Mapping[str, list[PlannedStep]],
        begins_at: float,
    ) -> None:
        for number, row, offset in rows:
            taking_part = [point for point in planned if row.includes(point)]
            if not taking_part:
                continue
            command = RunStep(
                test=current.test,
                step=number,
                kind=row.kind,
                flows=tuple(current.flows[point].flow for point in taking_part),
                rate_ratio=row.rate_ratio,
                starts_at_monotonic_ns=round((begins_at + offset) * _NS),
                duration_seconds=row.duration_seconds,
            )
            answer = await process.ask(command, f"run_step {number}")
            if isinstance(answer, StepPlanned):
                step = PlannedStep(
                    step=number,
                    kind=row.kind,
                    starts_at_hub_ns=answer.starts_at_hub_ns,
                    duration_seconds=row.duration_seconds,
                    rate_ratio=row.rate_ratio,
                )
                for point in taking_part:
                    planned[point].append(step)

    async def _close(self, test: _Test) -> None:
        await _together(_close_at(process, test.test) for process in test.processes)

    def _pass_on(self, result: HubResult) -> None:
        current = self._test
        if current is None or current.test != result.test:
            return
        if isinstance(result, HubStepResult):
            for one in result.flows:
                figures = HubFigures(up=one.up, down_sender=one.down_sender, end=result.end)
                current.listener.hub_figures(one.point, result.step, figures)
        else:
            current.listener.hub_capacity(result.point, result.direction, result.statistics)

    def _note_loss(self, process: MeasuringProcess) -> None:
        """End a test that ``process`` takes part in: all points at once is what it is about."""
        current = self._test
        if current is not None and not current.lost and process in current.processes:
            current.lost = True
            current.listener.measuring_lost()


def _opening(test: _Test, process: MeasuringProcess, expires_in_seconds: float) -> OpenTest:
    return OpenTest(
        test=test.test,
        flows=tuple(
            HubFlow(point=one.point, flow=one.flow, secret=one.secret, up=one.up, down=one.down)
            for one in test.flows.values()
            if test.at[one.point] is process
        ),
        expires_in_seconds=expires_in_seconds,
    )


async def _close_at(process: MeasuringProcess, test: str) -> None:
    if not process.available:
        return
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await process.ask(CloseTest(test))
    except MeasuringError as error:
        _LOG.info("test %s is closed already: %s", test, error)
    except TimeoutError:
        _LOG.error("measuring process %d does not stop test %s: it is ended", process.number, test)
        await process.end()


async def _together(asked: Iterable[Awaitable[Event | None]]) -> None:
    """Wait for all, then raise the first error."""
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
