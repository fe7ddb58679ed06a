"""Starts, watches and ends tests, one at a time: hubs of one server share its measuring end."""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from diemcau_contract.codec import UpMessage
from diemcau_contract.logs import belonging
from diemcau_contract.messages import CapacityResult, DevicesResult, StepResult, TestNotice
from diemcau_contract.result import TestResult
from diemcau_contract.topics import UpTopic
from diemcau_contract.words import Direction
from diemcau_server.capacity import LineCapacity, hub_rates
from diemcau_server.config import ServerConfig
from diemcau_server.coordinator.capacity import CapacityTask
from diemcau_server.coordinator.errors import (
    CoordinatorError,
    TestRunningError,
    cancelled,
    lines_only,
    not_stored,
    stopped_short,
    took_too_long,
)
from diemcau_server.coordinator.gathered import Outcome, TestOrder
from diemcau_server.coordinator.limits import CAPACITY_POINTS_MOST, TimeLimits
from diemcau_server.coordinator.point import Ignored
from diemcau_server.coordinator.run import Publish, TestRun
from diemcau_server.coordinator.selection import (
    Selection,
    Wanted,
    check_bound,
    check_capacity,
    select,
)
from diemcau_server.errors import StoreError
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.state import Board
from diemcau_server.steps import PREFLIGHT, StepsOfTest, full_test, quick_test

if TYPE_CHECKING:
    from diemcau_server.coordinator.run import EndReason

SCHEDULE = "lịch đo đêm"
"""Who asks for what the schedule starts, as agents and logs name it."""

_REMEMBERED_TESTS = 8
"""Ended tests kept for a late listener; older ones are in the store."""

_LOG = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class ResultStore(Protocol):
    """Where results are kept."""

    async def save_test(self, result: TestResult, detail: dict[str, Any]) -> None:
        """Keep a result with what lies behind it.

        Raises:
            StoreError: it could not be kept.
        """

    async def save_capacity(self, hub: str, point: str, found: LineCapacity) -> None:
        """Keep the capacity of a line.

        Raises:
            StoreError: it could not be kept.
        """


@dataclass(frozen=True, slots=True)
class Pace:
    """How tests are carried out; the defaults are those of a server, tests have shorter ones."""

    limits: TimeLimits = field(default_factory=TimeLimits)
    full: Callable[[Sequence[str]], StepsOfTest] = full_test
    quick: Callable[[Sequence[str]], StepsOfTest] = quick_test
    clock: Callable[[], datetime] = _now
    """Tells the wall time, in UTC."""


_USUAL_PACE = Pace()


class Coordinator:
    """The tests of this server."""

    def __init__(
        self,
        config: ServerConfig,
        board: Board,
        store: ResultStore,
        measuring: MeasuringEnd,
        publish: Publish,
        pace: Pace = _USUAL_PACE,
    ) -> None:
        self.ignored: Counter[Ignored] = Counter()
        self._config = config
        self._board = board
        self._store = store
        self._measuring = measuring
        self._publish = publish
        self._pace = pace
        self._current: TestRun | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, TestRun] = {}
        self._before: list[Callable[[], None]] = []
        self._after: list[Callable[[TestOrder, Outcome], None]] = []

    def before_each_test(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when a test takes the line, before anything is sent for it."""
        self._before.append(call)

    def after_each_test(self, call: Callable[[TestOrder, Outcome], None]) -> None:
        """Have ``call`` called when a test has ended, with or without a result."""
        self._after.append(call)

    async def start(self, request: Wanted) -> TestRun:
        """Start a test; it goes on by itself.

        Raises:
            SelectionError: the request names something unknown.
            TestRunningError: there is a test already.
            UnavailableError: the measuring end or the broker does not answer.
        """
        now = self._pace.clock()
        chosen = select(self._config, request, now)
        check_bound(self._config.measure.max_bits_per_second, chosen, quick=request.quick)
        if request.capacity:
            check_capacity(self._config, chosen, now, CAPACITY_POINTS_MOST)
        await self._give_way()
        names = [one.point for one in chosen.points]
        steps = (self._pace.quick if request.quick else self._pace.full)(names)
        run = self._take_line(chosen, steps, request, now)
        with belonging(test=run.order.test):
            await self._open(run)
        self._begin(run)
        return run

    async def measure_capacity(self, hub: str, points: Sequence[str]) -> bool:
        """Measure the lines of ``points`` of ``hub`` and nothing else; return when it is over.

        Gives True when all had their turn, False when it gave way to somebody's test or failed;
        what was measured until then is kept either way.

        Raises:
            SelectionError: a point or the hub is not in the configuration.
            TestRunningError: there is a test already.
        """
        now = self._pace.clock()
        request = Wanted(SCHEDULE, hub, tuple(points), capacity=True)
        chosen = replace(select(self._config, request, now), session=None)
        self.require_idle()
        nothing = StepsOfTest((PREFLIGHT,), complete=False)
        run = self._take_line(chosen, nothing, request, now, lines_only=True)
        self._begin(run)
        try:
            await asyncio.wait([self._tasks[run.order.test]])
        except asyncio.CancelledError:
            await self.cancel(run.order.test)
            raise
        error = run.outcome.error if run.outcome else None
        return error is not None and error.code == lines_only().code

    @property
    def is_testing(self) -> bool:
        """Whether a test runs."""
        return self._current is not None

    def require_idle(self) -> None:
        """Refuse what would disturb a test.

        Raises:
            TestRunningError: there is one.
        """
        if self._current is not None:
            order = self._current.order
            raise TestRunningError(order.test, order.asked_by, order.started_at)

    def run_of(self, test: str) -> TestRun | None:
        """Return the test while it runs and for a while after its end."""
        current = self._current
        if current is not None and current.order.test == test:
            return current
        return self._ended.get(test)

    async def cancel(self, test: str) -> bool:
        """End a running test; return False when it does not run. Its traffic has stopped then."""
        task = self._tasks.get(test)
        if task is None:
            return False
        task.cancel()
        await asyncio.wait([task])
        run = self.run_of(test)
        if test in self._tasks and run is not None:
            # Cancelled before its first instruction: its own clean-up never ran.
            with belonging(test=test):
                await run.leave("cancelled")
                self._finish(run, Outcome(error=cancelled()))
        return True

    async def stop(self) -> None:
        """End all tests, for the stop of the server."""
        for test in list(self._tasks):
            await self.cancel(test)

    async def on_message(self, topic: UpTopic, message: UpMessage) -> None:
        """Take a message from a point; what belongs to no running test is counted and dropped."""
        if not isinstance(message, TestNotice | StepResult | CapacityResult | DevicesResult):
            return
        if message.test in self._ended and _is_goodbye(message):
            return
        run = self._current
        ignored = run.take(topic, message) if run else Ignored.NO_TEST
        if ignored is not None:
            self.ignored[ignored] += 1
            with belonging(test=message.test):
                _LOG.info("message of %s/%s ignored: %s", topic.hub, topic.point, ignored)

    async def _give_way(self) -> None:
        """End what nobody waits for.

        Raises:
            TestRunningError: there is a test that somebody asked for.
        """
        current = self._current
        if current is not None and current.order.lines_only:
            _LOG.info("test %s gives way to somebody's test", current.order.test)
            await self.cancel(current.order.test)
        self.require_idle()

    def _take_line(
        self, chosen: Selection, steps: StepsOfTest, request: Wanted, now: datetime, *,
        lines_only: bool = False,
    ) -> TestRun:  # fmt: skip
        """Return a new test, which has the line from now on."""
        hub = chosen.hub

        async def keep(point: str, found: LineCapacity) -> None:
            self._board.capacity_measured(hub, point, found)
            try:
                await self._store.save_capacity(hub, point, found)
            except StoreError as error:
                _LOG.error("the capacity of %s/%s could not be stored: %s", hub, point, error)

        run = TestRun(
            TestOrder(
                test=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
                hub=hub,
                points=chosen.points,
                session=chosen.session,
                profile=chosen.profile,
                planned=chosen.planned,
                steps=steps,
                asked_by=request.asked_by,
                started_at=now,
                capacity=request.capacity,
                silent=request.silent,
                lines_only=lines_only,
                task=self._capacity_task(hub),
                connected=self._board.connected(hub),
            ),
            self._measuring,
            self._publish,
            self._pace.limits,
            keep,
        )
        self._current = run
        for call in self._before:
            call()
        return run

    def _capacity_task(self, hub: str) -> CapacityTask:
        section, known = self._config.hub(hub), self._board.capacities(hub)
        line = section.line if section else None
        configured = None
        if line is not None:
            configured = {
                Direction.UP: line.up_bits_per_second,
                Direction.DOWN: line.down_bits_per_second,
            }
        most = float(self._config.measure.capacity_most_bits_per_second)
        room = {way: min(rate, most) for way, rate in hub_rates(configured, known).items()}
        return CapacityTask(known, configured, room)

    async def _open(self, run: TestRun) -> None:
        opened = False
        try:
            await run.open()
            opened = True
        finally:
            if not opened:
                self._current = None
                await run.leave("failed")

    def _begin(self, run: TestRun) -> None:
        order = run.order
        self._board.test_began(order.hub, [one.point for one in order.points])
        with belonging(test=order.test):
            task = asyncio.create_task(self._carry_out(run), name=f"test {order.test}")
            _LOG.info(
                "test of %d points begins: hub %s, asked for by %s",
                len(order.points), order.hub, order.asked_by,
            )  # fmt: skip
        self._tasks[order.test] = task

    async def _carry_out(self, run: TestRun) -> None:
        """Bring a test to its end, whatever happens: traffic stopped, slot free, everyone told."""
        reason: EndReason = "failed"
        outcome = Outcome(error=stopped_short())
        try:
            async with asyncio.timeout(run.limit_seconds):
                outcome = await self._measured(run)
            reason = "finished"
            if outcome.result is not None:
                outcome = await self._kept(run, outcome.result)
        except TimeoutError:
            outcome = Outcome(error=took_too_long(run.limit_seconds))
        except asyncio.CancelledError:
            reason, outcome = "cancelled", Outcome(error=cancelled())
        except CoordinatorError as error:
            outcome = Outcome(error=error)
        finally:
            await run.leave(reason)
            self._finish(run, outcome)

    async def _measured(self, run: TestRun) -> Outcome:
        if not run.order.lines_only:
            return Outcome(result=await run.measure())
        await run.open()
        await run.measure_lines_only()
        return Outcome(error=lines_only())

    async def _kept(self, run: TestRun, result: TestResult) -> Outcome:
        try:
            await self._store.save_test(result, run.detail())
        except StoreError as error:
            _LOG.error("the test could not be stored: %s", error)
            return Outcome(error=not_stored())
        return Outcome(result=result)

    def _finish(self, run: TestRun, outcome: Outcome) -> None:
        order = run.order
        self._board.test_ended(order.hub, [one.point for one in order.points], outcome.result)
        for point, load in run.capacity_bytes.items():
            self._board.capacity_loaded(order.hub, point, load)
        self._current = None
        self._tasks.pop(order.test, None)
        self._ended[order.test] = run
        while len(self._ended) > _REMEMBERED_TESTS:
            del self._ended[next(iter(self._ended))]
        _LOG.info("test ended: hub %s, %s", order.hub, _in_words(outcome))
        run.conclude(outcome)
        for call in self._after:
            call(order, outcome)


def _is_goodbye(message: UpMessage) -> bool:
    """Whether a point says that it has left the test, as each does once it was told of its end."""
    return isinstance(message, TestNotice) and message.event == "ended"


def _in_words(outcome: Outcome) -> str:
    """Return how a test ended, for the log."""
    result = outcome.result
    if result is None:
        return str(outcome.error)
    verdicts = Counter(str(one.verdict) for one in result.points)
    points = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    return f"{result.verdict} (points: {points}; the hub's line: {result.hub_line.verdict})"
