"""Every fault of the list is made for real, and found with its status and cause."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from diemcau_agent.devices import ExpectedDevice, inventory
from diemcau_agent.devicewatch import merged
from diemcau_agent.openings import LOG_NAME, Openings
from diemcau_agent.probes.frame import run_child
from diemcau_agent.probes.host import HostSettings, read_host
from diemcau_agent.roomcheck import check_room
from diemcau_contract.causes import LINE_CAUSES, Cause
from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import Status
from tests.agent.probes.makers import settings_of

FOLDER = Path(__file__).parent / "faults"
FAULTS: list[dict[str, Any]] = yaml.safe_load(
    (FOLDER / "rooms-net.yaml").read_text(encoding="utf-8")
)
ENOUGH_SECONDS = 60.0
_SLEEPS = {"etc/systemd/logind.conf": "[Login]\nIdleAction=suspend\n"}
_KEPT_AWAKE = {"run/systemd/inhibit/1": "WHO=Zoom\nWHAT=idle\nMODE=block\n"}
_GNOME = {"sleep-inactive-ac-type": "'suspend'", "sleep-inactive-ac-timeout": "900"}
_STILL_ROOM = (
    "testsrc2=size=640x360:rate=30,loop=loop=-1:size=1:start=3,noise=alls=3:allf=t,realtime"
)
_V4L2 = {"kind": "camera", "format": "v4l2", "url": "usb:046d:0825"}
_RALLY = {"name": "Rally Camera", "usb_id": "046d:0825"}
_PROBE = {"number": 99, "name": "diemcau-probe", "opened": "dev/video0"}
_JABRA = {"kind": "microphone", "format": "system", "device": "usb:0b0e:0420"}
_HELD = {"name": "Jabra", "usb_id": "0b0e:0420", "owner": 700}
_PULSEAUDIO = {"number": 700, "name": "pulseaudio", "opened": "dev/snd/pcmC1D0c"}
_PIPEWIRE = {"number": 690, "name": "pipewire", "opened": "dev/snd/pcmC1D0c", "thread": 700}


def _usb(control: str, interface_class: str, interface: int = 0) -> dict[str, str]:
    device = "sys/bus/usb/devices/1-3"
    return {
        f"{device}/power/control": f"{control}\n",
        f"{device}/1-3:1.{interface}/bInterfaceClass": f"{interface_class}\n",
    }


CLEAN: list[tuple[str, dict[str, Any]]] = [
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
    ("codec", {"kind": "xapi", "changes": {"<ConnectionStatus>Connected":
                                           "<ConnectionStatus>Unknown"}}),
    ("network-camera", {"kind": "rtsp"}),
    ("network-camera", {"kind": "rtsp", "codec": "libx264", "graph": _STILL_ROOM}),
    ("host", {"kind": "host"}),
    ("host", {"kind": "host", "files": _SLEEPS | _KEPT_AWAKE}),
    ("host", {"kind": "host", "files": {"etc/systemd/logind.conf": "IdleAction=lock\n"}}),
    ("host", {"kind": "host", "gsettings": _GNOME | {"sleep-inactive-ac-type": "'nothing'"}}),
    ("host", {"kind": "host", "gsettings": _GNOME | {"sleep-inactive-ac-timeout": "0"}}),
    ("host", {"kind": "host", "files": _usb("on", "01")}),
    ("host", {"kind": "host", "files": _usb("auto", "0e") | _usb("auto", "01", 1)}),
    ("host", {"kind": "host", "settings": {"clock_offset_seconds": 1.9}}),
    ("inventory", {"kind": "room", "device": _V4L2, "camera": _RALLY}),
    ("inventory", {"kind": "room", "device": _V4L2, "camera": _RALLY, "process": _PROBE}),
    ("inventory", {"kind": "room", "device": _JABRA, "card": {"name": "x", "usb_id": "0b0e:0420"}}),
    ("inventory", {"kind": "room", "device": _JABRA, "card": _HELD, "process": _PULSEAUDIO}),
    ("inventory", {"kind": "room", "device": _JABRA, "card": _HELD, "process": _PIPEWIRE}),
    ("inventory", {"kind": "pulse", "device": {"kind": "speaker", "format": "system",
                   "device": "speakerphone"}, "sinks": ["tv", "speakerphone"],
                   "default": "speakerphone"}),
    ("inventory", {"kind": "pulse", "device": {"kind": "speaker", "format": "system"},
                   "sinks": ["tv"], "default": "tv"}),
]  # fmt: skip


def _ids(faults: list[dict[str, Any]]) -> list[str]:
    return [fault["id"] for fault in faults]


def _expected(made: dict[str, Any]) -> ExpectedDevice:
    source = {key: value for key, value in made["device"].items() if key != "kind"}
    return ExpectedDevice(made["device"]["kind"], "main", source)


def _in_inventory(made: dict[str, Any], folder: Path) -> DeviceResult:
    (result,) = inventory([_expected(made)], folder)
    return result


def _in_roomcheck(made: dict[str, Any], folder: Path) -> DeviceResult:
    openings = Openings(folder, allowed_by_file=True)
    openings.switch(on=made.get("switch") != "off")
    if made.get("log") == "broken":
        (folder / LOG_NAME).mkdir()
    host = HostSettings(folder, "127.0.0.1")
    (result,) = asyncio.run(check_room([_expected(made)], host, openings, "test")).devices
    return result


def _in_watch(made: dict[str, Any], folder: Path) -> DeviceResult:
    """A bad look, and so many hours later the device is there."""
    now = datetime.now(UTC)
    look = _in_inventory(made, folder)
    bad = look.model_copy(update={"status": Status.BAD, "measured_at": now})
    return merged(look, {(look.kind, look.role): bad}, now + timedelta(hours=made["hours"]))


_LOOKS = {"inventory": _in_inventory, "roomcheck": _in_roomcheck, "watch": _in_watch}


def found(probe: str, made: dict[str, Any], folder: Path) -> tuple[str, tuple[str, ...], str]:
    """Make what is to be found, look by the probe that is named; status, causes, and the rest."""
    with settings_of(made, folder) as settings:
        if probe == "host":
            pc = read_host(HostSettings(**settings))  # type: ignore[arg-type]  # by the maker
            return pc.status, pc.causes, repr(pc)
        if "device" in made:
            result = _LOOKS[probe](made, folder)
            return str(result.status), tuple(map(str, result.causes)), repr(result)
        run = run_child(probe, settings, ENOUGH_SECONDS)
        return run.result.status, run.result.causes, repr(run)


@pytest.mark.parametrize("fault", FAULTS, ids=_ids(FAULTS))
def test_a_fault_is_found_with_its_cause(fault: dict[str, Any], tmp_path: Path) -> None:
    """The first cause is the one that staff is told to act upon."""
    status, causes, rest = found(fault["probe"], fault["made"], tmp_path)

    assert (status, causes[:1]) == (fault["status"], (fault["cause"],)), rest


@pytest.mark.parametrize(("probe", "made"), CLEAN)
def test_what_works_raises_no_alarm(probe: str, made: dict[str, Any], tmp_path: Path) -> None:
    """Every variant that is in order is ok, without a cause."""
    status, causes, rest = found(probe, made, tmp_path)

    assert (status, causes) == ("ok", ()), rest


def test_every_cause_has_a_fault() -> None:
    """A cause that no test can make is a cause that nobody has seen found."""
    faults = [
        fault
        for file in sorted(FOLDER.glob("*.yaml"))
        for fault in yaml.safe_load(file.read_text(encoding="utf-8"))
    ]
    made = {cause for fault in faults for cause in fault.get("causes", [fault.get("cause")])}

    assert {str(cause) for cause in set(Cause) - LINE_CAUSES} - made == set()
    assert len(_ids(faults)) == len(set(_ids(faults)))
