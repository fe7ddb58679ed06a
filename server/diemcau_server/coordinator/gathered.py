"""What a test has gathered of its points by now, and what follows from it."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from diemcau_contract.attribution import attribute, failed_in_group
from diemcau_contract.causes import Cause
from diemcau_contract.evidence import PointEvidence
from diemcau_contract.judge import early_cause, judge, worst
from diemcau_contract.line_rules import worst_status
from diemcau_contract.profiles import Profile
from diemcau_contract.result import PointResult, TestResult
from diemcau_contract.validity import line_is_valid
from diemcau_contract.words import Direction, Status
from diemcau_server.capacity import LineCapacity
from diemcau_server.coordinator.capacity import CapacityTask, figure
from diemcau_server.coordinator.errors import CoordinatorError
from diemcau_server.coordinator.point import PointRun
from diemcau_server.coordinator.progress import Known
from diemcau_server.coordinator.selection import Chosen
from diemcau_server.evidence import JudgedPoint, hub_line, point_evidence, point_result
from diemcau_server.steps import StepPlan, StepsOfTest, margin_steps

_EVIDENCE: TypeAdapter[PointEvidence] = TypeAdapter(PointEvidence)


@dataclass(frozen=True, slots=True)
class TestOrder:
    """What is tested; settled before the first command."""

    test: str
    hub: str
    points: tuple[Chosen, ...]
    session: str | None
    profile: Profile
    planned: int
    """Points that are to take part in the conference."""
    steps: StepsOfTest
    asked_by: str
    started_at: datetime
    capacity: bool = False
    """Measure each line's capacity after the steps."""
    silent: bool = False
    """No speaker plays in the rooms."""
    lines_only: bool = False
    """Measure that and nothing else: no steps, no devices, no verdict."""
    task: CapacityTask = field(default_factory=CapacityTask)
    connected: frozenset[str] = frozenset()
    """Points whose agents hold a session with the broker, as far as the server knows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended: with a result, or with why there is none."""

    result: TestResult | None = None
    error: CoordinatorError | None = None


class Gathered:
    """The points of a test with all that came of them, and the steps that are settled so far.

    ``hub_port_of`` gives the UDP port at which the hub measures a point.
    """

    def __init__(self, order: TestOrder, hub_port_of: Callable[[str], int]) -> None:
        self.points = {one.point: PointRun(one.point, one.name) for one in order.points}
        self.steps = order.steps
        """The last steps depend on what the rehearsal shows."""
        self._order = order
        self._hub_port_of = hub_port_of

    def evidence(self, one: PointRun) -> PointEvidence:
        """Return what is known of a point by now."""
        joined = [other.point for other in self.points.values() if other.joined]
        return point_evidence(
            one.record(),
            self.steps.steps,
            joined=joined,
            complete=self.steps.complete,
            hub_port=self._hub_port_of(one.point),
        )

    def margin(self, evidence: list[PointEvidence]) -> tuple[StepPlan, ...]:
        """Return the steps above the plan for what passed, below it for what failed."""
        profile = self._order.profile
        valid = [one for one in evidence if line_is_valid(one, profile)]
        failed = {
            one.point
            for one in valid
            for way in Direction
            if worst_status(one.load(way).traffic, profile.limits) is Status.BAD
        }
        return margin_steps({one.point for one in valid} - failed, failed)

    def failed_so_far(self, one: PointRun) -> tuple[Direction, ...]:
        """Return the directions in which a point was bad in its group."""
        return failed_in_group(self.evidence(one), self._order.profile) if one.joined else ()

    def known_of(self, one: PointRun, overdue: Collection[int]) -> Known:
        """Return what the steps that are over say of a point; those of ``overdue`` should be in."""
        if one.slow_to_open:
            return Known(unknown=Cause.PC_BUSY)
        if not one.joined:
            return Known()
        if one.is_gone(overdue):
            return Known(unknown=Cause.AGENT_SILENT)
        evidence, profile = self.evidence(one), self._order.profile
        return Known(failed_in_group(evidence, profile), early_cause(evidence, profile))

    def found(self, one: PointRun) -> LineCapacity | None:
        """Return what this test measured of a line's capacity."""
        up, down = (figure(one, way) for way in (Direction.UP, Direction.DOWN))
        if up is None and down is None:
            return None
        return LineCapacity(self._order.started_at, up, down, one.capacity_seconds)

    def result(self, duration_seconds: float) -> TestResult:
        """Judge all points and the hub's line."""
        order = self._order
        evidence = [self.evidence(one) for one in self.points.values()]
        attribution = attribute(evidence, order.profile, order.planned)
        judged = [JudgedPoint(one, judge(one, order.profile, attribution)) for one in evidence]
        points = tuple(self._point_result(one) for one in judged)
        return TestResult(
            test=order.test,
            hub=order.hub,
            session=order.session,
            profile=order.profile.id,
            started_at=order.started_at,
            duration_seconds=round(duration_seconds, 3),
            verdict=worst([one.verdict for one in points]),
            hub_line=hub_line(attribution, complete=self.steps.complete),
            points=points,
        )

    def detail(self) -> dict[str, Any]:
        """Return everything behind the result, for ``--explain`` and the archive."""
        return {
            "test": self._order.test,
            "asked_by": self._order.asked_by,
            "points": [self._point_detail(one) for one in self.points.values()],
        }

    def _point_result(self, judged: JudgedPoint) -> PointResult:
        """Give what this test found of the line's capacity, else what an earlier one did."""
        point = judged.evidence.point
        found = self.found(self.points[point]) or self._order.task.known.get(point)
        return point_result(judged, found)

    def _point_detail(self, one: PointRun) -> dict[str, Any]:
        return {
            "point": one.point,
            "phase": str(one.phase),
            "detail": one.detail,
            "evidence": _EVIDENCE.dump_python(self.evidence(one), mode="json"),
            "logs": dict(one.devices.logs) if one.devices else {},
            "capacity": {
                str(way): asdict(found) if found else None for way, found in one.capacity.items()
            },
        }
