"""Starts, watches and ends tests, one at a time: hubs of one server share its measuring end."""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from diemcau_contract.codec import UpMessage
from diemcau_contract.logs import belonging
from diemcau_contract.messages import CapacityResult, DevicesResult, StepResult, TestNotice
from diemcau_contract.result import TestResult
from diemcau_contract.topics import UpTopic
from diemcau_server.config import ServerConfig
from diemcau_server.coordinator.errors import (
    CoordinatorError,
    TestRunningError,
    cancelled,
    not_stored,
    stopped_short,
    took_too_long,
)
from diemcau_server.coordinator.limits import CAPACITY_POINTS_MOST, TimeLimits
from diemcau_server.coordinator.point import Ignored
from diemcau_server.coordinator.run import Outcome, Publish, TestOrder, TestRun
from diemcau_server.coordinator.selection import Wanted, check_capacity, select
from diemcau_server.errors import StoreError
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.state import Board
from diemcau_server.steps import StepsOfTest, full_test, quick_test

if TYPE_CHECKING:
    from diemcau_server.coordinator.run import EndReason

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

    def before_each_test(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when a test takes the line, before anything is sent for it."""
        self._before.append(call)

    async def start(self, request: Wanted) -> TestRun:
        """Start a test; it goes on by itself.

        Raises:
            SelectionError: the request names something unknown.
            TestRunningError: there is a test already.
            UnavailableError: the measuring end or the broker does not answer.
        """
        now = self._pace.clock()
        chosen = select(self._config, request, now)
        if request.capacity:
            check_capacity(self._config, chosen, now, CAPACITY_POINTS_MOST)
        self.require_idle()
        names = [one.point for one in chosen.points]
        run = TestRun(
            TestOrder(
                test=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
                hub=chosen.hub,
                points=chosen.points,
                session=chosen.session,
                profile=chosen.profile,
                steps=(self._pace.quick if request.quick else self._pace.full)(names),
                asked_by=request.asked_by,
                started_at=now,
                capacity=request.capacity,
                known_capacity=self._board.capacities(chosen.hub),
                connected=self._board.connected(chosen.hub),
            ),
            self._measuring,
            self._publish,
            self._pace.limits,
        )
        self._current = run
        with belonging(test=run.order.test):
            await self._open(run)
            self._begin(run)
        return run

    async def _open(self, run: TestRun) -> None:
        for call in self._before:
            call()
        opened = False
        try:
            await run.open()
            opened = True
        finally:
            if not opened:
                self._current = None
                await run.leave("failed")

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
        run = self._current
        ignored = run.take(topic, message) if run else Ignored.NO_TEST
        if ignored is not None:
            self.ignored[ignored] += 1
            with belonging(test=message.test):
                _LOG.info("message of %s/%s ignored: %s", topic.hub, topic.point, ignored)

    def _begin(self, run: TestRun) -> None:
        order = run.order
        self._board.test_began(order.hub, [one.point for one in order.points])
        task = asyncio.create_task(self._carry_out(run), name=f"test {order.test}")
        self._tasks[order.test] = task
        _LOG.info("test of %d points begins", len(order.points))

    async def _carry_out(self, run: TestRun) -> None:
        """Bring a test to its end, whatever happens: traffic stopped, slot free, everyone told."""
        reason: EndReason = "failed"
        outcome = Outcome(error=stopped_short())
        try:
            async with asyncio.timeout(run.limit_seconds):
                result = await run.measure()
            reason = "finished"
            outcome = await self._kept(run, result)
        except TimeoutError:
            outcome = Outcome(error=took_too_long(run.limit_seconds))
        except asyncio.CancelledError:
            reason, outcome = "cancelled", Outcome(error=cancelled())
        except CoordinatorError as error:
            outcome = Outcome(error=error)
        finally:
            await run.leave(reason)
            self._finish(run, outcome)

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
        self._current = None
        self._tasks.pop(order.test, None)
        self._ended[order.test] = run
        while len(self._ended) > _REMEMBERED_TESTS:
            del self._ended[next(iter(self._ended))]
        _LOG.info("test ended: %s", outcome.error or "with a result")
        run.conclude(outcome)
