"""What Prometheus is given: the points' series by an own renderer, the server's by its library.

A measurement is shown only while its report is fresh; then its series end, so that Prometheus
marks them stale. Series from the configuration (enabled, state, ready) are always there, also for
a point that never spoke. No series bears a time stamp (decisions 0008 and 0030).
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as write_openmetrics

from diemcau_contract.messages import Report
from diemcau_server.exposition import Exposition
from diemcau_server.server_series import LAG_SECONDS, ServerSeries
from diemcau_server.state import Board

_END_OF_OPENMETRICS = b"# EOF\n"


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


class WorstLag:
    """The longest delay within the last LAG_SECONDS; looking at it changes nothing."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()

    def note(self, moment: float, seconds: float) -> None:
        """Take the delay seen at ``moment``, and forget what is too old."""
        self._late.append((moment, seconds))
        while moment - self._late[0][0] >= LAG_SECONDS:
            self._late.popleft()

    def seconds(self) -> float:
        """Return the longest delay that is kept."""
        return max((seconds for _, seconds in self._late), default=0.0)


class Metrics(ServerSeries):
    """Counters of the server, and the text of ``/metrics``."""

    def __init__(
        self, board: Board, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__(board.hub_names)
        self._clock = clock
        self._lag = WorstLag()
        self.loop_lag.set_function(self._lag.seconds)
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
            self._lag.note(loop.time(), loop.time() - due)

    async def keep_written(self, every_seconds: float = 1.0) -> None:
        """Write the lines of changed points ahead of the next scrape; a task that never ends."""
        while True:
            await asyncio.sleep(every_seconds)
            await self._exposition.refresh(self._clock())

    async def scrape(self, scope: Scope, *, openmetrics: bool = False) -> AsyncIterator[bytes]:
        """Yield the text of ``scope`` in pieces; other tasks run between two of them."""
        if scope.points:
            started = time.perf_counter()
            written = await self._exposition.written(self._clock(), scope.hub)
            async for piece in written.pieces(openmetrics=openmetrics):
                yield piece
            self.exposed_series.set(written.series)
            self.render_seconds.set(time.perf_counter() - started)
            yield _text(self.of_scrape, openmetrics=openmetrics)
        if scope.server:
            yield _text(self.registry, openmetrics=openmetrics)
        if openmetrics:
            yield _END_OF_OPENMETRICS


def _text(registry: CollectorRegistry, *, openmetrics: bool) -> bytes:
    """Return what prometheus-client writes, without the line that ends OpenMetrics."""
    if not openmetrics:
        return generate_latest(registry)
    text: bytes = write_openmetrics(registry)  # type: ignore[no-untyped-call]  # as the library
    return text.removesuffix(_END_OF_OPENMETRICS)
