"""The points' series as prometheus-client itself writes them, and a crowd of points to write."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Direction, PointState, Status, Verdict
from diemcau_server.capacity import DirectionCapacity, LineCapacity
from diemcau_server.config import load_config
from diemcau_server.hub_series import HUB_FAMILIES, Attendance, HubTally, hub_samples
from diemcau_server.metrics import Metrics, Scope
from diemcau_server.point_series import FAMILIES, Family, Labels, Sample, point_samples
from diemcau_server.state import Board
from tests.server.district import FILE
from tests.server.reports import NOW, ended_test, full_test, report, small_config


class Peer(Collector):
    """Gives samples to prometheus-client as any exporter would."""

    def __init__(
        self, families: Iterable[Family], samples: Iterable[tuple[Labels, Sample]]
    ) -> None:
        self._families = tuple(families)
        self._samples = tuple(samples)

    def collect(self) -> Iterator[Metric]:
        """Yield each family that has samples."""
        by_name: dict[str, list[tuple[dict[str, str], float]]] = {}
        for base, (name, labels, value) in self._samples:
            by_name.setdefault(name, []).append((dict(base + labels), value))
        for family in self._families:
            counts = family.kind == "counter"
            metric = (CounterMetricFamily if counts else GaugeMetricFamily)(
                family.name, family.help
            )
            name = f"{family.name}_total" if counts else family.name
            for of_sample, value in by_name.get(name, ()):
                metric.add_sample(name, of_sample, value)
            if metric.samples:
                yield metric


def registry_of(peer: Peer) -> CollectorRegistry:
    """Return a registry that holds nothing else."""
    registry = CollectorRegistry()
    registry.register(peer)
    return registry


def board_samples(board: Board, now: datetime) -> Iterator[tuple[Labels, Sample]]:
    """Yield every sample of every point with its hub and point."""
    for view in board.view(now):
        base = (("hub", view.key.hub), ("point", view.key.point))
        for sample in point_samples(view, board.limits):
            yield base, sample


def peer_of(board: Board, now: datetime) -> CollectorRegistry:
    """Return prometheus-client's own exporter of a board's points."""
    return registry_of(Peer(FAMILIES, board_samples(board, now)))


def hub_peer_of(board: Board, now: datetime) -> CollectorRegistry:
    """Return prometheus-client's own exporter of a board's hubs."""
    samples: list[tuple[Labels, Sample]] = []
    for hub, name in board.hub_names.items():
        tally = HubTally({})
        for view in board.view(now, hub):
            tally.testing |= board.records[view.key].testing
            if view.session is not None and view.enabled:
                one = tally.sessions.setdefault(view.session.id, Attendance(view.session))
                one.points += 1
                one.ready += view.state is PointState.READY
        base = (("hub", hub),)
        told = hub_samples(name, tally, board.hub_lines.get(hub), now)
        samples.extend((base, sample) for sample in told)
    return registry_of(Peer(HUB_FAMILIES, samples))


def full_board(folder: Path) -> Board:
    """Return a board of which one point has measured everything that there is, at NOW."""
    made = Board.of(small_config(folder))
    devices = [
        DeviceResult(kind=DeviceKind.CAMERA, status=Status.BAD, causes=(Cause.MISSING,)),
        DeviceResult(kind=DeviceKind.MICROPHONE, status=Status.IN_USE, model='Jabra "510" \\ USB'),
        DeviceResult(kind=DeviceKind.SPEAKER, status=Status.UNKNOWN),
    ]
    host = HostState(
        cpu_ratio=0.5, memory_ratio=0.5, disk_free_bytes=10**9, medium="cable",
        interface_bits_per_second=1e8, clock_synchronised=True, on_mains=True, battery_ratio=0.8,
        status=Status.OK,
    )  # fmt: skip
    works = [DeviceResult(kind=DeviceKind.CAMERA, status=Status.OK), *devices[1:]]
    made.on_report(report(1, devices=works, host=host), NOW)
    made.on_report(report(2, devices=devices, host=host), NOW)
    made.test_ended("bu-dang", ["bom-bo"], full_test())
    capacity = LineCapacity(
        NOW, DirectionCapacity(8e6, "line"), DirectionCapacity(16e6, "cap"), 6.9
    )
    made.capacity_measured("bu-dang", "bom-bo", capacity)
    for number in (1_000_000, 2_000_000):
        made.capacity_loaded("bu-dang", "bom-bo", {Direction.UP: number})
    return made


def crowded_board(folder: Path, points: int, now: datetime, hubs: int = 1) -> Board:
    """Return a board of ``points`` rooms in ``hubs`` districts, all reported and tested."""
    document = yaml.safe_load(FILE)
    each = points // hubs
    document["hubs"] = [
        {
            "id": f"hub-{hub}",
            "name": f"Huyện {hub}",
            "points": [
                {"id": f"xa-{hub}-{number}", "name": f"Xã {number}"} for number in range(each)
            ],
        }
        for hub in range(hubs)
    ]
    document["sessions"] = []
    file = folder / f"crowd-{points}.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    board = Board.of(load_config(file))
    for key, record in board.records.items():
        seen = report(1, point=key.point, host=FULL_HOST, devices=NAMED_DEVICES, taken_at=now)
        board.on_report(seen.model_copy(update={"hub": key.hub}), now)
        result = ended_test(Verdict.READY, point=key.point)
        board.test_ended(key.hub, [key.point], result.model_copy(update={"started_at": now}))
        record.capacity = LineCapacity(
            now, DirectionCapacity(2e7, "line"), DirectionCapacity(5e7, "cap"), 7.0
        )
    return board


NAMED_DEVICES = (
    DeviceResult(kind=DeviceKind.CAMERA, status=Status.OK, model="Logitech Rally Camera"),
    DeviceResult(kind=DeviceKind.MICROPHONE, status=Status.OK, model="Jabra SPEAK 510 USB"),
)
FULL_HOST = HostState.model_validate(
    {
        "cpu_ratio": 0.25, "memory_ratio": 0.5, "disk_free_bytes": 10**10, "medium": "cable",
        "interface_bits_per_second": 1e9, "clock_synchronised": True, "on_mains": True,
        "status": "ok",
    }
)  # fmt: skip


async def scraped(
    metrics: Metrics, scope: Scope | None = None, *, openmetrics: bool = False
) -> bytes:
    """Return a whole scrape."""
    parts = metrics.scrape(scope or Scope(), openmetrics=openmetrics)
    return b"".join([part async for part in parts])


def openmetrics_families(text: str) -> Iterator[Metric]:
    """Read OpenMetrics; raises ValueError where it is none."""
    families: Iterator[Metric] = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # as the library
    return families
