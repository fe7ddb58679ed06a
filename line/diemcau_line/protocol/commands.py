"""What a measuring process is told to do."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import Direction, StepKind
from diemcau_line.records import Length, Matches, Within

if TYPE_CHECKING:  # pydantic stays out of the measuring processes
    from diemcau_contract.messages import PlannedCapacity, PlannedStep

Key = Annotated[str, Matches(r"(?:[0-9a-f]{2}){16,32}")]
"""A secret of 16 to 32 octets in hexadecimal."""
FlowId = Annotated[int, Within(1, 2**31 - 1)]
Ssid = Annotated[int, Within(1, 65_535)]
Dscp = Annotated[int, Within(0, 63)]
RateRatio = Annotated[float, Within(0, 1.2)]
"""Share of the plan; 0 means STAMP only. More than 1.2 is refused wherever it turns up."""
LoadSeconds = Annotated[float, Within(0, 4, above=True)]
LoadRate = Annotated[int, Within(100_000, 1_000_000_000)]


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

    @classmethod
    def of(cls, test: str, planned: "PlannedStep") -> Self:
        """Return the command for a step as the server's message tells it."""
        return cls(
            test=test,
            step=planned.step,
            kind=planned.kind,
            starts_at_hub_ns=planned.starts_at_hub_ns,
            duration_seconds=planned.duration_seconds,
            rate_ratio=planned.rate_ratio,
        )


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

    @classmethod
    def of(cls, test: str, planned: "PlannedCapacity") -> Self:
        """Return the command for a capacity step as the server's message tells it."""
        return cls(
            test=test,
            step=planned.step,
            direction=planned.direction,
            starts_at_hub_ns=planned.starts_at_hub_ns,
            duration_seconds=planned.duration_seconds,
            start_bits_per_second=planned.start_bits_per_second,
            max_bits_per_second=planned.max_bits_per_second,
        )


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
