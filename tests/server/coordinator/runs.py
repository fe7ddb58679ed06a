"""What the tests of the coordinator share: what is tested, a store, and how runs end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from diemcau_contract.causes import Cause
from diemcau_contract.result import TestResult as Result
from diemcau_server.capacity import LineCapacity
from diemcau_server.coordinator import Outcome, Wanted
from diemcau_server.coordinator.run import TestRun as Run
from diemcau_server.errors import StoreError
from diemcau_server.steps import GROUP, StepsOfTest, group_steps
from tests.server.rooms import SHORT

ALL = Wanted("An", points=("bom-bo", "dak-nhau", "duc-lieu"), profile="light")


class Kept:
    """A store that remembers the results, or has a full disk."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.capacities: dict[str, LineCapacity] = {}
        self.details: list[dict[str, Any]] = []
        self.full = False

    async def save_test(self, result: Result, detail: dict[str, Any]) -> None:
        """Keep a result."""
        if self.full:
            raise StoreError("disk full")
        self.results.append(result)
        self.details.append(detail)

    async def save_capacity(self, hub: str, point: str, found: LineCapacity) -> None:
        """Keep a line's capacity."""
        del hub
        self.capacities[point] = found


async def ended(run: Run) -> Outcome:
    """Wait for the outcome of a test."""
    async with asyncio.timeout(40):
        async for event in run.events():
            if isinstance(event, Outcome):
                return event
    pytest.fail("the events ended without an outcome")


async def result_of(run: Run) -> Result:
    """Wait for the result of a test."""
    outcome = await ended(run)
    assert outcome.result is not None, outcome.error
    return outcome.result


async def code_of(run: Run) -> str:
    """Wait for the error of a test."""
    outcome = await ended(run)
    assert outcome.error is not None
    return outcome.error.code


async def named_in(run: Run) -> dict[str, Cause]:
    """Return the causes that were shown before the test was judged."""
    named: dict[str, Cause] = {}
    async for event in run.events():
        if isinstance(event, Outcome) or event.phase == "judging":
            break
        named |= {one.point: one.cause for one in event.points if one.cause is not None}
    return named


def in_groups(rehearsal_seconds: float) -> Callable[[Sequence[str]], StepsOfTest]:
    """Return a short plan with groups, whose rehearsal is as long as asked."""
    first, idle, rehearsal = SHORT.steps
    rehearsal = replace(rehearsal, duration_seconds=rehearsal_seconds)
    group = replace(GROUP, duration_seconds=0.4)
    return lambda points: replace(
        SHORT, steps=(first, idle, *group_steps(points, group), rehearsal)
    )
