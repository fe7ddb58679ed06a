"""What a good line measures, for tests that change one thing about it."""

from typing import Any

from diemcau_contract.measurements import (
    EndStatistics,
    Quantiles,
    SenderStatistics,
    StampStatistics,
    TrafficStatistics,
)
from diemcau_contract.profiles import PlanInFile, Profile

PLAN = PlanInFile(audio_bits_per_second=64_000, video_bits_per_second=960_000, frames_per_second=30)
PROFILE = Profile(id="h323-720p", name="H.323 720p", up=PLAN, down=PLAN)
STAMP = StampStatistics(
    packets_sent=150, packets_received=150, loss_ratio_up=0.0, loss_ratio_down=0.0,
    rtt_seconds=Quantiles(p50=0.01, p95=0.02, min=0.009, max=0.03), queue_delay_up_seconds=None,
    queue_delay_down_seconds=None, clock_offset_seconds=0.0, clock_offset_bound_seconds=0.005,
)  # fmt: skip
END = EndStatistics(local_drops=0, cpu_ratio=0.2, clock_step_seconds=None, clock_synchronised=True)


def sender(packets: int = 2000) -> SenderStatistics:
    """Return a sender that kept its schedule."""
    return SenderStatistics(packets, packets * 900, 0, 0.0001, 0.0005, 0.001)


def traffic(**changes: Any) -> TrafficStatistics:
    """Return a clean direction of 15 s."""
    values: dict[str, Any] = {
        "packets_sent": 2000, "packets_received": 2000, "duplicates": 0, "loss_ratio": 0.0,
        "loss_ratio_low": 0.0, "loss_ratio_high": 0.002, "loss_ratio_worst_200ms": 0.0,
        "loss_ratio_worst_15s": 0.0, "bursts": None,
        "queue_delay_seconds": Quantiles(p50=0.001, p95=0.004, p99=0.01),
        "jitter_seconds": 0.001, "reorder_ratio": 0.0, "late_frame_ratio": 0.0,
        "offered_bits_per_second": 1e6, "carried_bits_per_second": 1e6, "duration_seconds": 15.0,
    }  # fmt: skip
    return TrafficStatistics(**values | changes)


def lossy(ratio: float) -> TrafficStatistics:
    """Return a direction that lost ``ratio`` of its packets."""
    return traffic(
        packets_received=round(2000 * (1 - ratio)),
        loss_ratio=ratio,
        loss_ratio_low=0.8 * ratio,
        loss_ratio_high=1.2 * ratio,
        loss_ratio_worst_15s=ratio,
        carried_bits_per_second=1e6 * (1 - ratio),
    )
