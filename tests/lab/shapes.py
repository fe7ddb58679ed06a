"""What a line does to packets: plain frozen values, checked when they come from a file."""

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")
LINK_HEADER_BYTES = 14
"""Ethernet's header, which the kernel's shaper counts and the IP layer does not (RFC 9097 4.1)."""
REFERENCE_PACKET_BYTES = 1200
"""IP packet for which a shaped rate is exact; see ``ip_rate``."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class BurstLoss:
    """Gilbert-Elliott loss: a good state without loss and a bad one (Elliott 1963)."""

    enter_ratio: float = Field(ge=0, le=1)
    """Chance per packet to fall from good to bad."""
    leave_ratio: float = Field(gt=0, le=1)
    """Chance per packet to recover; its inverse is the mean length of a burst in packets."""
    loss_ratio: float = Field(default=1.0, ge=0, le=1)
    """Loss while bad."""

    @property
    def mean_loss_ratio(self) -> float:
        """Loss over a long run: share of the bad state times its loss."""
        return self.loss_ratio * self.enter_ratio / (self.enter_ratio + self.leave_ratio)


@dataclass(frozen=True, slots=True, config=_STRICT)
class Shape:
    """One direction of a line."""

    rate_bits_per_second: float | None = Field(default=None, gt=0)
    """IP layer, for packets of REFERENCE_PACKET_BYTES; None is the machine's own speed."""
    queue_seconds: float = Field(default=0.1, gt=0, le=10)
    """Drop-tail queue in front of the rate: the longest wait."""
    loss_ratio: float = Field(default=0.0, ge=0, le=1)
    """Independent random loss behind the queue."""
    delay_seconds: float = Field(default=0.0, ge=0, le=2)
    jitter_seconds: float = Field(default=0.0, ge=0, le=2)
    """Added delay, uniform from 0 to this; the order of packets is kept."""
    burst_loss: BurstLoss | None = None

    @property
    def needs_relay(self) -> bool:
        """Tell whether the kernel alone cannot do it."""
        return bool(self.delay_seconds or self.jitter_seconds or self.burst_loss)

    @property
    def mean_loss_ratio(self) -> float:
        """Loss that does not come from a full queue."""
        burst = self.burst_loss.mean_loss_ratio if self.burst_loss else 0.0
        return 1 - (1 - self.loss_ratio) * (1 - burst)

    def ip_rate(self, packet_bytes: int) -> float | None:
        """Return the rate at the IP layer for packets of ``packet_bytes`` (with IP header)."""
        if self.rate_bits_per_second is None:
            return None
        per_packet = packet_bytes / (packet_bytes + LINK_HEADER_BYTES)
        return link_rate(self.rate_bits_per_second) * per_packet


@dataclass(frozen=True, slots=True, config=_STRICT)
class Line:
    """A line with its two directions; up is from a point to the hub."""

    up: Shape = Shape()
    down: Shape = Shape()
    udp_blocked: bool = False

    @property
    def needs_relay(self) -> bool:
        """Tell whether one of the directions needs the relay."""
        return self.up.needs_relay or self.down.needs_relay


def link_rate(ip_bits_per_second: float) -> float:
    """Return the rate that the kernel's shaper must be given (it counts Ethernet headers)."""
    return (
        ip_bits_per_second * (REFERENCE_PACKET_BYTES + LINK_HEADER_BYTES) / REFERENCE_PACKET_BYTES
    )
