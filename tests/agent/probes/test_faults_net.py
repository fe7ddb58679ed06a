"""Every fault of the list is made for real, and found with its status and cause."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from diemcau_agent.probes.frame import run_child
from tests.agent.probes.makers import settings_of

FAULTS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "faults" / "rooms-net.yaml").read_text(encoding="utf-8")
)
ENOUGH_SECONDS = 60.0
CLEAN = [
    ("display", {"kind": "outputs", "connectors": {"HDMI-A-1": {}}}),
    ("display", {"kind": "outputs", "connectors": {"eDP-1": {}, "DP-2": {}}}),
    ("display", {"kind": "outputs", "settings": {"device": "DP-2"}, "connectors": {"DP-2": {}}}),
    ("display", {"kind": "outputs", "settings": {"device": "benq"}, "connectors": {"DP-2": {}}}),
    ("display", {"kind": "pjlink"}),
    ("display", {"kind": "pjlink", "pjlink_class": "1", "lamp": "ERR1"}),
    ("display", {"kind": "pjlink", "mute": "21"}),
    ("display", {"kind": "pjlink", "settings": {"input": "31"}}),
    ("display", {"kind": "pjlink", "password": "mật khẩu", "settings": {"password": "mật khẩu"}}),
    ("codec", {"kind": "sip"}),
    ("codec", {"kind": "sip", "code": 401}),
    ("codec", {"kind": "sip", "code": 405, "provisional": True}),
    ("codec", {"kind": "sip", "lost": 2}),
    ("codec", {"kind": "sip", "transport": "tcp", "provisional": True}),
    ("codec", {"kind": "h323"}),
    ("codec", {"kind": "xapi"}),
    ("network-camera", {"kind": "rtsp"}),
]


def _ids(faults: list[dict[str, Any]]) -> list[str]:
    return [fault["id"] for fault in faults]


@pytest.mark.parametrize("fault", FAULTS, ids=_ids(FAULTS))
def test_a_fault_is_found_with_its_cause(fault: dict[str, Any], tmp_path: Path) -> None:
    """The first cause is the one that staff is told to act upon."""
    with settings_of(fault["made"], tmp_path) as settings:
        run = run_child(fault["probe"], settings, ENOUGH_SECONDS)

    assert (run.result.status, run.result.causes[:1]) == (fault["status"], (fault["cause"],)), run


@pytest.mark.parametrize(("probe", "made"), CLEAN)
def test_what_works_raises_no_alarm(probe: str, made: dict[str, Any], tmp_path: Path) -> None:
    """Every variant that is in order is ok, without a cause."""
    with settings_of(made, tmp_path) as settings:
        run = run_child(probe, settings, ENOUGH_SECONDS)

    assert (run.result.status, run.result.causes) == ("ok", ()), run
