"""What Prometheus is given: the points' series by an own renderer, the server's by its library.

A measurement is shown only while its report is fresh; then its series end, so that Prometheus
marks them stale. Series from the configuration (enabled, state, ready) are always there, also for
a point that never spoke. No series bears a time stamp.
"""

import asyncio
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from diemcau_contract import __version__
from diemcau_contract.errors import RejectReason
from diemcau_server.measure_metrics import MeasureMetrics
from diemcau_server.point_series import FAMILIES, PointLines, always_lines, report_lines
from diemcau_server.state import Board, Phase, PointKey, PointRecord

_CHUNK_POINTS = 200
"""So many points are rendered between two turns of the event loop."""
_BATCH_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

_Cached = tuple[Phase, PointLines]


class Metrics:
    """Counters of the server, and the text of ``/metrics``."""

    def __init__(
        self, board: Board, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._board = board
        self._clock = clock
        self._cache: dict[PointKey, _Cached] = {}
        self.registry = registry = CollectorRegistry()
        self.messages = Counter(
            "diemcau_ingest_messages",
            "Messages of points by what became of them",
            ["result"],
            registry=registry,
        )
        for result in ("accepted", "duplicate", "invalid", "refused", "other"):
            self.messages.labels(result)
        self.quarantined = Counter(
            "diemcau_ingest_quarantined",
            "Messages kept aside, by reason",
            ["reason"],
            registry=registry,
        )
        for rejected in RejectReason:
            self.quarantined.labels(str(rejected))
        self.measure = MeasureMetrics(registry)
        self.batch_seconds = Histogram(
            "diemcau_ingest_batch_seconds",
            "Duration of one transaction of reports",
            buckets=_BATCH_BUCKETS,
            registry=registry,
        )
        self.store_errors = Counter(
            "diemcau_store_errors", "Transactions that the store refused", registry=registry
        )
        self.queue_length = Gauge(
            "diemcau_ingest_queue_length", "Reports that wait to be committed", registry=registry
        )
        self.mqtt_connected = Gauge(
            "diemcau_mqtt_connected", "Whether there is a session with the broker",
            registry=registry,
        )  # fmt: skip
        self.mqtt_reconnects = Counter(
            "diemcau_mqtt_reconnects", "Sessions with the broker that were lost", registry=registry
        )
        self.ndt7_transfers = Counter(
            "diemcau_ndt7_transfers",
            "Transfers of ndt7 by direction and by how they ended",
            ["direction", "end"],
            registry=registry,
        )
        self.loop_lag = Gauge(
            "diemcau_event_loop_lag_seconds",
            "Longest delay of the event loop since the last scrape",
            registry=registry,
        )
        self.render_seconds = Gauge(
            "diemcau_render_seconds", "Duration of the last rendering", registry=registry
        )
        _show_build(registry)

    async def watch_loop(self, every_seconds: float = 0.5) -> None:
        """Measure by how much the event loop is late; a task that never ends."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + every_seconds
            await asyncio.sleep(every_seconds)
            self.loop_lag.set(max(_value(self.loop_lag), loop.time() - due))

    async def render(self) -> bytes:
        """Return all series in Prometheus' text format 0.0.4."""
        started = time.perf_counter()
        now = self._clock()
        texts: list[list[str]] = [[family.header] for family in FAMILIES]
        for number, (key, record) in enumerate(list(self._board.records.items())):
            for index, sample in self._point_lines(key, record, now):
                texts[index].append(sample)
            if number % _CHUNK_POINTS == _CHUNK_POINTS - 1:
                await asyncio.sleep(0)
        lines = "".join("".join(parts) for parts in texts if len(parts) > 1)
        self.render_seconds.set(time.perf_counter() - started)
        text = lines.encode() + generate_latest(self.registry)
        self.loop_lag.set(0)
        return text

    def _point_lines(self, key: PointKey, record: PointRecord, now: datetime) -> PointLines:
        """Return the lines of a point, kept until its next change."""
        phase = self._board.phase_of(record, now)
        cached = self._cache.get(key)
        if cached is not None and cached[0] == phase:
            return cached[1]
        view = self._board.view_of(key, record, now)
        lines = tuple((index, text) for index, text in enumerate(always_lines(view)) if text)
        if view.report is not None:
            lines += report_lines(key, view.report)
        self._cache[key] = (phase, lines)
        return lines


def _show_build(registry: CollectorRegistry) -> None:
    labels = ["version", "python"]
    info = Gauge("diemcau_build_info", "Version of the server", labels, registry=registry)
    info.labels(__version__, platform.python_version()).set(1)


def _value(gauge: Gauge) -> float:
    return float(next(iter(next(iter(gauge.collect())).samples)).value)
