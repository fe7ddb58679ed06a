"""The plan of a test as data: which steps, how long, how much traffic, which points (SPEC 3.5).

Steps of different points may run side by side; nothing but this list knows what a test consists of.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from diemcau_contract.words import StepKind

STEP_GAP_SECONDS = 0.2
"""Silence between two steps: what a full queue of the line still holds arrives in its own step."""
GROUPS = 4
"""A quarter of the points at a time: a hub line that all together fill carries a quarter easily."""
CUT_SECONDS = 5.0
"""So much of the rehearsal is left where every point has clearly failed before it."""
REDUCED_RATIOS = (0.75, 0.5)
SPLIT_MOST = 4
"""Points that go alone where every group failed as a whole: is it the hub's line or theirs?"""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One row of a plan; ``points`` None means every point of the test."""

    kind: StepKind
    duration_seconds: float
    rate_ratio: float
    """Share of the profile's traffic; 0 is STAMP only."""
    points: frozenset[str] | None = None
    in_opening: bool = False
    """Carried out while the points join: it has no start of its own and no result of the hub's."""
    starts_seconds: float | None = None
    """After the start of the first step; None is after the row before."""

    def includes(self, point: str) -> bool:
        """Tell whether ``point`` takes part in this step."""
        return self.points is None or point in self.points


Row = tuple[int, StepPlan, float]
"""A step's number, its plan and its start in seconds after the first one's."""


@dataclass(frozen=True, slots=True)
class StepsOfTest:
    """The steps of one test; a step's number is its place in the list."""

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

    def numbers_of(self, kind: StepKind) -> tuple[int, ...]:
        """Return the numbers of the steps of ``kind``."""
        return tuple(number for number, step in enumerate(self.steps) if step.kind is kind)

    def number_at(self, elapsed_seconds: float) -> int:
        """Return the step that runs ``elapsed_seconds`` after the end of the opening."""
        begun = [number for number, _, offset in self.timeline() if offset <= elapsed_seconds]
        return begun[-1] if begun else 0

    def timeline(self, first: int = 0) -> tuple[Row, ...]:
        """Return the rows after the opening, from number ``first`` on."""
        rows: list[Row] = []
        following = 0.0
        for number, row in enumerate(self.steps):
            if row.in_opening:
                continue
            offset = following if row.starts_seconds is None else row.starts_seconds
            rows.append((number, row, offset))
            following = max(following, offset + row.duration_seconds + self.gap_seconds)
        return tuple(row for row in rows if row[0] >= first)

    def numbers_for(self, point: str) -> frozenset[int]:
        """Return the steps after the opening that ``point`` takes part in."""
        return frozenset(number for number, row, _ in self.timeline() if row.includes(point))

    def cut(self, number: int, duration_seconds: float) -> "StepsOfTest":
        """Return these steps with one of them shortened; such a test never says ``ready``."""
        rows = list(self.steps)
        rows[number] = replace(rows[number], duration_seconds=duration_seconds)
        return replace(self, steps=tuple(rows), complete=False)

    def followed_by(self, rows: Sequence[StepPlan], not_before_seconds: float) -> "StepsOfTest":
        """Return these steps and then ``rows``, which start no earlier than the given time.

        A row's own ``starts_seconds`` counts from the first of ``rows``.
        """
        begin = max(not_before_seconds, self.duration_seconds + self.gap_seconds)
        placed: list[StepPlan] = []
        following = begin
        for row in rows:
            start = following if row.starts_seconds is None else begin + row.starts_seconds
            placed.append(replace(row, starts_seconds=start))
            following = max(following, start + row.duration_seconds + self.gap_seconds)
        return replace(self, steps=(*self.steps, *placed))


PREFLIGHT = StepPlan(StepKind.PREFLIGHT, duration_seconds=2.0, rate_ratio=0.0, in_opening=True)
IDLE = StepPlan(StepKind.IDLE, duration_seconds=2.0, rate_ratio=0.0)
GROUP = StepPlan(StepKind.GROUPS, duration_seconds=2.5, rate_ratio=1.0)
"""With idle, rehearsal, margin and what lies between them no more than 40 s (decision 0018)."""
ALONE = StepPlan(StepKind.GROUPS, duration_seconds=2.0, rate_ratio=1.0)
REHEARSAL = StepPlan(StepKind.REHEARSAL, duration_seconds=15.0, rate_ratio=1.0)
"""15 s because the limits on loss are windows of 15 s (SPEC 4.1)."""
SHORT_REHEARSAL = StepPlan(StepKind.REHEARSAL, duration_seconds=8.0, rate_ratio=1.0)
MARGIN = StepPlan(StepKind.MARGIN, duration_seconds=5.0, rate_ratio=1.2)
REDUCED = StepPlan(StepKind.MARGIN, duration_seconds=2.4, rate_ratio=0.75)


def full_test(points: Sequence[str]) -> StepsOfTest:
    """Return what is settled of a whole test of ``points``; the margin follows the rehearsal."""
    return StepsOfTest((PREFLIGHT, IDLE, *group_steps(points), REHEARSAL), complete=True)


def quick_test(points: Sequence[str]) -> StepsOfTest:
    """Return the steps of ``--quick``: shorter, and therefore never ``ready``."""
    del points  # no groups: nobody is told from anybody
    return StepsOfTest((PREFLIGHT, IDLE, SHORT_REHEARSAL), complete=False)


def group_steps(points: Sequence[str], row: StepPlan = GROUP) -> tuple[StepPlan, ...]:
    """Return up to four steps, a share of the points each; none where there is one point only."""
    count = min(GROUPS, len(points))
    if count < 2:  # noqa: PLR2004  # one group would be all
        return ()
    return tuple(replace(row, points=frozenset(points[first::count])) for first in range(count))


def margin_steps(passed: Collection[str], failed: Collection[str]) -> tuple[StepPlan, ...]:
    """Return the last steps: what passed is tried above its plan, what failed below it."""
    rows: list[StepPlan] = []
    if passed:
        rows.append(replace(MARGIN, points=frozenset(passed), starts_seconds=0.0))
    if failed:
        length = REDUCED.duration_seconds + STEP_GAP_SECONDS
        rows += [
            replace(
                REDUCED, points=frozenset(failed), rate_ratio=ratio, starts_seconds=number * length
            )
            for number, ratio in enumerate(REDUCED_RATIOS)
        ]
    return tuple(rows)


def split_steps(points: Sequence[str]) -> tuple[StepPlan, ...]:
    """Return a step for each of a few points, alone on all lines."""
    return tuple(replace(ALONE, points=frozenset({point})) for point in points[:SPLIT_MOST])
