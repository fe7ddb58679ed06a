"""Reports that one server process checks, commits and acknowledges in a second."""

import asyncio
import tempfile
import time
from pathlib import Path

from diemcau_server.ingest import Ingest, IngestParts
from diemcau_server.metrics import Metrics
from diemcau_server.state import Board
from diemcau_server.store import Store
from diemcau_server.store.engine import resolved_url
from tests.bench import Row
from tests.server.reports import NOW, TOPIC, payload, report, small_config

REPORTS = 20_000
CHUNK = 250


def run() -> list[Row]:
    """Measure one run of 20,000 distinct reports on SQLite with synchronous=FULL."""
    with tempfile.TemporaryDirectory() as directory:
        seconds = asyncio.run(_measure(Path(directory)))
    return [
        Row("ingest", "reports committed and acknowledged", REPORTS / seconds, "reports/s", "5000")
    ]


async def _measure(directory: Path) -> float:
    board = Board.of(small_config(directory))
    store = await Store.open(resolved_url("sqlite:///bench.sqlite", directory, None))
    parts = IngestParts(board, store, Metrics(board), _nowhere, _nowhere, _nowhere)
    ingest = Ingest(parts, clock=lambda: NOW)
    body = payload(report(1))
    bodies = [body.replace(b'"seq":1,', b'"seq":%d,' % n) for n in range(1, REPORTS + 1)]
    task = asyncio.create_task(ingest.run())
    topic = TOPIC.format(point="bom-bo")
    started = time.perf_counter()
    for number in range(0, REPORTS, CHUNK):
        for content in bodies[number : number + CHUNK]:
            ingest.receive(topic, content)
        await asyncio.sleep(0)
    if not await ingest.drain(60.0):
        message = "not all reports were committed"
        raise RuntimeError(message)
    seconds = time.perf_counter() - started
    task.cancel()
    await asyncio.wait([task])
    await store.close()
    return seconds


async def _nowhere(*_: object) -> None:
    """Take a message."""
