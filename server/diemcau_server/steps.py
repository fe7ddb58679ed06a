"""The plan of a test as data: which steps, how long, how much traffic, which points (SPEC 3.5).

Groups, margin and capacity are further rows of the same list; nothing else needs to know them.
"""

from dataclasses import dataclass

from diemcau_contract.words import StepKind

STEP_GAP_SECONDS = 0.3
"""Silence between two steps: what a full queue of the line still holds arrives in its own step."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One row of a plan; ``points`` None means every point of the test."""

    kind: StepKind
    duration_seconds: float
    rate_ratio: float
    """Share of the profile's traffic; 0 is STAMP only."""
    points: frozenset[str] | None = None
    in_opening: bool = False
    """Carried out while the points join: it has no start of its own and no result."""

    def includes(self, point: str) -> bool:
        """Tell whether ``point`` takes part in this step."""
        return self.points is None or point in self.points


@dataclass(frozen=True, slots=True)
class StepsOfTest:
    """The steps of one test in their order; a step's number is its place in the list."""

    steps: tuple[StepPlan, ...]
    complete: bool
    """False for a shortened test, which never says ``ready`` (SPEC 6.3)."""
    gap_seconds: float = STEP_GAP_SECONDS

    @property
    def duration_seconds(self) -> float:
        """Time from the start of the first step after the opening to the end of the last."""
        ends = [offset + row.duration_seconds for _, row, offset in self.timeline()]
        return max(ends, default=0.0)

    @property
    def opening_seconds(self) -> float:
        """Time that the steps of the opening take when every point answers."""
        return sum(row.duration_seconds for row in self.steps if row.in_opening)

    def number_of(self, kind: StepKind) -> int | None:
        """Return the number of the last step of ``kind``, or None where the test has none."""
        numbers = [number for number, step in enumerate(self.steps) if step.kind is kind]
        return numbers[-1] if numbers else None

    def number_at(self, elapsed_seconds: float) -> int:
        """Return the step that runs ``elapsed_seconds`` after the end of the opening."""
        begun = [number for number, _, offset in self.timeline() if offset <= elapsed_seconds]
        return begun[-1] if begun else 0

    def timeline(self) -> tuple[tuple[int, StepPlan, float], ...]:
        """Return number, row and start of each step after the opening.

        The start is in seconds after the first one's.
        """
        rows: list[tuple[int, StepPlan, float]] = []
        offset = 0.0
        for number, row in enumerate(self.steps):
            if not row.in_opening:
                rows.append((number, row, offset))
                offset += row.duration_seconds + self.gap_seconds
        return tuple(rows)

    def numbers_for(self, point: str) -> frozenset[int]:
        """Return the steps after the opening that ``point`` takes part in."""
        return frozenset(number for number, row, _ in self.timeline() if row.includes(point))


PREFLIGHT = StepPlan(StepKind.PREFLIGHT, duration_seconds=2.0, rate_ratio=0.0, in_opening=True)
IDLE = StepPlan(StepKind.IDLE, duration_seconds=3.0, rate_ratio=0.0)
REHEARSAL = StepPlan(StepKind.REHEARSAL, duration_seconds=15.0, rate_ratio=1.0)
"""15 s because the limits on loss are windows of 15 s (SPEC 4.1)."""
SHORT_REHEARSAL = StepPlan(StepKind.REHEARSAL, duration_seconds=8.0, rate_ratio=1.0)


def full_test() -> StepsOfTest:
    """Return the steps of a whole test."""
    return StepsOfTest((PREFLIGHT, IDLE, REHEARSAL), complete=True)


def quick_test() -> StepsOfTest:
    """Return the steps of ``--quick``: shorter, and therefore never ``ready``."""
    return StepsOfTest((PREFLIGHT, IDLE, SHORT_REHEARSAL), complete=False)
