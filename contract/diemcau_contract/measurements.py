"""What was measured: plain frozen values, filled by the engine, carried by messages (SPEC 4).

Every ratio lies in 0..1, every time is in seconds, every rate counts bits at the IP layer.
``None`` means "not measured", never zero.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of a delay; ``p99`` and the ends are absent where they were not taken."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    p50: float
    p95: float
    p99: float | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """100 ms of one direction: counts by send time, bytes at the IP layer."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    sent: int
    received: int
    received_bytes: int
    queue_delay_max_seconds: float | None


@dataclass(frozen=True, slots=True)
class Bursts:
    """Runs of consecutive lost packets: how many, how long, how far apart."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    count: int
    length_max: int
    length_mean: float
    spacing_mean_seconds: float | None


@dataclass(frozen=True, slots=True)
class TrafficStatistics:
    """One direction of one step, counted by its receiver."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    packets_sent: int
    packets_received: int
    duplicates: int
    loss_ratio: float
    loss_ratio_low: float
    loss_ratio_high: float
    loss_ratio_worst_200ms: float
    loss_ratio_worst_15s: float
    bursts: Bursts | None
    queue_delay_seconds: Quantiles | None
    jitter_seconds: float | None
    reorder_ratio: float
    late_frame_ratio: float | None
    offered_bits_per_second: float
    carried_bits_per_second: float
    duration_seconds: float
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True, slots=True)
class SenderStatistics:
    """How well a sender kept its own schedule: guards of the result's validity."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    packets_sent: int
    bytes_sent: int
    send_errors: int
    schedule_error_p50_seconds: float
    schedule_error_p99_seconds: float
    schedule_error_max_seconds: float


@dataclass(frozen=True, slots=True)
class EndStatistics:
    """State of one measuring end during a step: guards of the result's validity."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    local_drops: int
    cpu_ratio: float | None
    """Busy share of the whole machine, 0..1."""
    clock_step_seconds: float | None
    """Size of a step of the wall clock seen during the step, or None."""
    clock_synchronised: bool | None
    interface_received_bytes: int | None = None
    """All that the machine's network interfaces took in during the step, IP layer; with it goes
    what is no part of the test."""
    interface_sent_bytes: int | None = None
    interface_drops: int | None = None
    """Packets that the interfaces dropped, both ways."""


@dataclass(frozen=True, slots=True)
class StampStatistics:
    """A STAMP flow (RFC 8762) seen by its Session-Sender."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    packets_sent: int
    packets_received: int
    loss_ratio_up: float | None
    loss_ratio_down: float | None
    rtt_seconds: Quantiles | None
    queue_delay_up_seconds: Quantiles | None
    queue_delay_down_seconds: Quantiles | None
    clock_offset_seconds: float | None
    """Hub clock minus point clock at the smallest round trip."""
    clock_offset_bound_seconds: float | None
    """Half of the smallest round trip: the offset is known to within this."""
    dscp_sent: int | None = None
    dscp_received: int | None = None
    path_mtu_bytes: int | None = None
    one_way_delay_up_seconds: Quantiles | None = None
    """Absolute delays, only where both clocks are known well enough (SPEC 4.3)."""
    one_way_delay_down_seconds: Quantiles | None = None
    reflector_synchronised: bool | None = None
    """Whether every answer bore the reflector's S bit; None without an answer."""


LimitedBy = Literal["line", "sender", "cap", "receiver", "loss", "time", "hub"]
"""What kept a capacity from being larger (SPEC 4.4)."""


@dataclass(frozen=True, slots=True)
class CapacityStatistics:
    """Maximum IP-layer capacity of one direction (RFC 9097), by its receiver (SPEC 4.4)."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    bits_per_second: float | None
    """None where too little arrived to tell a rate."""
    limited_by: LimitedBy
    """Anything but ``line``: the line carries at least this, perhaps more."""
    duration_seconds: float
    """How long load came in, not how long it was planned to."""
    packets_sent: int
    bytes_sent: int
    packets_received: int
    loss_ratio: float
    queue_delay_seconds: Quantiles | None
    rtt_min_seconds: float | None
    rtt_max_seconds: float | None
