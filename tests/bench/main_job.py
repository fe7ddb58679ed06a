"""The main job: ``diemcau test-line`` over a district of real processes on loopback."""

import json
import os
import tempfile
import time
from pathlib import Path

import psutil

from tests.bench import Row
from tests.integration.district import District, running_district

POINTS_VARIABLE = "DIEMCAU_BENCH_POINTS"
"""How many points; 16 where it is not set."""
PEER = "341 s by iperf3 one after another (16 points)"


def run() -> list[Row]:
    """Measure one test of all points, devices left out; some two minutes."""
    number = int(os.environ.get(POINTS_VARIABLE, "16"))
    points = [f"diem-{count}" for count in range(1, number + 1)]
    with (
        tempfile.TemporaryDirectory() as folder,
        running_district(Path(folder), points, report_interval_seconds=60, devices=[]) as district,
    ):
        return _measure(district)


def _measure(district: District) -> list[Row]:
    cpu_before, started = _server_cpu_seconds(district), time.perf_counter()
    done = district.command("test-line", "--json")
    seconds = time.perf_counter() - started
    cpu_seconds = _server_cpu_seconds(district) - cpu_before
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"test-line ended with {done.returncode}: {done.stderr}")
    verdicts = [point["verdict"] for point in json.loads(done.stdout)["points"]]
    name = f"test-line, {len(district.points)} points"
    return [
        Row("main_job", f"{name}: duration", seconds, "s", PEER),
        Row("main_job", f"{name}: found ready", verdicts.count("ready"), "points"),
        Row("main_job", f"{name}: hub CPU, mean", cpu_seconds / seconds * 100, "% of a core"),
    ]


def _server_cpu_seconds(district: District) -> float:
    """Return the processor time of the server and its measuring end since their start."""
    process = district.parts["server"].process
    if process is None:
        raise RuntimeError("the server does not run")
    server = psutil.Process(process.pid)
    own = server.cpu_times()
    # Those of children that have ended are in the server's own figures.
    total = own.user + own.system + own.children_user + own.children_system
    for child in server.children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return float(total)
