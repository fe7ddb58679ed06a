"""Messages between points and hub (SPEC 3): one class per schema, frozen, unknown keys refused."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from diemcau_contract.causes import Cause
from diemcau_contract.identifiers import Identifier
from diemcau_contract.measurements import (
    CapacityStatistics,
    EndStatistics,
    SenderStatistics,
    StampStatistics,
    TrafficStatistics,
)
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import MAX_MODEL, DeviceKind, Direction, Status, StepKind

MAX_MESSAGE_BYTES = 65_536
"""A larger payload is kept aside unread; the largest honest message is a result of about 20 kB."""

OUTBOX_DAYS = 7
"""So long a report waits at most, and may come again; a store keeps it for longer (SPEC 3.3)."""

MAX_VALUE_TEXT = 120


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def utc_text(moment: datetime) -> str:
    """Return ISO 8601 in UTC with ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Utc = Annotated[
    AwareDatetime,
    AfterValidator(_to_utc),
    PlainSerializer(utc_text, return_type=str, when_used="json"),
]
Value = bool | int | float | Annotated[str, Field(max_length=MAX_VALUE_TEXT)] | None
"""A number or a short word; texts of any length and media never travel."""

Model = Annotated[
    str, Field(min_length=1, max_length=MAX_MODEL, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
"""A product's name as its maker gives it: no serial number, address, path or login."""

BootId = Annotated[str, Field(pattern=r"^[0-9a-f]{16,32}$")]
Sequence = Annotated[int, Field(ge=1, le=2**53)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class _FromPoint(_Frozen):
    hub: Identifier
    point: Identifier
    boot_id: BootId


class DeviceResult(_Frozen):
    """What one probe found: a status, causes from the closed list, and its numbers."""

    kind: DeviceKind
    role: Identifier = "main"
    model: Model | None = None
    """What was found in the place of the device, where that is known without opening it."""
    status: Status
    causes: tuple[Cause, ...] = ()
    values: dict[str, Value] = Field(default_factory=dict, max_length=40)
    duration_seconds: float = Field(default=0.0, ge=0)
    measured_at: Utc | None = None


class HostState(_Frozen):
    """The PC itself."""

    cpu_ratio: float | None = Field(default=None, ge=0)
    memory_ratio: float | None = Field(default=None, ge=0, le=1)
    disk_free_bytes: int | None = Field(default=None, ge=0)
    medium: Literal["cable", "wifi", "loopback", "unknown"] = "unknown"
    interface_bits_per_second: float | None = None
    clock_synchronised: bool | None = None
    on_mains: bool | None = None
    battery_ratio: float | None = Field(default=None, ge=0, le=1)
    """Charge of the battery; None also where the PC has none."""
    status: Status = Status.UNKNOWN
    causes: tuple[Cause, ...] = ()


class AgentState(_Frozen):
    """The agent's own health."""

    version: str = Field(max_length=40)
    os: str = Field(max_length=80)
    python: str = Field(max_length=40)
    started_at: Utc
    outbox_messages: int = Field(ge=0)
    outbox_oldest_age_seconds: float = Field(ge=0)
    outbox_dropped_total: int = Field(ge=0)
    reconnects_total: int = Field(ge=0)
    memory_bytes: int = Field(ge=0)
    cpu_seconds_total: float = Field(ge=0)
    cycle_duration_seconds: float = Field(ge=0)


class Hello(_FromPoint):
    """Birth after every connection, last will (``online`` false) at its end."""

    schema_: Literal["diemcau.hello/1"] = Field(default="diemcau.hello/1", alias="schema")
    connection: int = Field(ge=1)
    online: bool
    version: str = Field(max_length=40)


class Report(_FromPoint):
    """What an agent sends by itself; its key in the store is ``(hub, point, boot_id, seq)``."""

    schema_: Literal["diemcau.report/1"] = Field(default="diemcau.report/1", alias="schema")
    seq: Sequence
    taken_at: Utc
    uptime_seconds: float = Field(ge=0)
    interval_seconds: float = Field(gt=0)
    line: StampStatistics | None = None
    devices: tuple[DeviceResult, ...] = Field(default=(), max_length=64)
    host: HostState
    agent: AgentState


class StepResult(_FromPoint):
    """A point's part of one step: it received the down direction and sent the up direction."""

    schema_: Literal["diemcau.step_result/1"] = Field(
        default="diemcau.step_result/1", alias="schema"
    )
    test: str = Field(max_length=64)
    step: int = Field(ge=0)
    kind: StepKind
    down: TrafficStatistics | None = None
    up_sender: SenderStatistics | None = None
    stamp: StampStatistics | None = None
    end: EndStatistics | None = None


class CapacityResult(_FromPoint):
    """A point's part of a capacity step; ``statistics`` is null where the hub received."""

    schema_: Literal["diemcau.capacity_result/1"] = Field(
        default="diemcau.capacity_result/1", alias="schema"
    )
    test: str = Field(max_length=64)
    step: int = Field(ge=0)
    direction: Direction
    statistics: CapacityStatistics | None = None


class TestNotice(_FromPoint):
    """How a point fares in a test apart from its steps: opened, refused, failed."""

    schema_: Literal["diemcau.test_notice/1"] = Field(
        default="diemcau.test_notice/1", alias="schema"
    )
    test: str = Field(max_length=64)
    event: Literal["accepted", "opened", "no_answer", "refused", "failed", "busy", "ended"]
    detail: str = Field(default="", max_length=400)


class DevicesResult(_FromPoint):
    """Devices of a room, really opened for a test, with the log of each probe."""

    schema_: Literal["diemcau.devices_result/1"] = Field(
        default="diemcau.devices_result/1", alias="schema"
    )
    test: str = Field(max_length=64)
    devices: tuple[DeviceResult, ...] = Field(default=(), max_length=64)
    host: HostState | None = None
    logs: dict[str, Annotated[str, Field(max_length=4000)]] = Field(default_factory=dict)


Result = Annotated[
    StepResult | CapacityResult | TestNotice | DevicesResult, Field(discriminator="schema_")
]


class RejectedReport(_Frozen):
    """A report that the server has kept aside: the agent must not send it again."""

    seq: Sequence
    reason: str = Field(max_length=40)


class Ack(_Frozen):
    """Reports that are committed in the server's store, as inclusive ranges of ``seq``."""

    schema_: Literal["diemcau.ack/1"] = Field(default="diemcau.ack/1", alias="schema")
    boot_id: BootId
    ranges: tuple[tuple[Sequence, Sequence], ...] = Field(default=(), max_length=2000)
    rejected: tuple[RejectedReport, ...] = Field(default=(), max_length=500)


class MeasureSettings(_Frozen):
    """Where and how the point keeps its light STAMP flow; the key lives only in memory."""

    host: str | None = Field(default=None, max_length=253)
    """None: the host by which the point reached the broker."""
    port: int = Field(ge=1, le=65_535)
    ssid: int = Field(ge=1, le=65_535)
    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    packets_per_second: float = Field(gt=0, le=50)
    dscp: int = Field(ge=0, le=63)


class Settings(_Frozen):
    """What the hub tells a point after each hello and after its own start."""

    schema_: Literal["diemcau.settings/1"] = Field(default="diemcau.settings/1", alias="schema")
    report_interval_seconds: float = Field(ge=1, le=3600)
    server_time: Utc
    measure: MeasureSettings | None = None


class PlannedStep(_Frozen):
    """One step on the hub's clock."""

    step: int = Field(ge=0)
    kind: StepKind
    starts_at_hub_ns: int
    duration_seconds: float = Field(gt=0, le=60)
    rate_ratio: float = Field(ge=0, le=1.2)
    """Share of the plan; 0 means STAMP only."""


class TestOpen(_Frozen):
    """Join a test: prove the ticket at the hub's measuring port, and look at the devices."""

    schema_: Literal["diemcau.test_open/1"] = Field(default="diemcau.test_open/1", alias="schema")
    test: str = Field(max_length=64)
    expires_in_seconds: float = Field(gt=0, le=300)
    asked_by: str = Field(max_length=80)
    measure: MeasureSettings
    ticket: str = Field(max_length=1200)
    flow: int = Field(ge=1, le=2**32 - 1)
    flow_secret: str = Field(pattern=r"^[0-9a-f]{32,64}$")
    up: TrafficPlan
    down: TrafficPlan
    check_devices: bool = True
    silent: bool = False
    """No speaker plays; those results are ``not_applicable`` with ``quiet_hours``."""


class TestStep(_Frozen):
    """Steps to run, in hub time."""

    schema_: Literal["diemcau.test_step/1"] = Field(default="diemcau.test_step/1", alias="schema")
    test: str = Field(max_length=64)
    steps: tuple[PlannedStep, ...] = Field(min_length=1, max_length=20)


class PlannedCapacity(_Frozen):
    """One direction whose capacity is measured, on the hub's clock (SPEC 5.8)."""

    step: int = Field(ge=0, le=65_535)
    direction: Direction
    starts_at_hub_ns: int
    duration_seconds: float = Field(gt=0, le=4)
    start_bits_per_second: int = Field(ge=100_000, le=10**9)
    max_bits_per_second: int = Field(ge=100_000, le=10**9)


class TestCapacity(_Frozen):
    """Measure the line's capacity in a test that is open."""

    schema_: Literal["diemcau.test_capacity/1"] = Field(
        default="diemcau.test_capacity/1", alias="schema"
    )
    test: str = Field(max_length=64)
    planned: PlannedCapacity


class TestCut(_Frozen):
    """Let a step end earlier than planned: what it shows is clear already."""

    schema_: Literal["diemcau.test_cut/1"] = Field(default="diemcau.test_cut/1", alias="schema")
    test: str = Field(max_length=64)
    step: int = Field(ge=0)
    duration_seconds: float = Field(gt=0, le=60)


class TestEnd(_Frozen):
    """Leave a test; traffic stops at once."""

    schema_: Literal["diemcau.test_end/1"] = Field(default="diemcau.test_end/1", alias="schema")
    test: str = Field(max_length=64)
    reason: Literal["finished", "cancelled", "failed"]


Command = Annotated[
    TestOpen | TestStep | TestCapacity | TestCut | TestEnd, Field(discriminator="schema_")
]
