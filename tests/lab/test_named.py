"""The fixed scenarios, through the whole project: verdict and cause of every point."""

from collections.abc import Mapping

import pytest

from tests.lab import stack
from tests.lab.many import groups_of, play_all
from tests.lab.naming import NAMED_EARLY
from tests.lab.runner import Outcome
from tests.lab.scenarios import named_scenarios
from tests.lab.table import wrongs

pytestmark = [
    pytest.mark.root,
    pytest.mark.lab,
    pytest.mark.alone,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(bool(stack.missing()), reason=f"the lab: {stack.missing()}"),
]
BY_HAND = {
    "far_but_good",
    "too_far",
    "background_tcp",
    "sixteen_clean",
    "sixteen_hub_short_by_7_percent",
}
"""What ``make lab`` plays beyond: a test of everything is to end within a quarter of an hour."""
NAMED = {name: one for name, one in named_scenarios().items() if name not in BY_HAND}
AT_ONCE = 2
"""Districts of eight points side by side: more of them would send late on two processors."""


@pytest.fixture(scope="module")
def outcomes() -> Mapping[str, Outcome]:
    """Every fixed scenario, played once."""
    groups = groups_of(list(NAMED.values()))
    played = [outcome for group in groups for outcome in play_all(group, jobs=AT_ONCE)]
    return {outcome.scenario.name: outcome for outcome in played}


@pytest.mark.parametrize("name", NAMED)
def test_each_point_gets_its_verdict_and_cause(name: str, outcomes: Mapping[str, Outcome]) -> None:
    """What is wrong with which line is said, and nothing of the others."""
    assert wrongs(outcomes[name]) == []


def test_what_a_step_can_see_is_named_while_the_test_runs(outcomes: Mapping[str, Outcome]) -> None:
    """A closed port, a dead agent, a clock that was set, a busy PC: nobody waits for the end."""
    points = [point for outcome in outcomes.values() for point in outcome.counted]
    early = [point for point in points if point.cause in NAMED_EARLY]

    assert {point.cause for point in early} == set(NAMED_EARLY)
    assert [point for point in early if point.named_seconds is None] == []
