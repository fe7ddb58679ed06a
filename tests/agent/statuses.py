"""What a running agent leaves of its room, for what reads it."""

from datetime import UTC, datetime

from diemcau_agent.statusfile import (
    AgentStatus,
    LineStatus,
    LinkStatus,
    OutboxStatus,
    own_start,
)
from diemcau_contract.causes import Cause
from diemcau_contract.measurements import Quantiles, StampStatistics
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Status

NOW = datetime.now(UTC)
STAMP = StampStatistics(
    packets_sent=60, packets_received=60, loss_ratio_up=0.0, loss_ratio_down=0.0,
    rtt_seconds=Quantiles(p50=0.0123, p95=0.02), queue_delay_up_seconds=None,
    queue_delay_down_seconds=None, clock_offset_seconds=0.0, clock_offset_bound_seconds=0.006,
)  # fmt: skip


def device(status: Status, *causes: Cause, kind: DeviceKind = DeviceKind.CAMERA) -> DeviceResult:
    """Return a device's result, as a probe that opened it tells it."""
    seen = {"frames": 60} if status is Status.OK else {}
    return DeviceResult(kind=kind, status=status, causes=causes, values=seen, measured_at=NOW)


def room(**changes: object) -> AgentStatus:
    """Return the status of a room where all is well, written by this process."""
    process_id, process_started_at = own_start()
    content: dict[str, object] = {
        "hub": "bu-dang", "point": "bom-bo", "version": "0.1.0", "boot_id": "ab" * 8,
        "process_id": process_id, "process_started_at": process_started_at,
        "written_at": datetime.now(UTC), "interval_seconds": 30,
        "link": LinkStatus(connected=True),
        "line": LineStatus(port=8620, statistics=STAMP, measured_at=NOW),
        "devices": (device(Status.OK),), "host": HostState(status=Status.OK),
        "outbox": OutboxStatus(
            messages=0, oldest_age_seconds=0, dropped_total=0, in_memory=0
        ),
    }  # fmt: skip
    return AgentStatus.model_validate(content | changes)
