"""/metrics of 16, 1,000 and 10,000 points: time, size, stall and memory, beside prometheus-client.

Each size has a process of its own, in which a thirtieth of the points reports every second, as
they do with an interval of 30 s; a real Prometheus scrapes it in the end.
"""

import asyncio
import gzip
import json
import multiprocessing
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import psutil
import yaml
from aiohttp import ClientSession, web
from prometheus_client import generate_latest

from diemcau_server import heap
from diemcau_server.metrics import Metrics, Scope
from diemcau_server.state import Board
from diemcau_server.web.routing import SERVICES
from diemcau_server.web.scraping import GZIP_LEVEL, GZIP_WBITS, get_metrics
from tests.bench import Row
from tests.brokers import free_port
from tests.server.reports import report
from tests.server.series import NAMED_DEVICES, crowded_board, peer_of, scraped

if TYPE_CHECKING:
    from diemcau_server.services import Services

SIZES = {16: "< 2 ms", 1000: "< 25 ms", 10_000: "< 250 ms"}
REPEATS = 5
INTERVAL_SECONDS = 30
SCRAPES = 4
PATIENCE_SECONDS = 60.0


def run() -> list[Row]:
    """Measure all sizes; about two minutes."""
    rows: list[Row] = []
    for points in SIZES:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            rows += pool.submit(_measure, points).result()
    return rows


def _measure(points: int) -> list[Row]:
    return asyncio.run(_all_of(points))


async def _all_of(points: int) -> list[Row]:
    name = f"metrics of {points} points"
    with tempfile.TemporaryDirectory() as directory:
        board = crowded_board(Path(directory), points, datetime.now(UTC))
        metrics = Metrics(board)
        text = await scraped(metrics)
        heap.keep_still()
        async with _serving(metrics) as url, _reporting(board, metrics):
            rendered = await _render_seconds(metrics)
            seconds, stalls = await _scrapes(url)
            rss = psutil.Process().memory_info().rss
            by_prometheus = await asyncio.to_thread(_by_prometheus, Path(directory), url)
    packed = len(gzip.compress(text, 1))
    peer = _peer_seconds(board)
    rows = [
        Row(name, "rendered and packed", rendered * 1000, "ms", SIZES[points]),
        Row(name, "by prometheus-client, not packed", peer * 1000, "ms", "the same points"),
        Row(name, "whole answer over HTTP", seconds * 1000, "ms", "client in the same process"),
        Row(name, f"longest stall of the loop, median of {REPEATS} scrapes",
            median(stalls) * 1000, "ms", "< 20; the peer's whole time"),
        Row(name, f"longest stall of the loop, worst of {REPEATS} scrapes",
            max(stalls) * 1000, "ms", "with whatever else the machine does"),
        Row(name, "size", len(text) / 1e6, "MB", f"{packed / 1e6:.3g} MB packed"),
        Row(name, "resident memory", rss / 1e6, "MB", "< 400 for 10000"),
    ]  # fmt: skip
    return rows + [Row(name, figure, *value, "") for figure, value in by_prometheus.items()]


@asynccontextmanager
async def _serving(metrics: Metrics) -> AsyncIterator[str]:
    """Serve /metrics by the server's own handler."""
    app = web.Application()
    app[SERVICES] = cast("Services", SimpleNamespace(metrics=metrics))
    app.router.add_get("/metrics", get_metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    await runner.cleanup()


@asynccontextmanager
async def _reporting(board: Board, metrics: Metrics) -> AsyncIterator[None]:
    """Let every point report once in 30 s, and the lines be written ahead, as the server does."""
    tasks = [asyncio.create_task(_report(board)), asyncio.create_task(metrics.keep_written())]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _report(board: Board) -> None:
    seq, usual = 1, report(devices=NAMED_DEVICES)
    while True:
        seq += 1
        for key in list(board.records):
            now = datetime.now(UTC)
            who = {"hub": key.hub, "point": key.point, "seq": seq, "taken_at": now}
            board.on_report(usual.model_copy(update=who), now)
            await asyncio.sleep(INTERVAL_SECONDS / len(board.records))


async def _render_seconds(metrics: Metrics) -> float:
    """Return the best time of a whole text, packed as the handler does it."""
    best = 60.0
    for _ in range(REPEATS):
        packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WBITS)
        started = time.perf_counter()
        async for part in metrics.scrape(Scope()):
            packer.compress(part)
        packer.flush()
        best = min(best, time.perf_counter() - started)
        await asyncio.sleep(1.0)
    return best


async def _scrapes(url: str) -> tuple[float, list[float]]:
    """Return the best time of a scrape, from request to last byte, and each one's longest stall."""
    best, stalls = 60.0, []
    async with ClientSession(auto_decompress=False) as client:
        for _ in range(REPEATS):
            late: list[float] = [0.0]
            ticker = asyncio.create_task(_tick(late))
            started = time.perf_counter()
            async with client.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
                await answer.read()
            best = min(best, time.perf_counter() - started)
            ticker.cancel()
            stalls.append(max(late))
            await asyncio.sleep(1.0)
    return best, stalls


async def _tick(late: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0)
        late.append(time.perf_counter() - began)


def _peer_seconds(board: Board) -> float:
    """Return the best time in which prometheus-client renders the same samples."""
    registry = peer_of(board, datetime.now(UTC))
    best = 60.0
    for _ in range(REPEATS if len(board.records) < max(SIZES) else 1):
        started = time.perf_counter()
        generate_latest(registry)
        best = min(best, time.perf_counter() - started)
    return best


def _by_prometheus(folder: Path, url: str) -> dict[str, tuple[float, str]]:
    """Let a real Prometheus scrape; return what it says itself, and its memory."""
    program = shutil.which("prometheus")
    if program is None:
        return {}
    port = free_port()
    target = urllib.parse.urlsplit(url).netloc
    config = {
        "global": {"scrape_interval": "3s", "scrape_timeout": "3s"},
        "scrape_configs": [{"job_name": "bench", "static_configs": [{"targets": [target]}]}],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    process = subprocess.Popen(
        [program, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
    )  # fmt: skip
    try:
        _wait_for_scrapes(port)
        seconds = _value(port, "quantile_over_time(0.5, scrape_duration_seconds[1m])")
        series = _value(port, "scrape_samples_scraped")
        rss = psutil.Process(process.pid).memory_info().rss
    finally:
        process.terminate()
        process.wait()
    return {
        "scrape by Prometheus, its own figure": (seconds * 1000, "ms"),
        "series that it took": (series, ""),
        "Prometheus' resident memory": (rss / 1e6, "MB"),
    }


def _wait_for_scrapes(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _value(port, "sum_over_time(up[2m])") < SCRAPES:
        if time.monotonic() > deadline:
            raise RuntimeError("Prometheus does not scrape")
        time.sleep(0.5)


def _value(port: int, query: str) -> float:
    """Return the one value of a query; 0 where there is none yet."""
    text = urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{text}") as answer:
            found: Any = json.load(answer)["data"]["result"]
    except OSError:
        return 0.0
    return float(found[0]["value"][1]) if found else 0.0
