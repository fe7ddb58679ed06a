"""One test from its first command to its result (SPEC 3.5)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel

from diemcau_contract.attribution import every_group_failed
from diemcau_contract.codec import encode
from diemcau_contract.measurements import CapacityStatistics
from diemcau_contract.messages import TestCut, TestEnd, TestOpen, TestStep
from diemcau_contract.result import TestResult
from diemcau_contract.topics import Down, UpTopic, down
from diemcau_contract.words import Direction, StepKind
from diemcau_line.protocol import GRACE_SECONDS
from diemcau_server.capacity import LineCapacity
from diemcau_server.coordinator.capacity import CapacityTurns, Channel
from diemcau_server.coordinator.errors import (
    CoordinatorError,
    broker_unavailable,
    measuring_unavailable,
)
from diemcau_server.coordinator.gathered import Gathered, Outcome, TestOrder
from diemcau_server.coordinator.limits import CAPACITY_POINT_SECONDS, TimeLimits
from diemcau_server.coordinator.point import Ignored, PointPhase, PointRun, TestMessage
from diemcau_server.coordinator.progress import Progress, StepProgress, point_progress
from diemcau_server.errors import PublishError
from diemcau_server.evidence import (
    HubFigures,
)
from diemcau_server.flows import CAPACITY_SECONDS, FlowOrder, new_flows
from diemcau_server.measuring import LEAD_SECONDS, MeasuringEnd
from diemcau_server.measuring_process import MeasuringError
from diemcau_server.steps import (
    CUT_SECONDS,
    MARGIN,
    StepPlan,
    StepsOfTest,
    split_steps,
)

Publish = Callable[[str, bytes], Awaitable[None]]
"""Publishes a payload on a topic with QoS 1.

Raises:
    PublishError: the broker did not take it.
"""

DECISION_SECONDS = 1.2
"""From the rehearsal's end to the steps that follow from it: its last packets, its figures, the
way of the commands."""

_LOG = logging.getLogger(__name__)


KeepCapacity = Callable[[str, LineCapacity], Awaitable[None]]
"""Keeps what was measured of one point, at once: what comes after may not come to its end."""

EndReason = Literal["finished", "cancelled", "failed"]


class TestRun:
    """A test while it runs; afterwards it keeps only its outcome and last progress."""

    def __init__(
        self,
        order: TestOrder,
        measuring: MeasuringEnd,
        publish: Publish,
        limits: TimeLimits,
        keep_capacity: KeepCapacity,
    ) -> None:
        self.order = order
        self.outcome: Outcome | None = None
        self._gathered = Gathered(order, lambda point: measuring.settings_of(order.hub, point).port)
        self._points = self._gathered.points
        self._measuring = measuring
        self._publish = publish
        self._limits = limits
        self._keep_capacity = keep_capacity
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._steps_begin: float | None = None
        self._settled = not order.steps.complete
        self._judging = False
        self._phase_now = ""
        self._waits_until = 0.0
        """Loop time until which it waits for accounts that are held up; 0: it does not."""
        self._lost = False
        self._pulse = asyncio.Event()

    @property
    def steps(self) -> StepsOfTest:
        """What is settled so far."""
        return self._gathered.steps

    @property
    def estimated_seconds(self) -> float:
        """Time that the test will take when every point answers."""
        return self.steps.opening_seconds + LEAD_SECONDS + self._line_seconds()

    @property
    def limit_seconds(self) -> float:
        """Time after which the test is given up."""
        more = CAPACITY_POINT_SECONDS * len(self.order.points) if self.order.capacity else 0.0
        return self._limits.whole_seconds + more

    @property
    def capacity_bytes(self) -> Mapping[str, Mapping[Direction, int]]:
        """What its capacity turns have put on each point's line so far."""
        return {one.point: one.capacity_bytes for one in self._points.values()}

    def outline(self) -> tuple[StepPlan, ...]:
        """Return the steps in their order, with the margin that follows from the rehearsal."""
        return self.steps.steps if self._settled else (*self.steps.steps, MARGIN)

    async def open(self) -> None:
        """Prepare the measuring end and ask every point to join.

        Raises:
            UnavailableError: the measuring end or the broker does not answer.
        """
        order = self.order
        flows = new_flows([one.point for one in order.points], order.profile.up, order.profile.down)
        try:
            async with asyncio.timeout(self._limits.measuring_seconds):
                tickets = await self._measuring.open_test(
                    order.test,
                    flows,
                    hub=order.hub,
                    expires_in_seconds=self.limit_seconds,
                    listener=self,
                    capacity=order.capacity,
                )
        except (MeasuringError, TimeoutError) as error:
            raise measuring_unavailable() from error
        self._began = self._loop.time()
        await self._send({flow.point: self._invitation(flow, tickets) for flow in flows})

    async def measure(self) -> TestResult:
        """Carry the opened test out and judge it.

        Raises:
            CoordinatorError: broker or measuring end was lost on the way.
        """
        await self._gather_points()
        joined = [one for one in self._points.values() if one.joined]
        if joined:
            await self._run_steps(joined)
            await self._wait_for_held_up(joined)
        await self._until(
            lambda: not any(one.awaits_devices for one in self._points.values()),
            self._began + self._limits.devices_seconds,
        )
        try:
            await self.measure_lines()
        except CoordinatorError as error:
            # What was measured before is as good as without it.
            _LOG.warning("test %s: capacity was not measured: %s", self.order.test, error)
        self._judging = True
        for one in self._points.values():
            one.close()
        self.tell()
        return self._gathered.result(self._loop.time() - self._began)

    async def measure_lines_only(self) -> None:
        """Measure the capacity of the points that join, and nothing else.

        Raises:
            CoordinatorError: broker or measuring end was lost on the way.
        """
        await self._gather_points()
        await self.measure_lines()

    async def measure_lines(self) -> None:
        """Measure the capacity of each line, where the order wants it.

        Raises:
            CoordinatorError: broker or measuring end was lost on the way.
        """
        if not self.order.capacity:
            return
        self._phase_now = "capacity"
        channel = Channel(self._send, self._until, self._measured)
        turns = CapacityTurns(
            self.order.test, self.order.profile, self.order.task, self._measuring, self._limits,
            channel,
        )  # fmt: skip
        joined = [one for one in self._points.values() if one.takes_part]
        await turns.run(joined, self._began + self.limit_seconds)

    async def _measured(self, one: PointRun) -> None:
        found = self._gathered.found(one)
        if found is not None:
            await self._keep_capacity(one.point, found)

    async def leave(self, reason: EndReason) -> None:
        """Stop all traffic of this test: the hub's own first, then every point's."""
        await self._measuring.end_test(self.order.test)
        end = TestEnd(test=self.order.test, reason=reason)
        try:
            await self._send(dict.fromkeys(self._points, end))
        except CoordinatorError as error:
            _LOG.warning("test %s: its end could not be sent: %s", self.order.test, error)

    def conclude(self, outcome: Outcome) -> None:
        """Hand the outcome to everyone who listens."""
        self.outcome = outcome
        self.tell()

    def take(self, topic: UpTopic, message: TestMessage) -> Ignored | None:
        """Take a message from a point, or say why it does not count."""
        if message.test != self.order.test:
            return Ignored.OTHER_TEST
        if topic.hub != self.order.hub or topic.point not in self._points:
            return Ignored.OTHER_POINT
        ignored = self._points[topic.point].take(message)
        if ignored is None:
            self.tell()
        return ignored

    def hub_figures(self, point: str, step: int, figures: HubFigures) -> None:
        """Take what the hub's measuring end says of one point in one step."""
        if point in self._points:
            self._points[point].take_hub(step, figures)
            self.tell()

    def hub_capacity(
        self, point: str, direction: Direction, statistics: CapacityStatistics | None
    ) -> None:
        """Take what the hub's end measured of one point's capacity."""
        if point in self._points and direction is Direction.UP:
            self._points[point].capacity.setdefault(direction, statistics)
            self.tell()

    def measuring_lost(self) -> None:
        """Note that the hub's measuring end has died under this test."""
        self._lost = True
        self.tell()

    def tell(self) -> None:
        """Wake everyone who waits for news."""
        self._pulse.set()
        self._pulse = asyncio.Event()

    def progress(self) -> Progress:
        """Show where the test stands now."""
        elapsed = self._loop.time() - self._began
        remaining = max(0.0, self._expected_end() - self._loop.time())
        if self.outcome is not None:
            remaining = 0.0
        overdue = self._told_by_now()
        ratio = elapsed / (elapsed + remaining) if elapsed + remaining > 0 else 0.0
        return Progress(
            test=self.order.test,
            phase=self._phase(),
            step=self._step(),
            steps=tuple(StepProgress.of(row) for row in self.outline()),
            elapsed_seconds=round(elapsed, 3),
            remaining_seconds=round(remaining, 3),
            points=tuple(
                point_progress(one, round(ratio, 3), self._gathered.known_of(one, overdue))
                for one in self._points.values()
            ),
        )

    async def events(self) -> AsyncIterator[Progress | Outcome]:
        """Give the present progress at once, then every change or tick, and at last the outcome."""
        while self.outcome is None:
            # Taken before the yield: what happens while the listener is busy wakes it at once.
            pulse = self._pulse
            yield self.progress()
            try:
                async with asyncio.timeout(self._limits.progress_seconds):
                    await pulse.wait()
            except TimeoutError:
                continue
        yield self.outcome

    def detail(self) -> dict[str, Any]:
        """Return everything behind the result, for ``--explain`` and the archive."""
        return self._gathered.detail()

    async def _gather_points(self) -> None:
        """Wait until every point has opened its flow or is given up."""
        points = self._points.values()
        connected = [one for one in points if one.point in self.order.connected]
        for asked, seconds in (
            (points, self._limits.absent_seconds),
            (connected, self._limits.accept_seconds),
        ):
            await self._until(
                lambda asked=asked: all(one.phase is not PointPhase.WAITING for one in asked),  # type: ignore[misc]  # the default binds the loop's value
                self._began + seconds,
            )
        for one in points:
            one.give_up()
        await self._until(
            lambda: not any(one.is_opening for one in points),
            self._began + self._limits.opening_seconds,
        )
        for one in points:
            one.close_opening()

    async def _run_steps(self, joined: list[PointRun]) -> None:
        """Run the settled steps, then those that follow from what they show."""
        self._steps_begin = self._loop.time() + LEAD_SECONDS
        await self._run_from(0, joined)
        if not self.order.steps.complete:
            return
        evidence = [self._gathered.evidence(one) for one in joined]
        if every_group_failed(evidence, self.order.profile):
            await self._add(split_steps([one.point for one in joined]), joined)
            evidence = [self._gathered.evidence(one) for one in joined]
        self._settled = True
        await self._add(self._gathered.margin(evidence), joined)

    async def _wait_for_held_up(self, joined: list[PointRun]) -> None:
        """Wait for accounts that are on their way over a line that the test has overloaded."""
        offsets = [
            offset + row.duration_seconds
            for _, row, offset in self.steps.timeline()
            if row.kind is StepKind.REHEARSAL
        ]
        begin = self._steps_begin or self._loop.time()
        deadline = begin + max(offsets, default=0.0) + self._limits.held_up_seconds
        if any(one.is_held_up for one in joined):
            self._waits_until = deadline
        await self._until(lambda: not any(one.is_held_up for one in joined), deadline)
        self._waits_until = 0.0

    async def _add(self, rows: tuple[StepPlan, ...], joined: list[PointRun]) -> None:
        """Append ``rows`` to the test and run them."""
        if not rows or self._steps_begin is None:
            return
        first = len(self.steps.steps)
        now = self._loop.time() - self._steps_begin
        self._gathered.steps = self.steps.followed_by(rows, now + LEAD_SECONDS)
        await self._run_from(first, joined)

    async def _run_from(self, first: int, joined: list[PointRun]) -> None:
        """Start the steps from ``first`` on at both ends and wait for what they bring.

        Raises:
            CoordinatorError: broker or measuring end was lost on the way.
        """
        rows = self.steps.timeline(first)
        begin = self._steps_begin or self._loop.time()
        try:
            async with asyncio.timeout(self._limits.measuring_seconds):
                planned = await self._measuring.plan_steps(
                    self.order.test, rows, [one.point for one in joined], begin
                )
        except (MeasuringError, TimeoutError) as error:
            raise measuring_unavailable() from error
        commands: dict[str, BaseModel] = {}
        for one in joined:
            numbers = {number for number, row, _ in rows if row.includes(one.point)}
            if numbers and one.takes_part:
                one.expect(numbers)
                steps = tuple(planned[one.point])
                commands[one.point] = TestStep(test=self.order.test, steps=steps)
        await self._send(commands)
        end = begin + self.steps.duration_seconds
        if first == 0 and self.steps.complete:
            await self._until(
                lambda: self._all_failed(joined) or not any(one.awaits_line for one in joined), end
            )
            if self._all_failed(joined):
                await self._cut_rehearsal(begin, joined)
                end = begin + self.steps.duration_seconds
        await self._until(
            lambda: not any(one.awaits_line for one in joined), end + self._limits.results_seconds
        )

    def _all_failed(self, joined: list[PointRun]) -> bool:
        """Tell whether every point that takes part was clearly bad in its group: no doubt is left.

        Nothing like it is asked of points that pass: they get the whole 15 s.
        """
        taking_part = [one for one in joined if one.takes_part]
        return bool(taking_part) and all(self._gathered.failed_so_far(one) for one in taking_part)

    async def _cut_rehearsal(self, begin: float, joined: list[PointRun]) -> None:
        """Shorten the rehearsal, which spares everybody 10 s; the lower rates say more."""
        number, row, offset = self.steps.timeline()[-1]
        gone = self._loop.time() - begin - offset
        seconds = max(CUT_SECONDS, gone + LEAD_SECONDS)
        if row.kind is not StepKind.REHEARSAL or seconds >= row.duration_seconds:
            return
        self._gathered.steps = self.steps.cut(number, seconds)
        try:
            await self._measuring.cut_step(self.order.test, number, seconds)
        except MeasuringError as error:
            raise measuring_unavailable() from error
        cut = TestCut(test=self.order.test, step=number, duration_seconds=seconds)
        await self._send({one.point: cut for one in joined if one.takes_part})

    def _invitation(self, flow: FlowOrder, tickets: Mapping[str, str]) -> TestOpen:
        return TestOpen(
            test=self.order.test,
            expires_in_seconds=self.limit_seconds,
            asked_by=self.order.asked_by,
            measure=self._measuring.settings_of(self.order.hub, flow.point).model_copy(
                update={"dscp": self.order.profile.dscp}
            ),
            ticket=tickets[flow.point],
            flow=flow.flow,
            flow_secret=flow.secret,
            up=flow.up,
            down=flow.down,
            check_devices=not self.order.lines_only,
            silent=self.order.silent,
        )

    async def _send(self, commands: Mapping[str, BaseModel]) -> None:
        """Publish one command to each point, all at once."""
        hub = self.order.hub
        try:
            async with asyncio.timeout(self._limits.publish_seconds):
                await asyncio.gather(
                    *(
                        self._publish(down(hub, point, Down.COMMAND), encode(command))
                        for point, command in commands.items()
                    )
                )
        except (PublishError, TimeoutError) as error:
            raise broker_unavailable() from error

    async def _until(self, done: Callable[[], bool], deadline: float) -> None:
        """Wait until ``done`` or ``deadline`` (loop time), whichever comes first.

        Raises:
            CoordinatorError: the measuring end has died meanwhile.
        """
        while not done():
            if self._lost:
                raise measuring_unavailable()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._pulse.wait()
            except TimeoutError:
                return
        if self._lost:
            raise measuring_unavailable()

    def _told_by_now(self) -> list[int]:
        """Return the steps whose results are overdue where they are not there."""
        if self._steps_begin is None:
            return []
        gone = self._loop.time() - self._steps_begin - self._limits.results_seconds
        return [
            number
            for number, row, offset in self.steps.timeline()
            if offset + row.duration_seconds < gone
        ]

    def _phase(self) -> str:
        if self._judging or self.outcome is not None:
            return "judging"
        if self._phase_now:
            return self._phase_now
        number = self._step()
        return "opening" if number is None else str(self.steps.steps[number].kind)

    def _step(self) -> int | None:
        """Return the number of the present step; None before the first."""
        if self._steps_begin is None or self._phase_now:
            return None
        return self.steps.number_at(self._loop.time() - self._steps_begin)

    def _line_seconds(self) -> float:
        """Return how long the steps take, with those that are expected to follow."""
        if self.order.capacity:
            points = [one.point for one in self.order.points]
            turns = 2 * len(self.order.task.batches(points))
            return self.steps.duration_seconds + turns * (LEAD_SECONDS + CAPACITY_SECONDS + 1)
        later = 0.0 if self._settled else DECISION_SECONDS + MARGIN.duration_seconds
        return self.steps.duration_seconds + later + GRACE_SECONDS

    def _expected_end(self) -> float:
        if self._steps_begin is None:
            return self._began + self.estimated_seconds
        return max(self._steps_begin + self._line_seconds(), self._waits_until)
