"""What Prometheus is given: the points' series by an own renderer, the server's by its library.

A measurement is shown only while its report is fresh; then its series end, so that Prometheus
marks them stale. Series from the configuration (enabled, state, ready) are always there, also for
a point that never spoke. No series bears a time stamp (decisions 0008 and 0030).
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as write_openmetrics

from diemcau_contract.messages import Report
from diemcau_server.exposition import Exposition
from diemcau_server.server_series import ServerSeries
from diemcau_server.state import Board


@dataclass(frozen=True, slots=True)
class Scope:
    """What a scrape asks for: points (of ``hub``, of all without one), the server's own series."""

    points: bool = True
    server: bool = True
    hub: str | None = None


@dataclass(frozen=True, slots=True)
class EndedTest:
    """A test for the counters; ``result`` is its verdict, or why it has none."""

    hub: str
    kind: str
    result: str
    seconds: float | None


class Metrics(ServerSeries):
    """Counters of the server, and the text of ``/metrics``."""

    def __init__(
        self, board: Board, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__()
        self._clock = clock
        self._exposition = Exposition(board)

    def took_live(self, report: Report, received_at: datetime) -> None:
        """Note how old a live report was; without a clock offset nobody knows."""
        offset = report.line.clock_offset_seconds if report.line else None
        if offset is not None:
            age = received_at - (report.taken_at + timedelta(seconds=offset))
            self.lag_seconds.observe(max(0.0, age.total_seconds()))

    def test_ended(self, ended: EndedTest) -> None:
        """Count a test."""
        self.test_runs.labels(ended.hub, ended.kind, ended.result).inc()
        if ended.seconds is not None:
            self.test_seconds.labels(ended.hub, ended.kind).observe(ended.seconds)

    def config_read(self, file: Path) -> None:
        """Note which configuration the server runs on."""
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        self.config_hash.labels(digest[:12]).set(1)
        self.config_loaded.set(self._clock().timestamp())

    async def watch_loop(self, every_seconds: float = 0.5) -> None:
        """Measure by how much the event loop is late; a task that never ends."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + every_seconds
            await asyncio.sleep(every_seconds)
            self.loop_lag.set(max(_value(self.loop_lag), loop.time() - due))

    async def keep_written(self, every_seconds: float = 1.0) -> None:
        """Write the lines of changed points ahead of the next scrape; a task that never ends."""
        while True:
            await asyncio.sleep(every_seconds)
            await self._exposition.refresh(self._clock())

    async def scrape(self, scope: Scope, *, openmetrics: bool = False) -> AsyncIterator[bytes]:
        """Yield the text of ``scope`` in pieces; other tasks run between two of them."""
        started = time.perf_counter()
        if scope.points:
            async for part in self._exposition.parts(
                self._clock(), scope.hub, openmetrics=openmetrics
            ):
                yield part
            self.exposed_series.set(self._exposition.series)
            self.render_seconds.set(time.perf_counter() - started)
        if scope.server:
            write = write_openmetrics if openmetrics else generate_latest
            yield write(self.registry)
            self.loop_lag.set(0)
        elif openmetrics:
            yield b"# EOF\n"


def _value(gauge: Gauge) -> float:
    return float(next(iter(next(iter(gauge.collect())).samples)).value)
