"""Reports as agents send them, for the tests of ingest, store, board and metrics."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from diemcau_contract.causes import Cause
from diemcau_contract.measurements import Quantiles, StampStatistics
from diemcau_contract.messages import AgentState, DeviceResult, HostState, Report
from diemcau_contract.result import (
    DeviceLine,
    HubDirection,
    HubLine,
    LineResult,
    LoadedDirection,
    PointResult,
    Sentence,
    TestResult,
)
from diemcau_contract.words import Confidence, DeviceKind, Status, Verdict
from diemcau_server.config import ServerConfig, load_config
from tests.server.district import FILE

BOOT = "0123456789abcdef"
NOW = datetime(2026, 3, 14, 0, 30, tzinfo=UTC)
TOPIC = "diemcau/v1/bu-dang/{point}/up/report"


class Clock:
    """A clock that stands until it is set."""

    now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


def small_config(directory: Path) -> ServerConfig:
    """Load the tests' district from a new file."""
    file = directory / "district.yaml"
    file.write_text(FILE, encoding="utf-8")
    return load_config(file)


def line(**changes: Any) -> StampStatistics:
    """Return a good line."""
    good: dict[str, Any] = {
        "packets_sent": 60,
        "packets_received": 60,
        "loss_ratio_up": 0.0,
        "loss_ratio_down": 0.0,
        "rtt_seconds": Quantiles(p50=0.004, p95=0.006, p99=None, min=0.003, max=0.009),
        "queue_delay_up_seconds": Quantiles(p50=0.001, p95=0.002),
        "queue_delay_down_seconds": Quantiles(p50=0.001, p95=0.002),
        "clock_offset_seconds": 0.25,
        "clock_offset_bound_seconds": 0.002,
    }
    return StampStatistics(**(good | changes))


def report(
    seq: int = 1,
    *,
    point: str = "bom-bo",
    boot_id: str = BOOT,
    devices: Sequence[DeviceResult] = (),
    stamp: StampStatistics | None = None,
    **changes: Any,
) -> Report:
    """Return a report of a room where all is well."""
    return Report(
        **{
            "schema": "diemcau.report/1",
            "hub": "bu-dang",
            "point": point,
            "boot_id": boot_id,
            "seq": seq,
            "taken_at": NOW + timedelta(seconds=seq),
            "uptime_seconds": 100.0 + seq,
            "interval_seconds": 30.0,
            "line": stamp or line(),
            "devices": tuple(devices)
            or (
                DeviceResult(kind=DeviceKind.CAMERA, status=Status.OK),
                DeviceResult(kind=DeviceKind.MICROPHONE, status=Status.OK),
            ),
            "host": HostState(cpu_ratio=0.1, memory_ratio=0.4, medium="cable"),
            "agent": AgentState(
                version="0.1.0",
                os="Debian 12",
                python="3.11",
                started_at=NOW,
                outbox_messages=0,
                outbox_oldest_age_seconds=0,
                outbox_dropped_total=0,
                reconnects_total=0,
                memory_bytes=40_000_000,
                cpu_seconds_total=1.0,
                cycle_duration_seconds=0.2,
            ),
            **changes,
        }
    )


def payload(of: Report) -> bytes:
    """Return the report as it travels."""
    return of.model_dump_json(by_alias=True).encode()


def ended_test(verdict: Verdict, cause: Cause | None = None, point: str = "bom-bo") -> TestResult:
    """Return a test of one point that began at NOW and took 20 s."""
    return TestResult(
        test="20260314-003000-abcd",
        hub="bu-dang",
        session=None,
        profile="light",
        started_at=NOW,
        duration_seconds=20.0,
        verdict=verdict,
        hub_line=HubLine(verdict=Verdict.UNKNOWN, cause=None, up=None, down=None),
        points=(
            PointResult(
                point=point,
                name="Xã Bom Bo",
                verdict=verdict,
                confidence=Confidence.HIGH,
                cause=cause,
                action=Sentence(vi="Làm đi", en="Do it"),
                line=LineResult(),
            ),
        ),
    )


def full_test() -> TestResult:
    """Return a test that has measured everything that there is."""
    loaded = LoadedDirection(
        packets_sent=1000, packets_received=990, loss_ratio=0.01, loss_ratio_worst_200ms=0.1,
        queue_delay_seconds=None, jitter_seconds=0.004, reorder_ratio=0.0, late_frame_ratio=0.0,
    )  # fmt: skip
    hub = HubDirection(offered_bits_per_second=8e6, carried_bits_per_second=7.2e6)
    result = ended_test(Verdict.READY)
    point = result.points[0].model_copy(
        update={
            "line": LineResult(up=loaded, down=loaded),
            "devices": (
                DeviceLine(
                    kind=DeviceKind.CAMERA, role="main", status=Status.OK,
                    values={"frames_per_second": 29.97},
                ),
                DeviceLine(
                    kind=DeviceKind.MICROPHONE, role="main", status=Status.OK,
                    values={"rms_dbfs": -20.0},
                ),
            ),
        }
    )  # fmt: skip
    line = HubLine(verdict=Verdict.READY, cause=None, up=hub, down=hub)
    return result.model_copy(update={"points": (point,), "hub_line": line})
