"""/metrics: lint-clean, the same text as the library's, fresh values only."""

import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Status, Verdict
from diemcau_line.protocol import HubCounters
from diemcau_server.metrics import Metrics
from diemcau_server.point_series import FAMILIES, escaped, number
from diemcau_server.state import Board
from tests.server.reports import NOW, ended_test, report, small_config


class Clock:
    """A clock that stands until it is set."""

    now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at NOW."""
    return Clock()


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A board of which one point has reported everything that there is."""
    made = Board.of(small_config(tmp_path))
    devices = [
        DeviceResult(kind=DeviceKind.CAMERA, status=Status.BAD, causes=(Cause.MISSING,)),
        DeviceResult(kind=DeviceKind.MICROPHONE, status=Status.IN_USE),
        DeviceResult(kind=DeviceKind.SPEAKER, status=Status.UNKNOWN),
    ]
    host = HostState(
        cpu_ratio=0.5, memory_ratio=0.5, disk_free_bytes=10**9, medium="cable",
        interface_bits_per_second=1e8, clock_synchronised=True, on_mains=True,
    )  # fmt: skip
    made.on_report(report(1, devices=devices, host=host), NOW)
    made.test_ended("bu-dang", ["bom-bo"], ended_test(Verdict.READY))
    return made


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample by name and labels; a doubled one is a fault."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def counters(drops: int, cpu_seconds: float) -> HubCounters:
    """Return a measuring process's totals."""
    return HubCounters({"bad_hmac": drops}, 0, 0, 0, drops, cpu_seconds)


def of_point(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the key of a sample of the point that has reported."""
    return (
        f"diemcau_{name}",
        tuple(sorted(({"hub": "bu-dang", "point": "bom-bo"} | labels).items())),
    )


async def test_the_text_passes_promtool(board: Board, clock: Clock) -> None:
    """Prometheus' own checker has nothing to say."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    text = await Metrics(board, clock).render()
    done = subprocess.run(  # noqa: ASYNC221  # nothing else runs
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_values_are_those_of_the_report(board: Board, clock: Clock) -> None:
    """Spot checks over all kinds of series; an unknown device gives no number."""
    found = samples(await Metrics(board, clock).render())
    expected = {
        of_point("point_state", state="not_ready"): 1.0,
        of_point("point_state", state="ready"): 0.0,
        of_point("point_ready"): 0.0,
        of_point("agent_last_report_timestamp_seconds"): NOW.timestamp(),
        of_point("link_round_trip_seconds", stat="p50"): 0.004,
        of_point("link_packet_loss_ratio", direction="up"): 0.0,
        of_point("link_interface_speed_bytes_per_second", medium="cable"): 1.25e7,
        of_point("device_ok", kind="camera", role="main"): 0.0,
        of_point("device_present", kind="camera", role="main"): 0.0,
        of_point("device_busy", kind="microphone", role="main"): 1.0,
        of_point("agent_clock_offset_seconds"): -0.25,
        of_point("room_pc_on_mains"): 1.0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert of_point("device_ok", kind="speaker", role="main") not in found


async def test_every_family_can_appear(board: Board, clock: Clock) -> None:
    """No name of the list is dead."""
    text = (await Metrics(board, clock).render()).decode()
    assert [family.name for family in FAMILIES if family.header not in text] == []


async def test_measurements_end_with_their_report(board: Board, clock: Clock) -> None:
    """A silent point keeps identity, state and time, and nothing that was measured."""
    metrics = Metrics(board, clock)
    await metrics.render()
    clock.now = NOW + timedelta(seconds=91)
    found = samples(await metrics.render())
    assert found[of_point("point_state", state="silent")] == 1.0
    assert of_point("agent_last_report_timestamp_seconds") in found
    assert not [name for name, _ in found if name.startswith(("diemcau_link", "diemcau_device"))]
    board.on_report(report(2), clock.now)
    again = samples(await metrics.render())
    assert again[of_point("device_ok", kind="camera", role="main")] == 1.0


async def test_a_point_awaited_after_the_servers_start_is_not_ready(
    board: Board, clock: Clock
) -> None:
    """Neither ready nor silent, without measured values; silent when its time is over."""
    metrics = Metrics(board, clock)
    board.restore([], NOW + timedelta(seconds=200))
    for seconds, state in ((201, "unknown"), (291, "silent")):
        clock.now = NOW + timedelta(seconds=seconds)
        found = samples(await metrics.render())
        assert found[of_point("point_state", state=state)] == 1.0
        assert found[of_point("point_ready")] == 0.0
        assert not [name for name, _ in found if name.startswith("diemcau_device")]


async def test_dropped_packets_are_counted_over_restarts(board: Board, clock: Clock) -> None:
    """Every reason starts at 0; a total that falls means a new process; its counts are added."""
    metrics = Metrics(board, clock)
    name = "diemcau_measure_rejected_total"
    labels = (("process", "1"), ("reason", "bad_hmac"))
    for process in (1, 2):
        metrics.measure.show(process, up=process == 1)
    assert samples(await metrics.render())[name, labels] == 0.0
    for rejected, cpu_seconds in ((5, 1.0), (7, 4.0), (8, 0.5)):
        metrics.measure.count(1, counters(rejected, cpu_seconds))
    metrics.measure.count(2, counters(3, 1.0))
    found = samples(await metrics.render())
    assert found[name, labels] == 15.0
    assert found[name, (("process", "2"), ("reason", "bad_hmac"))] == 3.0
    assert found["diemcau_measure_cpu_seconds_total", (("process", "1"),)] == 4.5
    assert found["diemcau_measure_socket_drops_total", (("process", "1"),)] == 15.0
    assert found["diemcau_measure_up", (("process", "1"),)] == 1.0
    assert found["diemcau_measure_up", (("process", "2"),)] == 0.0
    assert found["diemcau_ingest_quarantined_total", (("reason", "unknown_point"),)] == 0.0


@given(st.text(max_size=30), st.floats())
def test_lines_are_those_of_the_library(name: str, value: float) -> None:
    """Escaping and numbers agree with prometheus-client for any text and value."""
    registry = CollectorRegistry()
    Gauge("diemcau_any", "Help", ["name"], registry=registry).labels(name).set(value)
    wanted = generate_latest(registry).decode(errors="surrogatepass").split("\n", 2)[2]
    assert f'diemcau_any{{name="{escaped(name)}"}} {number(value)}\n' == wanted
