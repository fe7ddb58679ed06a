"""The main job: ``diemcau test-line`` over a district of real processes on loopback."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from tests.bench import Row
from tests.integration.district import District, running_district

POINTS_VARIABLE = "DIEMCAU_BENCH_POINTS"
"""How many points; 16 where it is not set."""
_STEP = re.compile(r" s left\)$")
"""The end of the line that names the step which has begun."""
_MARKS = 4
_PERCENT = "% of a core"
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
    result, marks = _followed_test(district)
    begin, rehearsal, after, end = marks
    name = f"test-line, {len(district.points)} points"
    verdicts = [point["verdict"] for point in result["points"]]
    rehearsed, agents = after.since(rehearsal), len(district.points)
    return [
        Row("main_job", f"{name}: duration", end.since(begin).at, "s", PEER),
        Row("main_job", f"{name}: found ready", verdicts.count("ready"), "points"),
        Row("main_job", f"{name}: hub CPU, mean", end.since(begin).hub_ratio * 100, _PERCENT),
        Row("main_job", "rehearsal: duration", rehearsed.at, "s"),
        Row("main_job", "rehearsal: hub CPU time", rehearsed.hub_seconds, "s"),
        Row("main_job", "rehearsal: hub CPU, mean", rehearsed.hub_ratio * 100, _PERCENT),
        Row("main_job", "rehearsal: CPU time of an agent, mean", rehearsed.agents_seconds / agents,
            "s"),
        Row("main_job", "rehearsal: agent CPU, mean",
            rehearsed.agents_seconds / agents / rehearsed.at * 100, _PERCENT),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Mark:
    """Time and processor time of all processes of the hub, and of all agents, at one moment."""

    at: float
    hub_seconds: float
    agents_seconds: float

    @classmethod
    def now(cls, district: District) -> Self:
        agents = [_cpu_seconds(district, point) for point in district.points]
        return cls(time.perf_counter(), _cpu_seconds(district, "server"), sum(agents))

    def since(self, other: Self) -> "_Mark":
        return _Mark(
            self.at - other.at,
            self.hub_seconds - other.hub_seconds,
            self.agents_seconds - other.agents_seconds,
        )

    @property
    def hub_ratio(self) -> float:
        return self.hub_seconds / self.at


def _followed_test(district: District) -> tuple[Any, list[_Mark]]:
    """Run a test; return its result, and marks at start, rehearsal, the step after it, and end."""
    argv, environment = district.command_line("test-line", "--json", "--lang", "en")
    marks = [_Mark.now(district)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as result:
        process = subprocess.Popen(
            argv, env=environment, stdout=result, stderr=subprocess.PIPE, encoding="utf-8"
        )
        told = []
        for line in process.stderr or ():
            told.append(line)
            # The marks are the rehearsal's own line, and that of the step which follows it.
            if _STEP.search(line) and (len(marks) > 1 or "] rehearsal (" in line):
                marks.append(_Mark.now(district))
        process.wait()
        marks = [*marks[:3], _Mark.now(district)]
        if process.returncode not in {0, 1} or len(marks) != _MARKS:
            raise RuntimeError(f"test-line ended with {process.returncode}: {''.join(told)}")
        result.seek(0)
        return json.load(result), marks


def _cpu_seconds(district: District, part: str) -> float:
    """Return the processor time of a part and of all that it started, since their start."""
    process = district.parts[part].process
    if process is None:
        raise RuntimeError(f"{part} does not run")
    parent = psutil.Process(process.pid)
    own = parent.cpu_times()
    # Those of children that have ended are in the parent's own figures.
    total = own.user + own.system + own.children_user + own.children_system
    for child in parent.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return float(total)
