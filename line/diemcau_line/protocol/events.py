"""What a measuring process tells: answers, results, progress, failures."""

from dataclasses import dataclass
from typing import Literal

from diemcau_contract.measurements import (
    CapacityStatistics,
    EndStatistics,
    SenderStatistics,
    StampStatistics,
    TrafficStatistics,
)
from diemcau_contract.words import Direction, StepKind


@dataclass(frozen=True, slots=True)
class HubReady:
    """The hub listens; ``kernel_stamps`` tells whether the kernel stamps what arrives."""

    port: int
    kernel_stamps: bool
    event: Literal["hub_ready"] = "hub_ready"


@dataclass(frozen=True, slots=True)
class TestOpened:
    """The hub waits for the test's points."""

    test: str
    event: Literal["test_opened"] = "test_opened"


@dataclass(frozen=True, slots=True)
class FlowOpened:
    """A point has proven its ticket; ``dscp_received`` is what its OPEN bore on arrival."""

    test: str
    point: str
    flow: int
    address: str
    dscp_received: int | None
    event: Literal["flow_opened"] = "flow_opened"


@dataclass(frozen=True, slots=True)
class StepPlanned:
    """When a step starts and ends on the hub's clock."""

    test: str
    step: int
    starts_at_hub_ns: int
    duration_seconds: float
    event: Literal["step_planned"] = "step_planned"


@dataclass(frozen=True, slots=True)
class Progress:
    """About once a second in a step: packets received and due so far, per flow id as text.

    Packets on their way are not counted, so the two never agree before the step's end: it is for a
    live display, not for judging.
    """

    test: str
    step: int
    elapsed_seconds: float
    received: dict[str, int]
    event: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class HubFlowResult:
    """One flow in one step: what the hub received (up) and how well it sent (down).

    Both are None where the step carries no traffic or the flow was never opened; ``up`` also where
    the point has left the test by STOP: what it did not send is no loss.
    """

    point: str
    flow: int
    opened: bool
    up: TrafficStatistics | None
    down_sender: SenderStatistics | None


@dataclass(frozen=True, slots=True)
class HubStepResult:
    """The hub's part of one step. ``own_cpu_ratio`` is the process's share of one core."""

    test: str
    step: int
    kind: StepKind
    flows: tuple[HubFlowResult, ...]
    end: EndStatistics
    own_cpu_ratio: float
    loop_lag_max_seconds: float
    event: Literal["hub_step_result"] = "hub_step_result"


@dataclass(frozen=True, slots=True)
class HubCounters:
    """Totals since the start of the process; ``rejected`` by reason (fixed set)."""

    rejected: dict[str, int]
    stamp_answered: int
    rehearsal_received: int
    rehearsal_sent: int
    socket_drops: int
    cpu_seconds: float
    event: Literal["hub_counters"] = "hub_counters"


@dataclass(frozen=True, slots=True)
class Opened:
    """The point is in; ``stamp`` holds the preflight's figures.

    ``dscp_received_up`` is what the hub saw, ``dscp_received_down`` what the point saw.
    """

    test: str
    stamp: StampStatistics
    dscp_received_up: int | None
    dscp_received_down: int | None
    clock_synchronised: bool | None
    kernel_stamps: bool
    event: Literal["opened"] = "opened"


@dataclass(frozen=True, slots=True)
class Refused:
    """The hub said no: a reason of SPEC 5.4."""

    test: str
    reason: str
    event: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came back from the hub's port: a firewall, a wrong address, a dead hub.

    ``detail`` is one English sentence for the log.
    """

    test: str
    detail: str
    event: Literal["no_answer"] = "no_answer"


@dataclass(frozen=True, slots=True)
class PointStepResult:
    """The point's part of one step: what it received (down), how well it sent (up), STAMP."""

    test: str
    step: int
    kind: StepKind
    down: TrafficStatistics | None
    up_sender: SenderStatistics | None
    stamp: StampStatistics | None
    end: EndStatistics
    own_cpu_ratio: float
    loop_lag_max_seconds: float
    event: Literal["point_step_result"] = "point_step_result"


@dataclass(frozen=True, slots=True)
class CapacityPlanned:
    """When a capacity step starts on the hub's clock."""

    test: str
    step: int
    starts_at_hub_ns: int
    duration_seconds: float
    event: Literal["capacity_planned"] = "capacity_planned"


@dataclass(frozen=True, slots=True)
class HubCapacityResult:
    """The hub's part of one capacity step.

    ``statistics`` is None in the direction that the hub sends: the point has them.
    """

    test: str
    step: int
    point: str
    flow: int
    direction: Direction
    statistics: CapacityStatistics | None
    end: EndStatistics
    own_cpu_ratio: float
    loop_lag_max_seconds: float
    event: Literal["hub_capacity_result"] = "hub_capacity_result"


@dataclass(frozen=True, slots=True)
class PointCapacityResult:
    """The point's part of one capacity step; ``statistics`` is None in the direction up."""

    test: str
    step: int
    direction: Direction
    statistics: CapacityStatistics | None
    end: EndStatistics
    own_cpu_ratio: float
    loop_lag_max_seconds: float
    event: Literal["point_capacity_result"] = "point_capacity_result"


@dataclass(frozen=True, slots=True)
class Aborted:
    """All traffic of the test has stopped."""

    test: str
    event: Literal["aborted"] = "aborted"


@dataclass(frozen=True, slots=True)
class TestClosed:
    """The hub has forgotten the test."""

    test: str
    reason: Literal["asked", "expired"]
    event: Literal["test_closed"] = "test_closed"


@dataclass(frozen=True, slots=True)
class Failed:
    """A command that could not be done; ``command`` is its name, or empty for a line unread."""

    command: str
    reason: Literal[
        "not_a_command",
        "wrong_role",
        "not_started",
        "already_started",
        "cannot_bind",
        "test_running",
        "unknown_test",
        "unknown_flow",
        "over_limit",
        "cannot_connect",
    ]
    detail: str
    test: str | None = None
    error_number: int = 0
    """The system's own number (errno), 0 where it was not asked."""
    event: Literal["failed"] = "failed"


Event = (
    HubReady
    | TestOpened
    | FlowOpened
    | StepPlanned
    | Progress
    | HubStepResult
    | CapacityPlanned
    | HubCapacityResult
    | HubCounters
    | Opened
    | Refused
    | NoAnswer
    | PointStepResult
    | PointCapacityResult
    | Aborted
    | TestClosed
    | Failed
)
