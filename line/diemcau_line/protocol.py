"""Commands to a measuring process and its events: one JSON object a line on stdin and stdout.

``python -m diemcau_line hub`` and ``python -m diemcau_line point`` read commands, write events, log
on stderr, and end when stdin closes. Secrets travel through stdin only. Hub and point of one test:

1. server: ``OpenTest`` to its hub process; ticket, flow and secret over MQTT to the agent;
2. agent: ``OpenPoint`` to its point process, which answers ``Opened`` (with the preflight's
   figures), ``Refused`` or ``NoAnswer``; the hub process says ``FlowOpened``;
3. server: ``RunStep``, answered at once by ``StepPlanned`` with the start on the hub's clock, which
   goes over MQTT to the agents and there as ``PointStep`` into their point processes. Steps may be
   planned ahead;
4. after each step and a grace of ``GRACE_SECONDS``: ``HubStepResult`` and ``PointStepResult``;
5. capacity: ``RunCapacity`` for one open flow and direction, answered by ``CapacityPlanned``, whose
   start goes as ``PointCapacity`` into the point process; after the step and a grace of
   ``CAPACITY_GRACE_SECONDS``: ``HubCapacityResult`` and ``PointCapacityResult``, of which the
   receiver's one holds the figures;
6. ``Abort`` stops the traffic at once, ``CloseTest`` ends the test.

A command that cannot be done is answered by ``Failed``, never by the end of the process.
"""

import json
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args

from diemcau_contract.measurements import (
    CapacityStatistics,
    EndStatistics,
    SenderStatistics,
    StampStatistics,
    TrafficStatistics,
)
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import Direction, StepKind
from diemcau_line.records import Length, Matches, RecordError, Within, from_plain, to_plain

GRACE_SECONDS = 1.0
"""How long after a step its late packets still count."""
START_AHEAD_SECONDS = 300.0
"""No step is planned further ahead than this."""
CAPACITY_GRACE_SECONDS = 0.7
"""As long as the four LOAD END take."""

Key = Annotated[str, Matches(r"(?:[0-9a-f]{2}){16,32}")]
"""A secret of 16 to 32 octets in hexadecimal."""
FlowId = Annotated[int, Within(1, 2**31 - 1)]
Ssid = Annotated[int, Within(1, 65_535)]
Dscp = Annotated[int, Within(0, 63)]
RateRatio = Annotated[float, Within(0, 1.2)]
"""Share of the plan; 0 means STAMP only. More than 1.2 is refused wherever it turns up."""


LoadSeconds = Annotated[float, Within(0, 4, above=True)]
LoadRate = Annotated[int, Within(100_000, 1_000_000_000)]


class ProtocolError(Exception):
    """A line that is no command or event of this version."""


@dataclass(frozen=True, slots=True)
class StartHub:
    """First command of a hub process; answered by ``HubReady`` or ``Failed``.

    ``bind`` lists the local addresses (one socket each, one port); port 0 takes a free one.
    """

    ticket_key: Key
    bind: tuple[str, ...] = ("0.0.0.0",)  # noqa: S104  # the hub serves the district's network
    port: Annotated[int, Within(0, 65_535)] = 0
    dscp: Dscp = 34
    max_bits_per_second: Annotated[float, Within(0, 1e11, above=True)] = 1e9
    """No step may make the hub send more than this to all points together (IP layer)."""
    open_stamp: bool = False
    """Also answer unauthenticated STAMP (RFC 8762 section 4.1.1); off by default."""
    command: Literal["start_hub"] = "start_hub"


@dataclass(frozen=True, slots=True)
class StampSession:
    """One point's light flow."""

    ssid: Ssid
    key: Key


@dataclass(frozen=True, slots=True)
class SetStampSessions:
    """All STAMP sessions that the hub answers; replaces the ones before. No event."""

    sessions: tuple[StampSession, ...]
    command: Literal["stamp_sessions"] = "stamp_sessions"


@dataclass(frozen=True, slots=True)
class HubFlow:
    """One point's flow in a test, as the hub must know it."""

    point: str
    flow: FlowId
    secret: Key
    up: TrafficPlan
    down: TrafficPlan


@dataclass(frozen=True, slots=True)
class OpenTest:
    """Let these flows in; answered by ``TestOpened``. One test at a time."""

    test: str
    flows: Annotated[tuple[HubFlow, ...], Length(1, 10_000)]
    expires_in_seconds: Annotated[float, Within(0, 600, above=True)]
    """After this the hub closes the test by itself."""
    command: Literal["open_test"] = "open_test"


@dataclass(frozen=True, slots=True)
class RunStep:
    """Plan one step for some flows; answered by ``StepPlanned``, later by ``HubStepResult``.

    ``starts_at_monotonic_ns`` is a time of ``time.monotonic_ns``, which all processes of a machine
    share, so that several hub processes start together; what is past means at once. More than
    ``START_AHEAD_SECONDS`` ahead is refused as ``over_limit``.
    """

    test: str
    step: Annotated[int, Within(0, 65_535)]
    kind: StepKind
    flows: tuple[FlowId, ...]
    rate_ratio: RateRatio
    starts_at_monotonic_ns: int
    duration_seconds: Annotated[float, Within(0, 60, above=True)]
    command: Literal["run_step"] = "run_step"


@dataclass(frozen=True, slots=True)
class CutStep:
    """Hub and point: let a step end ``duration_seconds`` after its start, earlier than planned.

    No event of its own; the step's result comes earlier and says how long it took.
    """

    test: str
    step: Annotated[int, Within(0, 65_535)]
    duration_seconds: Annotated[float, Within(0, 60, above=True)]
    command: Literal["cut_step"] = "cut_step"


@dataclass(frozen=True, slots=True)
class RunCapacity:
    """Measure one direction of one open flow (SPEC 5.8); answered by ``CapacityPlanned``.

    Refused as ``over_limit`` above the ticket's rate or beside another such step of the flow, as
    ``unknown_flow`` where the flow is not open. Later answered by ``HubCapacityResult``.
    """

    test: str
    step: Annotated[int, Within(0, 65_535)]
    flow: FlowId
    direction: Direction
    starts_in_seconds: Annotated[float, Within(0, 300)]
    duration_seconds: LoadSeconds
    start_bits_per_second: LoadRate
    max_bits_per_second: LoadRate
    command: Literal["run_capacity"] = "run_capacity"


@dataclass(frozen=True, slots=True)
class CloseTest:
    """Hub: end the test, forget its flows and secrets; answered by ``TestClosed``."""

    test: str
    command: Literal["close_test"] = "close_test"


@dataclass(frozen=True, slots=True)
class ReportCounters:
    """Hub: answered by ``HubCounters``."""

    command: Literal["report_counters"] = "report_counters"


@dataclass(frozen=True, slots=True)
class Abort:
    """Hub and point: stop all traffic of the test at once; answered by ``Aborted``."""

    test: str
    command: Literal["abort"] = "abort"


@dataclass(frozen=True, slots=True)
class OpenPoint:
    """First command of a point process: open the flow and do the preflight (about 1 s).

    Answered by ``Opened``, ``Refused`` or ``NoAnswer`` within ``patience_seconds`` + 1.5 s.
    ``ssid`` and ``stamp_key`` are those of the light flow.
    """

    test: str
    host: str
    port: Annotated[int, Within(1, 65_535)]
    ticket: Annotated[str, Length(1, 1200)]
    flow: FlowId
    secret: Key
    ssid: Ssid
    stamp_key: Key
    up: TrafficPlan
    down: TrafficPlan
    dscp: Dscp = 34
    patience_seconds: Annotated[float, Within(0, 30, above=True)] = 2.0
    command: Literal["open_point"] = "open_point"


@dataclass(frozen=True, slots=True)
class PointStep:
    """One step at the hub's time ``starts_at_hub_ns``; later answered by ``PointStepResult``."""

    test: str
    step: Annotated[int, Within(0, 65_535)]
    kind: StepKind
    starts_at_hub_ns: int
    duration_seconds: Annotated[float, Within(0, 60, above=True)]
    rate_ratio: RateRatio
    command: Literal["point_step"] = "point_step"


@dataclass(frozen=True, slots=True)
class PointCapacity:
    """The point's part of a capacity step; later answered by ``PointCapacityResult``."""

    test: str
    step: Annotated[int, Within(0, 65_535)]
    direction: Direction
    starts_at_hub_ns: int
    duration_seconds: LoadSeconds
    start_bits_per_second: LoadRate
    max_bits_per_second: LoadRate
    command: Literal["point_capacity"] = "point_capacity"


Command = (
    StartHub
    | SetStampSessions
    | OpenTest
    | RunStep
    | CutStep
    | RunCapacity
    | CloseTest
    | ReportCounters
    | Abort
    | OpenPoint
    | PointStep
    | PointCapacity
)


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


def encode_command(command: Command) -> bytes:
    """Return ``command`` as one JSON line with its newline."""
    return _line(command)


def encode_event(event: Event) -> bytes:
    """Return ``event`` as one JSON line with its newline."""
    return _line(event)


def decode_command(line: bytes) -> Command:
    """Read one line.

    Raises:
        ProtocolError: when it is no command.
    """
    command: Command = _decoded(line, "command", _COMMANDS)
    return command


def decode_event(line: bytes) -> Event:
    """Read one line.

    Raises:
        ProtocolError: when it is no event.
    """
    event: Event = _decoded(line, "event", _EVENTS)
    return event


def _by_name(union: Any, key: str) -> dict[object, type[Any]]:
    return {
        one.default: kind for kind in get_args(union) for one in fields(kind) if one.name == key
    }


_COMMANDS = _by_name(Command, "command")
_EVENTS = _by_name(Event, "event")


def _line(message: Command | Event) -> bytes:
    return json.dumps(to_plain(message), separators=(",", ":")).encode() + b"\n"


def _decoded(line: bytes, key: str, kinds: dict[object, type[Any]]) -> Any:
    """Read one line; an error names the place only, for the input may hold a secret."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = "not JSON"
        raise ProtocolError(message) from error
    name = content.get(key) if isinstance(content, dict) else None
    if not isinstance(name, str) or name not in kinds:
        message = f"no known {key}"
        raise ProtocolError(message)
    try:
        return from_plain(kinds[name], content)
    except RecordError as error:
        raise ProtocolError(str(error)) from error
