"""A test's result as the command line, the API and the store give it (SPEC 8, diemcau.test/1)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from diemcau_contract.causes import Cause
from diemcau_contract.messages import Utc, Value
from diemcau_contract.words import Confidence, DeviceKind, Status, Verdict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Sentence(_Frozen):
    """One sentence in both languages."""

    vi: str
    en: str


class Finding(_Frozen):
    """One rule's outcome; ``limit`` is the one that the value was held against."""

    rule: str
    status: Status
    value: float | None
    limit: float | None
    unit: str


class RttQuantiles(_Frozen):
    """Round trip of the idle line."""

    min: float
    p50: float
    p95: float
    max: float


class LoadedQuantiles(_Frozen):
    """Round trip under load."""

    p50: float
    p95: float


class DelayQuantiles(_Frozen):
    """Queueing delay: delay minus its own minimum."""

    p50: float
    p95: float
    p99: float


class IdleLine(_Frozen):
    """The line at rest."""

    rtt_seconds: RttQuantiles | None = None
    packets_sent: int = 0
    packets_received: int = 0


class LoadedDirection(_Frozen):
    """One direction of the line in the rehearsal, counted by its receiver."""

    packets_sent: int
    packets_received: int
    loss_ratio: float
    loss_ratio_worst_200ms: float
    queue_delay_seconds: DelayQuantiles | None
    jitter_seconds: float | None
    reorder_ratio: float
    late_frame_ratio: float | None


class Capacity(_Frozen):
    """Last measured IP-layer capacity (RFC 9097), with its age."""

    up_bits_per_second: float | None = None
    down_bits_per_second: float | None = None
    measured_at: Utc | None = None


class LineResult(_Frozen):
    """All that was measured of a point's line; null is "not measured"."""

    idle: IdleLine | None = None
    up: LoadedDirection | None = None
    down: LoadedDirection | None = None
    loaded_rtt_seconds: LoadedQuantiles | None = None
    capacity: Capacity = Capacity()


class DeviceLine(_Frozen):
    """A device as the result names it."""

    kind: DeviceKind
    role: str
    status: Status
    causes: tuple[Cause, ...] = ()
    values: dict[str, Value] = Field(default_factory=dict)


class PointResult(_Frozen):
    """The verdict on one point."""

    point: str
    name: str
    verdict: Verdict
    confidence: Confidence
    cause: Cause | None
    action: Sentence
    line: LineResult
    devices: tuple[DeviceLine, ...] = ()
    findings: tuple[Finding, ...] = ()


class HubDirection(_Frozen):
    """What all points together offered to and got through the hub's line, at the IP layer."""

    offered_bits_per_second: float
    carried_bits_per_second: float


class HubLine(_Frozen):
    """The verdict on the hub's own line."""

    verdict: Verdict
    cause: Cause | None
    up: HubDirection | None
    down: HubDirection | None


class TestResult(_Frozen):
    """One test, whole."""

    schema_: Literal["diemcau.test/1"] = Field(default="diemcau.test/1", alias="schema")
    test: str
    hub: str
    session: str | None
    profile: str
    started_at: Utc
    duration_seconds: float
    verdict: Verdict
    hub_line: HubLine
    points: tuple[PointResult, ...]
