"""The frame around the probes: real child processes that behave and misbehave."""

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from diemcau_agent.probes import frame
from diemcau_agent.probes.frame import ChildRun, busy_ratio, device_result, run_child, run_probe
from diemcau_agent.probes.result import ProbeResult
from diemcau_agent.probes.table import PROBES
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult
from diemcau_contract.room_devices import FORMATS
from diemcau_contract.words import DeviceKind, Status

ROOT = Path(__file__).parents[3]
BAD = "tests.agent.probes.misbehaving"
ENOUGH_SECONDS = 60.0
"""For a child that must end by itself, on however slow a machine."""


@pytest.fixture(autouse=True)
def _tests_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_a_hanging_probe_is_killed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over time is bad with timeout, and no process is left behind."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    monkeypatch.setattr(frame, "CPU_STARVED_RATIO", 2.0)
    run = run_child(f"{BAD}:hang", {}, 5.0)
    assert run.result == ProbeResult("bad", ("timeout",))
    assert "over time" in run.log
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_over_time_before_the_probe_began_is_unknown() -> None:
    """A PC too slow to load the probe says nothing about the device."""
    run = run_child("camera", {"format": "lavfi", "url": "testsrc2"}, 0.001)
    assert run.result.status == "unknown"
    assert run.result.causes[0] == "timeout"


def test_over_time_on_a_busy_pc_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that got no processor time tells of the PC, not of the device."""
    monkeypatch.setattr(frame, "CPU_STARVED_RATIO", 0.0)
    run = run_child(f"{BAD}:hang", {}, 1.0)
    assert (run.result.status, run.result.causes) == ("unknown", ("timeout", "cpu_busy"))


def test_how_busy_the_processors_were() -> None:
    """Busy seconds over all seconds, and no division by nothing."""
    assert busy_ratio((10.0, 100.0), (19.0, 110.0)) == pytest.approx(0.9)
    assert busy_ratio((10.0, 100.0), (10.0, 100.0)) == 0.0


@pytest.mark.parametrize("name", ["abort", "raise_error", "long_answer", "not_there"])
def test_a_crash_is_unknown_and_explained_in_the_log(name: str) -> None:
    """A child that dies or talks nonsense is no verdict on the device."""
    run = run_child(f"{BAD}:{name}", {}, ENOUGH_SECONDS)
    assert run.result == ProbeResult("unknown", ("crashed",))
    assert "exit code" in run.log


def test_logins_do_not_reach_the_log() -> None:
    """User and password of a camera's address are struck out."""
    log = run_child(f"{BAD}:raise_error", {}, ENOUGH_SECONDS).log
    assert "secret" not in log
    assert "rtsp://***@10.0.0.9/main" in log


@pytest.mark.parametrize(
    "said",
    [
        "rtsp://admin:Admin@123@10.0.0.9/main",
        "rtsp://admin:Ad/min@10.0.0.9/main",
        "cannot open 'rtsp://admin:a?b#c:d@10.0.0.9:554/main' twice",
        "rtsp://10.0.0.9/user=admin&password=Admin@10.0.0.9&channel=1",
        "http://10.0.0.9/?user=admin&PWD=Admin",
    ],
)
def test_a_password_of_any_signs_does_not_reach_the_log(said: str) -> None:
    """The last @ ends it; some cameras want it in the path."""
    log = run_child(f"{BAD}:say", {"text": said}, ENOUGH_SECONDS).log

    assert "***" in log
    assert not re.search(r"admin:|Admin|123@|min@|b#c", log)


def test_a_camera_on_the_network_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever came of it, also of one that never answered: its first step is another."""
    found = ChildRun(ProbeResult("bad", ("timeout",)), "", 20.0)
    monkeypatch.setattr(frame, "run_child", lambda *_arguments: found)
    at_network, _ = run_probe("camera", {"format": "rtsp", "url": "rtsp://10.0.0.9/main"})
    at_usb, _ = run_probe("camera", {"format": "v4l2", "url": "/dev/video0"})

    assert at_network.values == {"network": True}
    assert at_usb.values == {}


def test_what_libraries_print_goes_to_the_log() -> None:
    """Standard output belongs to the result alone; settings arrive; priority is low."""
    run = run_child(f"{BAD}:chatter", {"echo": "điểm cầu"}, ENOUGH_SECONDS)
    assert run.result.status == "ok"
    assert run.result.values["echo"] == "điểm cầu"
    assert "more noise" in run.log
    if sys.platform != "win32":
        assert run.result.values["nice"] == 19


def test_a_cause_outside_the_closed_list_is_a_crash() -> None:
    """Only the contract's words travel."""
    run = run_child(f"{BAD}:invent_cause", {}, ENOUGH_SECONDS)
    result = device_result("camera", "main", run)
    assert (result.status, result.causes) == (Status.UNKNOWN, (Cause.CRASHED,))


def test_a_kind_without_probe_is_not_applicable() -> None:
    """A room may name a device that this version cannot look at."""
    result, log = run_probe("display", {}, role="left")
    assert (result.status, result.role) == (Status.NOT_APPLICABLE, "left")
    assert "display" in log


def test_every_row_of_the_table_can_be_loaded() -> None:
    """A row that names no function would be found in the field only."""
    assert all(callable(row.load()) for row in PROBES.values())


def test_a_file_may_name_what_the_probes_take() -> None:
    """The hub writes the rooms' files and may not ask the agent; here both are at hand."""
    taken: dict[str, set[str]] = {}
    for row in PROBES.values():
        if row.kind is not None:
            taken.setdefault(row.kind, set()).update(row.formats)

    assert taken == {kind: set(formats) for kind, formats in FORMATS.items()}
    assert set(taken) == {str(kind) for kind in DeviceKind}


def test_the_result_has_the_contract_form() -> None:
    """Duration and time of measuring are carried, numbers are kept as they are."""
    run = ChildRun(ProbeResult("warn", ("low_fps",), {"frames_per_second": 8.5}), "", 2.5)
    result = device_result("camera", "main", run)
    assert isinstance(result, DeviceResult)
    assert result.values == {"frames_per_second": 8.5}
    assert result.duration_seconds == 2.5
    assert result.measured_at is not None


def test_the_agent_itself_loads_no_media_library() -> None:
    """Frame and inventory stay small: audio and video libraries load in children only."""
    code = (
        "import sys, diemcau_agent.probes.frame, diemcau_agent.devices, diemcau_agent.probes.host\n"
        "print(sorted({'av', 'numpy', 'sounddevice', 'pulsectl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
