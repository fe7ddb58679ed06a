import pytest

from diemcau_contract.words import StepKind
from diemcau_server.steps import (
    StepPlan,
    full_test,
    group_steps,
    margin_steps,
    quick_test,
    split_steps,
)

DISTRICT = [f"p{number}" for number in range(16)]


def test_a_full_test_has_the_settled_steps() -> None:
    """Preflight 2 s while the points join, idle 2 s, four groups of 2.5 s, everyone for 15 s."""
    steps = full_test(DISTRICT)
    rows = [(row.kind, row.duration_seconds, row.rate_ratio) for row in steps.steps]

    assert rows == [
        (StepKind.PREFLIGHT, 2.0, 0.0),
        (StepKind.IDLE, 2.0, 0.0),
        *[(StepKind.GROUPS, 2.5, 1.0)] * 4,
        (StepKind.REHEARSAL, 15.0, 1.0),
    ]
    assert steps.complete


@pytest.mark.parametrize(
    ("points", "sizes"),
    [(1, []), (2, [1, 1]), (4, [1, 1, 1, 1]), (6, [2, 2, 1, 1]), (16, [4] * 4), (40, [10] * 4)],
)
def test_groups_are_a_quarter_each(points: int, sizes: list[int]) -> None:
    """Every point is in one group; a single point needs none."""
    names = [f"p{number}" for number in range(points)]
    groups = [row.points or frozenset() for row in group_steps(names)]

    assert [len(group) for group in groups] == sizes
    assert sorted(point for group in groups for point in group) == sorted(names if sizes else [])


def test_a_quick_test_is_not_complete() -> None:
    """Eight seconds of rehearsal can say bad, but never ready."""
    steps = quick_test(DISTRICT)

    assert steps.steps[-1].duration_seconds == 8.0
    assert not steps.complete


def test_the_timeline_leaves_the_opening_out_and_pauses_between_steps() -> None:
    """Numbers are places in the list; starts count from the end of the opening."""
    steps = full_test(["one"])
    timeline = [(number, offset) for number, _, offset in steps.timeline()]

    assert timeline == [(1, 0.0), (2, 2.2)]
    assert steps.duration_seconds == 17.2
    assert steps.opening_seconds == 2.0


def test_the_present_step_is_told_by_the_time() -> None:
    """A gap still belongs to the step before it; after the end the last step stays."""
    steps = full_test(["one"])

    assert [steps.number_at(at) for at in (-0.5, 0.0, 2.1, 2.3, 99.0)] == [0, 1, 1, 2, 2]


def test_what_passed_is_tried_above_its_plan_and_what_failed_below_it_at_the_same_time() -> None:
    """120 % for the good ones; beside it 75 % and then 50 % for the others."""
    steps = full_test(["a", "b"]).followed_by(margin_steps(["a"], ["b"]), 30.0)
    rows = [(row.rate_ratio, row.points, offset) for _, row, offset in steps.timeline(5)]

    assert rows == [
        (1.2, frozenset({"a"}), 30.0),
        (0.75, frozenset({"b"}), 30.0),
        (0.5, frozenset({"b"}), pytest.approx(32.6)),
    ]
    assert steps.numbers_for("a") == {1, 2, 4, 5}
    assert steps.duration_seconds == 35.0


def test_further_steps_never_begin_before_the_ones_there_are_have_ended() -> None:
    """Whoever asks early gets the place behind the last step."""
    steps = full_test(["one"]).followed_by((StepPlan(StepKind.GROUPS, 2.0, 1.0),), 1.0)

    assert steps.timeline()[-1][2] == pytest.approx(17.4)


def test_a_few_points_go_alone() -> None:
    """One step a point, four at most."""
    assert [row.points for row in split_steps(DISTRICT)] == [
        frozenset({name}) for name in DISTRICT[:4]
    ]
