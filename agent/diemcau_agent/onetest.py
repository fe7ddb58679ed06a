"""The traffic of one test: its own measuring process, from the ticket to the last step."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from diemcau_contract.measurements import EndStatistics
from diemcau_contract.messages import PlannedCapacity, PlannedStep, TestOpen
from diemcau_contract.words import StepKind
from diemcau_line.protocol import (
    Abort,
    CutStep,
    Event,
    Failed,
    NoAnswer,
    Opened,
    OpenPoint,
    PointCapacity,
    PointCapacityResult,
    PointStep,
    PointStepResult,
    Refused,
)
from diemcau_line.protocol import Command as WorkerCommand
from diemcau_line.worker import WorkerGoneError, WorkerProcess

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """News of a test for the hub; ``detail`` is one English sentence."""

    event: Literal["accepted", "opened", "no_answer", "refused", "failed", "busy", "ended"]
    detail: str


class Outcome(StrEnum):
    """How far the test came."""

    ASKED = "asked"
    OPENED = "opened"
    REFUSED = "refused"
    """No traffic at all: refused, no answer, or the measuring process failed."""


News = Notice | PointStepResult | PointCapacityResult
Tell = Callable[[str, News], None]


class OneTest:
    """One test; ``end`` and ``plan`` may be called before, in and after ``run``."""

    def __init__(self, command: TestOpen, host: str, port: int) -> None:
        self.test = command.test
        self.outcome = Outcome.ASKED
        self.why_ended = ""
        self._command = command
        self._host = host
        self._port = port
        self.settled = asyncio.Event()
        """Set once the flow is open or is known not to open."""
        self._over = asyncio.Event()
        self._planned: list[PlannedStep] = []
        self._worker: WorkerProcess | None = None
        self._tell: Tell | None = None
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        """What comes from the worker's threads is logged under the ids of this test too."""

    @property
    def is_over(self) -> bool:
        """Whether it has been ended; its process may still be on its way out."""
        return self._over.is_set()

    def end(self, why: str) -> None:
        """Stop the traffic at once."""
        if not self._over.is_set():
            self.why_ended = why
            self._send(Abort(test=self.test))
            self._over.set()
            self.settled.set()

    def plan(self, steps: Iterable[PlannedStep]) -> None:
        """Hand steps to the measuring process, once it has opened the flow."""
        self._planned.extend(steps)
        if self.outcome is not Outcome.OPENED:
            return
        while self._planned:
            self._send(PointStep.of(self.test, self._planned.pop(0)))

    def measure_capacity(self, planned: PlannedCapacity) -> None:
        """Measure one direction's capacity."""
        self._send(PointCapacity.of(self.test, planned))

    def cut(self, step: int, duration_seconds: float) -> None:
        """Let a step end earlier than planned."""
        self._send(CutStep(test=self.test, step=step, duration_seconds=duration_seconds))

    async def run(self, tell: Tell) -> None:
        """Measure until the test is over or has expired; leaves no process behind."""
        self._tell = tell
        self._worker = WorkerProcess("point", self._from_thread, self._gone_from_thread)
        try:
            if await self._start(self._worker):
                await self._wait_for_end()
        finally:
            # Cancelled or not, the traffic ends: the process ends with its input.
            self._send(Abort(test=self.test))
            await _to_the_end(asyncio.create_task(asyncio.to_thread(self._worker.stop)))

    async def _start(self, worker: WorkerProcess) -> bool:
        try:
            await asyncio.to_thread(worker.start)
        except OSError as error:
            self._fail("failed", f"the measuring process cannot start: {error}")
            return False
        command = self._command
        self._send(
            OpenPoint(
                test=command.test,
                host=self._host,
                port=self._port,
                ticket=command.ticket,
                flow=command.flow,
                secret=command.flow_secret,
                ssid=command.measure.ssid,
                stamp_key=command.measure.key,
                up=command.up,
                down=command.down,
                dscp=command.measure.dscp,
            )
        )
        return True

    async def _wait_for_end(self) -> None:
        try:
            async with asyncio.timeout(self._command.expires_in_seconds):
                await self._over.wait()
        except TimeoutError:
            self.end("expired")
            _log.warning("test %s has expired: its traffic ends", self.test)

    def _send(self, command: WorkerCommand) -> None:
        if self._worker is None:
            return
        try:
            self._worker.send(command)
        except WorkerGoneError as error:
            _log.debug("%s not sent: %s", type(command).__name__, error)

    def _from_thread(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self._on_event, event, context=self._context)

    def _gone_from_thread(self, exit_code: int) -> None:
        self._loop.call_soon_threadsafe(self._on_exit, exit_code, context=self._context)

    def _on_exit(self, exit_code: int) -> None:
        if not self._over.is_set():
            self._fail("failed", f"the measuring process ended with exit code {exit_code}")

    def _on_event(self, event: Event) -> None:
        if self._over.is_set() or self._tell is None:
            return
        match event:
            case Opened():
                self.outcome = Outcome.OPENED
                self.settled.set()
                self._tell(self.test, Notice("opened", ""))
                self._tell(self.test, _preflight(event))
                self.plan(())
            case PointStepResult() | PointCapacityResult():
                self._tell(self.test, event)
            case NoAnswer():
                self._fail("no_answer", event.detail)
            case Refused():
                self._fail("refused", event.reason)
            case Failed():
                self._fail("failed", f"{event.command}: {event.reason}: {event.detail}")
            case _:
                _log.debug("event of the measuring process: %s", type(event).__name__)

    def _fail(self, event: Literal["no_answer", "refused", "failed"], detail: str) -> None:
        """Tell the hub that no traffic will come, but stay in the test for the devices' sake."""
        self.outcome = Outcome.REFUSED
        self.settled.set()
        if self._tell is not None:
            self._tell(self.test, Notice(event, detail))


def _preflight(opened: Opened) -> PointStepResult:
    """Return the preflight as the first step's result; it is part of the opening."""
    return PointStepResult(
        test=opened.test,
        step=0,
        kind=StepKind.PREFLIGHT,
        down=None,
        up_sender=None,
        stamp=opened.stamp,
        end=EndStatistics(0, None, None, opened.clock_synchronised),
        own_cpu_ratio=0.0,
        loop_lag_max_seconds=0.0,
    )


async def _to_the_end(task: asyncio.Task[int | None]) -> None:
    """Wait for ``task`` even when cancelled meanwhile."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
