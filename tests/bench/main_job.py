"""The main job: ``diemcau test-line`` over a district of real processes on loopback.

Once without devices, then with a camera and a microphone in every room, made up by filters: what
these cost the line's figures, and how long until all rooms are judged. The pictures are small, for
all rooms share the processors of one machine.
"""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psutil

from diemcau_agent.openings import Openings
from tests.bench import Row
from tests.integration.district import District, running_district

POINTS_VARIABLE = "DIEMCAU_BENCH_POINTS"
"""How many points; 16 where it is not set."""
_STEP = re.compile(r" s left\)$")
"""The end of the line that names the step which has begun."""
_MARKS = 4
_PERCENT = "% of a core"
_SMALL_ROOM: list[dict[str, Any]] = [
    {
        "kind": "camera",
        "source": {
            "format": "lavfi",
            "url": "testsrc2=size=320x180:rate=15,noise=alls=4:allf=t,realtime",
        },
    },
    {
        "kind": "microphone",
        "source": {"format": "lavfi", "url": "anoisesrc=amplitude=0.02:color=pink:seed=7"},
    },
]
PEER = "341 s by iperf3 one after another (16 points)"


def run() -> list[Row]:
    """Measure one test of all points without and one with devices; some four minutes."""
    number = int(os.environ.get(POINTS_VARIABLE, "16"))
    points = [f"diem-{count}" for count in range(1, number + 1)]
    rows: list[Row] = []
    rooms: tuple[list[dict[str, Any]], ...] = ([], _SMALL_ROOM)
    for devices in rooms:
        with (
            tempfile.TemporaryDirectory() as folder,
            running_district(
                Path(folder), points, report_interval_seconds=60, devices=devices
            ) as district,
        ):
            rows += _measure(district)
    return rows


def _measure(district: District) -> list[Row]:
    asked_at = datetime.now(UTC)
    result, marks = _followed_test(district)
    begin, rehearsal, after, end = marks
    name = f"test-line, {len(district.points)} points"
    if district.devices:
        name += " with camera and microphone"
        return [*_line_rows(name, result), *_device_rows(name, district, result, asked_at)]
    rehearsed, agents = after.since(rehearsal), len(district.points)
    return [
        Row("main_job", f"{name}: duration", end.since(begin).at, "s", PEER),
        Row("main_job", f"{name}: hub CPU, mean", end.since(begin).hub_ratio * 100, _PERCENT),
        Row("main_job", "rehearsal: duration", rehearsed.at, "s"),
        Row("main_job", "rehearsal: hub CPU time", rehearsed.hub_seconds, "s"),
        Row("main_job", "rehearsal: hub CPU, mean", rehearsed.hub_ratio * 100, _PERCENT),
        Row("main_job", "rehearsal: CPU time of an agent, mean", rehearsed.agents_seconds / agents,
            "s"),
        Row("main_job", "rehearsal: agent CPU, mean",
            rehearsed.agents_seconds / agents / rehearsed.at * 100, _PERCENT),
        *_line_rows(name, result),
    ]  # fmt: skip


def _line_rows(name: str, result: Any) -> Iterator[Row]:
    """Yield the worst of the line over all points: what devices beside it must not change."""
    ways = [point["line"][way] for point in result["points"] for way in ("up", "down")]
    lost = max(way["loss_ratio"] for way in ways)
    waited = max(way["queue_delay_seconds"]["p95"] for way in ways)
    bad = [
        finding
        for point in result["points"]
        for finding in point["findings"]
        if finding["rule"].startswith("line.") and finding["status"] != "ok"
    ]
    others = [point for point in result["points"] if point["verdict"] != "ready"]
    ready = len(result["points"]) - len(others)
    yield Row("main_job", f"{name}: found ready{_in_the_way(others)}", ready, "points")
    yield Row("main_job", f"{name}: worst loss", lost * 100, "%")
    yield Row("main_job", f"{name}: worst queue, p95", waited * 1000, "ms")
    yield Row("main_job", f"{name}: findings of the line that are not ok", len(bad), "findings")


def _in_the_way(points: list[Any]) -> str:
    """Name what kept points from being ready, most frequent first: here the machine, not a line."""
    rules = Counter(
        finding["rule"]
        for point in points
        for finding in point["findings"]
        if finding["status"] not in {"ok", "not_applicable"}
    )
    named = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
    return f" (in the way: {named})" if named else ""


def _device_rows(name: str, district: District, result: Any, asked_at: datetime) -> Iterator[Row]:
    """Yield how long the rooms took, by their own logs of what they opened, and what they found."""
    ends = [
        (entry.at - asked_at).total_seconds() + (entry.seconds or 0.0)
        for point in district.points
        for entry in Openings(district.folder / point / "state", allowed_by_file=True).entries()
    ]
    expected = len(district.points) * len(district.devices)
    if len(ends) != expected:
        raise RuntimeError(f"{len(ends)} openings on record, not {expected}")
    devices = [device for point in result["points"] for device in point["devices"]]
    good = sum(device["status"] == "ok" for device in devices)
    yield Row("main_job", f"{name}: all devices judged after", max(ends), "s", "<= 30")
    yield Row("main_job", f"{name}: devices ok", good, "devices", f"{expected}")


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
