"""One agent at rest: its memory and its share of a core while only the light flow runs."""

import re
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.bench import Row
from tests.integration.district import District, running_district, wait_until

SECONDS = 65.0
"""Two looks of the inventory and a report at least."""
SETTLE_SECONDS = 3.0
POINT = "bom-bo"
NODE = "video0"
DEVICES = [
    {"kind": kind, "role": role, "source": source}
    for kind, role, source in (
        ("codec", "main", {"format": "sip", "url": "sip://127.0.0.1:5060"}),
        ("display", "main", {"format": "system"}),
        ("display", "projector", {"format": "pjlink", "url": "pjlink://127.0.0.1"}),
        # The kernel lists no such card, so that the sound system is asked at every look.
        ("microphone", "main", {"format": "system", "url": "Jabra"}),
    )
]


def run() -> list[Row]:
    """Measure an agent of a full room that watches, reports and is not asked; about 3 minutes."""
    with tempfile.TemporaryDirectory() as folder, _district(Path(folder)) as district:
        process = district.parts[POINT].process
        if process is None:
            raise RuntimeError("the agent does not run")
        agent = psutil.Process(process.pid)
        wait_until("the light flow has its socket", lambda: bool(agent.net_connections("udp")))
        time.sleep(SETTLE_SECONDS)
        before, started = _cpu_seconds(agent), time.perf_counter()
        time.sleep(SECONDS)
        share = (_cpu_seconds(agent) - before) / (time.perf_counter() - started)
        everyone = [agent, *agent.children(recursive=True)]
        resident_bytes = sum(one.memory_info().rss for one in everyone)
        node = Path(folder) / NODE
        gone, back = (
            _seconds_until(district, present="0", change=node.unlink),
            _seconds_until(district, present="1", change=node.touch),
        )
    return [
        Row("agent", "camera unplugged, until /metrics says so", gone, "s", "<= 60"),
        Row("agent", "camera plugged in again, until /metrics says so", back, "s", "<= 60"),
        Row("agent", "at rest: resident memory", resident_bytes / 1e6, "MB", "<= 55"),
        Row("agent", "at rest, light flow on: CPU", share * 100, "% of a core", "<= 0.5"),
    ]


@contextmanager
def _district(folder: Path) -> Iterator[District]:
    """Yield a district of one agent, with a camera that can be unplugged: a node of its own."""
    node = folder / NODE
    node.touch()
    camera = {"kind": "camera", "role": "main", "source": {"format": "v4l2", "url": str(node)}}
    devices = [*DEVICES, camera]
    with running_district(folder, [POINT], report_interval_seconds=60, devices=devices) as district:
        yield district


def _seconds_until(district: District, present: str, change: Callable[[], None]) -> float:
    line = re.compile(
        rf'^diemcau_device_present{{.*kind="camera".*}} {present}(\.0)?$', re.MULTILINE
    )

    def told() -> bool:
        with urllib.request.urlopen(f"{district.url}/metrics", timeout=5) as answer:
            return line.search(answer.read().decode()) is not None

    if told():
        raise RuntimeError("it was so before")
    change()
    started = time.perf_counter()
    wait_until(f"the camera's presence is {present}", told, seconds=120)
    return time.perf_counter() - started


def _cpu_seconds(agent: psutil.Process) -> float:
    """Return the processor time of the agent and of what it started, ended or not.

    The scheduler's own count in ns where there is one: the other steps by 10 ms, 0.1 % of 10 s.
    """
    ended = agent.cpu_times()
    total = ended.children_user + ended.children_system
    for one in [agent, *agent.children(recursive=True)]:
        try:
            counts = [
                file.read_text(encoding="ascii").split()[0]
                for file in Path(f"/proc/{one.pid}/task").glob("*/schedstat")
            ]
        except OSError:
            counts = []
        times = one.cpu_times()
        total += sum(map(int, counts)) / 1e9 if counts else times.user + times.system
    return total
