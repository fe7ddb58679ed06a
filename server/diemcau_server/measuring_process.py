"""One measuring process of the hub: kept alive, asked by futures (decision 0012).

Packets are paced and stamped in ``python -m diemcau_line hub``; here only its commands and events
pass through. Its events arrive in a reader thread and are handed to the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from diemcau_line.protocol import (
    CapacityPlanned,
    Command,
    Event,
    Failed,
    HubCapacityResult,
    HubCounters,
    HubReady,
    HubStepResult,
    ReportCounters,
    SetStampSessions,
    StampSession,
    StartHub,
    StepPlanned,
    TestClosed,
    TestOpened,
)
from diemcau_line.worker import WorkerGoneError, WorkerProcess

READY_SECONDS = 15.0
"""The process imports and binds in 1 s; an old machine that also starts its services needs more."""

RESTART_FIRST_SECONDS = 0.5
RESTART_MOST_SECONDS = 30.0
STABLE_SECONDS = 60.0
"""A process that lived this long starts over with the first pause."""

_ANSWERS: Mapping[type[object], str] = {
    HubReady: "start_hub",
    TestOpened: "open_test",
    TestClosed: "close_test",
    HubCounters: "report_counters",
}
"""The command that each event answers."""

HubResult = HubStepResult | HubCapacityResult

_LOG = logging.getLogger(__name__)


class MeasuringError(Exception):
    """The measuring end is not there or refuses; the text says why."""


class CannotBindError(MeasuringError):
    """A process cannot listen on its port; ``error_number`` is the system's (errno)."""

    def __init__(self, text: str, start: StartHub, error_number: int) -> None:
        super().__init__(text)
        self.address = ", ".join(f"{host}:{start.port}" for host in start.bind)
        self.error_number = error_number


class MeasuringProcess:
    """One process, started with the same command whenever it has ended.

    ``number`` counts from 1. ``on_result`` gets its figures, ``on_lost`` is called when it has
    ended; both in the event loop.
    """

    def __init__(
        self,
        number: int,
        start: StartHub,
        sessions: Sequence[StampSession],
        on_result: Callable[[HubResult], None],
        on_lost: "Callable[[MeasuringProcess], None]",
    ) -> None:
        self.number = number
        self.started = asyncio.Event()
        """Set while the process runs and listens."""
        self._start = start
        self._sessions = tuple(sessions)
        self._on_result = on_result
        self._on_lost = on_lost
        self._worker: WorkerProcess | None = None
        self._gone = asyncio.Event()
        self._answers: dict[str, asyncio.Future[Event]] = {}
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether the process runs and listens."""
        return self.started.is_set()

    @property
    def port(self) -> int:
        """The UDP port, known after the start."""
        return self._start.port

    @property
    def pid(self) -> int | None:
        """The process's id, or None while it does not run."""
        return self._worker.pid if self._worker else None

    async def start(self) -> None:
        """Start the process and keep it running.

        Raises:
            MeasuringError: it cannot listen; ``stop`` need not be called then.
        """
        await self._launch()
        name = f"measuring process {self.number}"
        self._supervisor = asyncio.create_task(self._supervise(), name=name)

    async def stop(self) -> None:
        """End the process, and with it all its traffic."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        self._lose("the server stops")
        await self.end()

    async def end(self) -> None:
        """End the process; where it is kept running, a new one follows."""
        worker, self._worker = self._worker, None
        self.started.clear()
        if worker is not None:
            await asyncio.to_thread(worker.stop)
            self._gone.set()

    async def ask(self, command: Command, key: str = "") -> Event:
        """Send ``command`` and return the event that answers it; ``key`` tells its like apart.

        Raises:
            MeasuringError: the process is not there or refuses.
        """
        key = key or command.command
        answer = self._expect(key)
        try:
            await self.send(command)
            return await answer
        finally:
            self._answers.pop(key, None)

    async def send(self, command: Command) -> None:
        """Send a command that has no answer.

        Raises:
            MeasuringError: the process is not there.
        """
        if not self.available or self._worker is None:
            message = "the measuring process does not run"
            raise MeasuringError(message)
        await self._send_to(self._worker, command)

    async def counters(self) -> HubCounters:
        """Return the totals of the process since its start.

        Raises:
            MeasuringError: the process is not there.
        """
        answer = await self.ask(ReportCounters())
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
                _LOG.error("measuring process %d cannot be started: %s", self.number, error)

    async def _launch(self) -> None:
        """Start one process and wait until it listens; its port stays the same from then on."""
        loop = asyncio.get_running_loop()
        await self.end()
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
                answer = self._expect(self._start.command)
                await self._send_to(worker, self._start)
                ready = await answer
        except (OSError, TimeoutError, MeasuringError) as error:
            self._gone.set()
            await self.end()
            if isinstance(error, CannotBindError):
                raise
            raise MeasuringError(str(error) or "it does not answer") from error
        if isinstance(ready, HubReady):
            self._start = replace(self._start, port=ready.port)
        self.started.set()
        await self.send(SetStampSessions(self._sessions))
        _LOG.info("measuring process %d listens on UDP port %d", self.number, self.port)

    async def _send_to(self, worker: WorkerProcess, command: Command) -> None:
        try:
            await asyncio.to_thread(worker.send, command)
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
        if isinstance(event, HubStepResult | HubCapacityResult):
            self._on_result(event)
        elif isinstance(event, Failed):
            self._fail(event)
        elif isinstance(event, StepPlanned):
            self._answer(f"run_step {event.step}", event)
        elif isinstance(event, CapacityPlanned):
            self._answer(f"run_capacity {event.step}", event)
        elif type(event) in _ANSWERS:
            self._answer(_ANSWERS[type(event)], event)
        else:
            _LOG.debug("measuring process %d: %s", self.number, event)

    def _on_exit(self, worker: WorkerProcess, code: int) -> None:
        if worker is self._worker:
            text = f"measuring process {self.number} has ended (exit code {code})"
            _LOG.error("%s", text)
            self._lose(text)

    def _answer(self, key: str, event: Event) -> None:
        future = self._answers.pop(key, None)
        if future is not None and not future.done():
            future.set_result(event)

    def _fail(self, event: Failed) -> None:
        """Fail whoever waits for the answer to the command that could not be done."""
        text = f"{event.command}: {event.reason}: {event.detail}"
        waiting = [key for key in self._answers if key.split()[0] == event.command]
        if not waiting:
            _LOG.warning("measuring process %d: %s", self.number, text)
        error = MeasuringError(text)
        if event.reason == "cannot_bind":
            error = CannotBindError(text, self._start, event.error_number)
        self._fail_answers(waiting, error)

    def _fail_answers(self, keys: Sequence[str], error: MeasuringError) -> None:
        for key in keys:
            future = self._answers.pop(key)
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: whoever asked may fail while sending, and not await it

    def _lose(self, text: str) -> None:
        """Tell everyone who waits that the process is gone."""
        self.started.clear()
        self._fail_answers(list(self._answers), MeasuringError(text))
        self._on_lost(self)
        self._gone.set()


def _hand_over(loop: asyncio.AbstractEventLoop, take: Callable[..., None], *given: object) -> None:
    """Call ``take`` in the loop, from the reader thread; a loop that has ended needs nothing."""
    try:
        loop.call_soon_threadsafe(take, *given)
    except RuntimeError:
        _LOG.debug("the event loop has ended before the measuring process")
