"""The PC's own state."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from diemcau_agent.probes.frame import host_state, run_child
from diemcau_agent.probes.host import HostSettings, medium_of, read_host, route_interface
from diemcau_agent.probes.result import from_json, to_json
from diemcau_contract.causes import Cause


def test_a_real_pc_can_be_read(tmp_path: Path) -> None:
    """Every number is there, and the way to the hub's address is the loopback."""
    state = read_host(HostSettings(tmp_path, "127.0.0.1", clock_synchronised=True))
    assert state.values["medium"] == "loopback"
    assert state.values["disk_free_bytes"] is not None
    assert state.values["memory_ratio"] is not None
    assert state.values["clock_synchronised"] is True
    assert host_state(from_json(to_json(state))) == host_state(state)


def test_a_child_reads_the_same_pc(tmp_path: Path) -> None:
    """The row of the table: settings and result cross as JSON."""
    settings = HostSettings(
        tmp_path, "127.0.0.1", clock_synchronised=True, clock_offset_seconds=-3.0, cpu_ratio=0.95
    )
    run = run_child("host", settings.as_json(), 60.0)
    state = host_state(run.result)

    assert HostSettings.of(json.loads(json.dumps(settings.as_json()))) == settings
    assert state.cpu_ratio == 0.95
    assert {Cause.CLOCK_OFF, Cause.CPU_BUSY} <= set(state.causes)
    assert run.duration_seconds > 0
    assert "exit code 0" in run.log


@pytest.mark.parametrize(
    ("synchronised", "offset_seconds", "off"),
    [(True, None, False), (False, None, False), (None, None, False), (False, 0.1, False),
     (True, -3.0, True)],
)  # fmt: skip
def test_a_measured_clock_offset_counts_more_than_the_flag(
    tmp_path: Path, *, synchronised: bool | None, offset_seconds: float | None, off: bool
) -> None:
    """A clock within two seconds of the hub's is good enough, however it is kept."""
    settings = HostSettings(tmp_path, "127.0.0.1", synchronised, offset_seconds)
    assert (Cause.CLOCK_OFF in read_host(settings).causes) is off


@pytest.mark.parametrize(
    ("percent", "plugged", "charge"),
    [(80, True, (True, 0.8)), (0, None, (None, 0.0)), (100, False, (False, 1.0)),
     (101, True, (True, None)), (255, True, (True, None)), (None, None, (True, None))],
)  # fmt: skip
def test_the_charge_is_that_of_a_battery_which_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *,
    percent: int | None, plugged: bool | None, charge: tuple[bool | None, float | None],
) -> None:  # fmt: skip
    """A PC without a battery has no charge; what Windows gives for unknown is no charge."""
    battery = None if percent is None else SimpleNamespace(percent=percent, power_plugged=plugged)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    state = read_host(HostSettings(tmp_path, "127.0.0.1"))
    assert (state.values["on_mains"], state.values["battery_ratio"]) == charge


@pytest.mark.parametrize(
    ("free_bytes", "status", "causes"),
    [
        (50_000_000, "bad", {Cause.DISK_LOW}),
        (900_000_000, "warn", {Cause.DISK_LOW}),
        (90_000_000_000, None, set()),
    ],
)
def test_a_full_disk_is_bad_a_low_one_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free_bytes: int,
    status: str | None,
    causes: set[Cause],
) -> None:
    """The outbox needs room; what is left decides."""
    usage = psutil.disk_usage(str(tmp_path))._replace(free=free_bytes)
    monkeypatch.setattr(psutil, "disk_usage", lambda _path: usage)
    state = read_host(HostSettings(tmp_path, "127.0.0.1"))
    assert causes == set(state.causes) & {Cause.DISK_LOW}
    if status is not None:
        assert state.status == status


def test_a_name_without_route_is_unknown() -> None:
    """A hub that cannot be resolved leaves the medium unknown, without an error."""
    name = route_interface("no-such-host.invalid")
    assert name is None
    assert medium_of(name) == "unknown"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /sys")
def test_wifi_is_told_from_cable_by_the_kernel(tmp_path: Path) -> None:
    """The kernel's own entry decides, not the interface's name."""
    (tmp_path / "wlp3s0" / "wireless").mkdir(parents=True)
    (tmp_path / "enp2s0").mkdir()
    assert medium_of("wlp3s0", tmp_path) == "wifi"
    assert medium_of("enp2s0", tmp_path) == "cable"
    assert medium_of("lo", tmp_path) == "loopback"
