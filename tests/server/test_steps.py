from diemcau_contract.words import StepKind
from diemcau_server.steps import StepPlan, StepsOfTest, full_test, quick_test


def test_a_full_test_has_the_settled_steps() -> None:
    """Preflight 2 s while the points join, idle 3 s, then everyone together for 15 s."""
    rows = [(row.kind, row.duration_seconds, row.rate_ratio) for row in full_test().steps]

    assert rows == [
        (StepKind.PREFLIGHT, 2.0, 0.0),
        (StepKind.IDLE, 3.0, 0.0),
        (StepKind.REHEARSAL, 15.0, 1.0),
    ]
    assert full_test().complete


def test_a_quick_test_is_not_complete() -> None:
    """Eight seconds of rehearsal can say bad, but never ready."""
    assert quick_test().steps[-1].duration_seconds == 8.0
    assert not quick_test().complete


def test_the_timeline_leaves_the_opening_out_and_pauses_between_steps() -> None:
    """Numbers are places in the list; starts count from the end of the opening."""
    timeline = [(number, offset) for number, _, offset in full_test().timeline()]

    assert timeline == [(1, 0.0), (2, 3.3)]
    assert full_test().duration_seconds == 18.3
    assert full_test().opening_seconds == 2.0


def test_the_present_step_is_told_by_the_time() -> None:
    """A gap still belongs to the step before it; after the end the last step stays."""
    steps = full_test()

    assert [steps.number_at(at) for at in (-0.5, 0.0, 3.2, 3.4, 99.0)] == [0, 1, 1, 2, 2]


def test_a_step_may_hold_some_points_only() -> None:
    """Groups slot in as rows of the same list."""
    group = StepPlan(StepKind.GROUPS, 3.0, 1.0, points=frozenset({"bom-bo"}))
    steps = StepsOfTest((*full_test().steps[:2], group, full_test().steps[2]), complete=True)

    assert steps.numbers_for("bom-bo") == {1, 2, 3}
    assert steps.numbers_for("dak-nhau") == {1, 3}
