"""Runs the tests: who takes part, what is asked of them, what comes back, what it says."""

from diemcau_server.coordinator.coordinator import Coordinator, Pace
from diemcau_server.coordinator.errors import (
    CoordinatorError,
    SelectionError,
    TestRunningError,
    UnavailableError,
)
from diemcau_server.coordinator.gathered import Outcome
from diemcau_server.coordinator.limits import TimeLimits
from diemcau_server.coordinator.run import TestRun
from diemcau_server.coordinator.selection import Wanted

__all__ = [
    "Coordinator",
    "CoordinatorError",
    "Outcome",
    "Pace",
    "SelectionError",
    "TestRun",
    "TestRunningError",
    "TimeLimits",
    "UnavailableError",
    "Wanted",
]
