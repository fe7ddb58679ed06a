"""How the inventory spares the sound system, and what it reads on Windows."""

import ctypes
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from diemcau_agent.devices import ASK_SECONDS, ExpectedDevice, Inventory
from diemcau_agent.probes.consent import Consent, read_consent
from diemcau_agent.probes.edid import parse_edid
from diemcau_agent.probes.interfaces import AUDIO, VIDEO_CAMERAS, plugged_in
from diemcau_agent.probes.listing import Listed, compared
from diemcau_agent.probes.mixer import usb_id
from diemcau_agent.probes.outputs import judge_outputs, windows_outputs
from diemcau_agent.probes.power import FRESH_SECONDS, Power, PowerWatch, linux_sleeps
from diemcau_agent.probes.powerscheme import (
    SLEEP_SUBGROUP,
    STANDBY_TIMEOUT,
    USB_SELECTIVE_SUSPEND,
    USB_SUBGROUP,
    scheme_power,
)
from diemcau_agent.probes.result import ProbeResult, ProbeValue
from tests.agent.probes import trees

JABRA = ExpectedDevice("microphone", "main", {"format": "system", "device": "Jabra"})
WEBCAM = ExpectedDevice("camera", "main", {"format": "dshow", "url": "video=Rally"})
STORE = r"SOFTWARE\Microsoft\Windows\CurrentVersion\CapabilityAccessManager\ConsentStore"


class Asked:
    """Stands in for the child that asks the sound system; counts how often."""

    def __init__(self) -> None:
        self.count = 0
        self.result = ProbeResult("ok", (), {"found.0": True})

    def __call__(self, _form: str, _devices: list[ExpectedDevice]) -> ProbeResult:
        """Answer."""
        self.count += 1
        return self.result


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_sound_system_is_asked_only_when_something_may_have_changed(tmp_path: Path) -> None:
    """Not at every look: when a card comes or goes, and after two minutes."""
    trees.sound_card(tmp_path, 1, "Jabra SPEAK 510")
    ask, clock = Asked(), Clock()
    inventory = Inventory([JABRA], tmp_path, ask, clock=clock)
    for _ in range(3):
        inventory.look()
    assert ask.count == 1

    trees.sound_card(tmp_path, 2, "HDMI TV", streams="p")
    inventory.look()
    assert ask.count == 2
    clock.now = ASK_SECONDS - 1
    inventory.look()
    assert ask.count == 2
    clock.now = ASK_SECONDS
    inventory.look()
    assert ask.count == 3


def test_a_device_that_the_kernel_does_not_list_is_asked_for_at_every_look(tmp_path: Path) -> None:
    """Only the sound system knows it: seen to go and return without delay."""
    ask = Asked()
    inventory = Inventory([JABRA], tmp_path, ask, clock=Clock())
    assert [str(inventory.look()[0].status) for _ in range(2)] == ["ok", "ok"]
    ask.result = ProbeResult("ok", (), {"found.0": False})

    (gone,) = inventory.look()

    assert (gone.status, gone.causes) == ("bad", ("missing",))
    assert ask.count == 3


def test_one_look_asks_once_for_all_devices(tmp_path: Path) -> None:
    """Microphone and speaker that the kernel does not list are one question."""
    ask = Asked()
    speaker = ExpectedDevice("speaker", "main", {"format": "system", "device": "Jabra"})
    ask.result = ProbeResult("ok", (), {"found.0": True, "found.1": False})

    results = Inventory([JABRA, speaker], tmp_path, ask, clock=Clock()).look()

    assert ask.count == 1
    assert [str(one.status) for one in results] == ["ok", "bad"]


def test_a_room_without_sound_never_asks(tmp_path: Path) -> None:
    """No child process for what nobody expects."""
    ask = Asked()
    Inventory([ExpectedDevice("codec", "main", {"format": "sip"})], tmp_path, ask).look()

    assert ask.count == 0


@pytest.mark.parametrize(
    ("there", "pattern", "answer"),
    [
        ([], "Jabra", {"found": False}),
        ([Listed("TV", ("hdmi", "TV"), default=True)], "Jabra", {"found": False}),
        ([Listed("TV", ("TV",), default=True), Listed("Jabra", ("Jabra",))], "Jabra",
         {"found": True, "used": "TV"}),
        ([Listed("TV", ("TV",)), Listed("Jabra", ("Jabra",), default=True)], "Jabra",
         {"found": True}),
        ([Listed("Jabra", ("a", "usb:0b0e:0420"), default=True)], "usb:0B0E:0420", {"found": True}),
        ([Listed("TV", ("TV",), users=("vlc",)), Listed("Jabra", ("Jabra",), default=True)], None,
         {"found": True}),
        ([Listed("Jabra", ("Jabra",), default=True, users=("zoom", "obs"))], None,
         {"found": True, "held_by": "zoom, obs"}),
    ],
)  # fmt: skip
def test_configured_against_actual(
    there: list[Listed], pattern: str | None, answer: Mapping[str, object]
) -> None:
    """Missing, there but another is used, there and in use; the default one for no pattern."""
    assert compared(there, pattern) == answer


def test_usb_ids_of_the_sound_system() -> None:
    """Four digits each, as in the room's file; built-in cards have none."""
    jabra = {"device.bus": "usb", "device.vendor.id": "0b0e", "device.product.id": "0x420"}
    assert usb_id(jabra) == "usb:0b0e:0420"
    assert usb_id({"device.bus": "pci", "device.vendor.id": "8086"}) == ""


class FakeRegistry:
    """Values by hive, path and name, joined by backslashes."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def set(self, hive: str, path: str, name: str, value: object) -> None:
        """Write a value."""
        self.values[f"{hive}\\{path}\\{name}"] = value

    def value(self, hive: str, path: str, name: str) -> object:
        """Return a value."""
        return self.values.get(f"{hive}\\{path}\\{name}")

    def subkeys(self, hive: str, path: str) -> tuple[str, ...]:
        """Return the keys below."""
        start = f"{hive}\\{path}\\"
        below = {key.removeprefix(start) for key in self.values if key.startswith(start)}
        return tuple(sorted({one.partition("\\")[0] for one in below if "\\" in one}))


def _used(
    registry: FakeRegistry, program: str, *, stopped: int, capability: str = "webcam"
) -> None:
    path = rf"{STORE}\{capability}\NonPackaged\{program}"
    registry.set("HKCU", path, "LastUsedTimeStart", 133_000_000_000_000_000)
    registry.set("HKCU", path, "LastUsedTimeStop", stopped)


@pytest.mark.parametrize(("hive", "place"), [("HKLM", ""), ("HKCU", ""), ("HKCU", r"\NonPackaged")])
def test_windows_says_denied_by_any_of_its_switches(hive: str, place: str) -> None:
    """Machine, user, and "let desktop apps": one Deny is enough."""
    registry = FakeRegistry()
    registry.set(hive, rf"{STORE}\webcam{place}", "Value", "Deny")

    assert read_consent("webcam", registry) == Consent(allowed=False, users=())
    assert read_consent("microphone", registry).allowed


def test_windows_says_who_uses_the_camera() -> None:
    """Use that has not stopped; the agent's own program does not count."""
    registry = FakeRegistry()
    registry.set("HKCU", rf"{STORE}\webcam", "Value", "Allow")
    _used(registry, "C:#Program Files#Zoom#bin#Zoom.exe", stopped=0)
    _used(registry, "C:#OBS#obs64.exe", stopped=133_000_000_000_000_001)
    _used(registry, "C:#diemcau#python.exe", stopped=0)

    consent = read_consent("webcam", registry, "C:\\diemcau\\python.exe")

    assert consent == Consent(allowed=True, users=("zoom.exe",))


def test_a_windows_camera_is_denied_missing_in_use_or_there(tmp_path: Path) -> None:
    """Told apart in this order: who uses a camera need not use this one, and none that is gone."""
    registry, ask = FakeRegistry(), Asked()
    inventory = Inventory([WEBCAM], tmp_path, ask, registry)
    assert str(inventory.look()[0].status) == "ok"
    _used(registry, "C:#Zoom.exe", stopped=0)
    (used,) = inventory.look()
    assert (used.status, used.values["held_by"]) == ("in_use", "zoom.exe")
    ask.result = ProbeResult("ok", (), {"found.0": False})
    assert inventory.look()[0].causes == ("missing",)
    ask.result = ProbeResult("unknown", ("crashed",))
    assert str(inventory.look()[0].status) == "unknown"
    assert ask.count == 4
    registry.set("HKCU", rf"{STORE}\webcam", "Value", "Deny")
    assert inventory.look()[0].causes == ("denied",)
    assert ask.count == 4


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ({"found.0": True}, ("in_use", ("busy",))),
        ({"found.0": False}, ("bad", ("missing",))),
        ({"found.0": True, "used.0": "TV"}, ("warn", ("wrong_device",))),
    ],
)
def test_who_uses_a_windows_microphone_hides_nothing_that_the_list_says(
    tmp_path: Path, listed: dict[str, ProbeValue], told: tuple[str, tuple[str, ...]]
) -> None:
    """The settings name programs by the kind of device only; a speaker needs no permission."""
    registry, ask = FakeRegistry(), Asked()
    _used(registry, "C:#Zoom.exe", stopped=0, capability="microphone")
    ask.result = ProbeResult("ok", (), {**listed, "found.1": True})
    speaker = ExpectedDevice("speaker", "main", {"format": "system", "device": "Jabra"})
    found = Inventory([JABRA, speaker], tmp_path, ask, registry).look()

    assert (found[0].status, found[0].causes) == told
    assert str(found[1].status) == "ok"
    registry.set("HKLM", rf"{STORE}\microphone", "Value", "Deny")
    denied = Inventory([JABRA, speaker], tmp_path, ask, registry).look()
    assert [one.causes for one in denied] == [("denied",), ()]


def test_on_windows_the_list_of_interfaces_says_when_to_ask(tmp_path: Path) -> None:
    """A camera that stays is asked for every two minutes, one that comes or goes at once."""
    ask, clock, plugged = Asked(), Clock(), ["usb#vid_046d&pid_0825"]
    inventory = Inventory([WEBCAM], tmp_path, ask, FakeRegistry(), clock, lambda: tuple(plugged))
    for _ in range(3):
        inventory.look()
    assert ask.count == 1
    plugged.clear()
    inventory.look()
    assert ask.count == 2
    clock.now = ASK_SECONDS
    inventory.look()
    assert ask.count == 3


def test_windows_lists_its_interfaces() -> None:
    """Size first, then the list: paths of cameras and sound, each ended by a zero."""
    lists = {
        VIDEO_CAMERAS.bytes_le: "\\\\?\\usb#vid_046d&pid_0825\0\0",
        AUDIO.bytes_le: "\\\\?\\usb#vid_0b0e&pid_0420\0\\\\?\\hdaudio#func_01\0\0",
    }

    def size(length: Any, guid: bytes, _instance: None, flags: int) -> int:
        length._obj.value = len(lists[guid])
        return flags

    def fill(guid: bytes, _instance: None, buffer: Any, length: Any, flags: int) -> int:
        codes = lists[guid].encode("utf-16-le")
        ctypes.memmove(buffer, codes, 2 * length.value)
        return flags

    library = SimpleNamespace(
        CM_Get_Device_Interface_List_SizeW=size, CM_Get_Device_Interface_ListW=fill
    )
    assert plugged_in(library) == (
        r"\\?\usb#vid_046d&pid_0825", r"\\?\usb#vid_0b0e&pid_0420", r"\\?\hdaudio#func_01",
    )  # fmt: skip
    # Something was plugged in between the two calls: half a list is none.
    library.CM_Get_Device_Interface_ListW = lambda *arguments: fill(*arguments) or 37
    assert plugged_in(library) == ()


@pytest.mark.parametrize(
    ("technology", "built_in"),
    [(5, False), (10, False), (-0x8000_0000, True), (0x8000_0000, True), (11, True), (None, False)],
)
def test_windows_names_its_monitors(*, technology: int | None, built_in: bool) -> None:
    """Character codes, ended by zero, become maker, product and name; a laptop's panel is told.

    Numbers of 32 bits come with a sign; HDMI is 5, DisplayPort 10, embedded DisplayPort 11.
    """

    def codes(text: str) -> tuple[int, ...]:
        return (*map(ord, text), 0, 0)

    monitor = SimpleNamespace(
        ManufacturerName=codes("BNQ"), ProductCodeID=codes("7856"), Active=True,
        UserFriendlyName=codes("BenQ MH550"), InstanceName=r"DISPLAY\BNQ7856\5&1&0&UID4352_0",
    )  # fmt: skip
    link = SimpleNamespace(InstanceName=monitor.InstanceName, VideoOutputTechnology=technology)
    instances = {
        "WmiMonitorID": [monitor],
        "WmiMonitorConnectionParams": [] if technology is None else [link],
    }
    (output,) = windows_outputs(instances.__getitem__)

    assert output.built_in is built_in
    assert judge_outputs([output], None).status == ("bad" if built_in else "ok")
    assert output.edid is not None
    assert (output.edid.maker, output.edid.product) == ("BNQ", 0x7856)
    assert judge_outputs([output], "benq").status == "ok"


def test_an_edid_gives_maker_product_and_name() -> None:
    """A block without a name is called by its ids."""
    named = parse_edid(trees.edid_block("SAM", 0x0F13, "Samsung TV"))
    assert named is not None
    assert (named.maker, named.product, named.title) == ("SAM", 0x0F13, "Samsung TV")
    nameless = parse_edid(trees.edid_block("SAM", 0x0F13, ""))
    assert nameless is not None
    assert nameless.title == "SAM 0f13"


@pytest.mark.parametrize(
    ("seconds", "suspend", "power"),
    [
        (0, 0, Power(sleeps=False, usb_suspends=False)),
        (1800, 1, Power(sleeps=True, usb_suspends=True)),
        (None, None, Power(sleeps=None, usb_suspends=None)),
    ],
)
def test_windows_power_scheme(seconds: int | None, suspend: int | None, power: Power) -> None:
    """Standby timeout and selective suspend on mains; what cannot be read is not known."""
    values = {
        (SLEEP_SUBGROUP, STANDBY_TIMEOUT): seconds,
        (USB_SUBGROUP, USB_SELECTIVE_SUSPEND): suspend,
    }
    scheme = SimpleNamespace(on_mains=lambda subgroup, setting: values[subgroup, setting])

    assert scheme_power(scheme) == power


def test_power_settings_are_read_every_ten_minutes() -> None:
    """One of them takes a process to read."""
    clock, reads = Clock(), []

    def read(root: Path) -> Power:
        reads.append(root)
        return Power(sleeps=False, usb_suspends=None)

    watch = PowerWatch(read, clock)
    for clock.now in (0.0, FRESH_SECONDS - 1, FRESH_SECONDS):
        watch.read(Path("/"))

    assert len(reads) == 2


def test_a_masked_sleep_target_cannot_be_reached(tmp_path: Path) -> None:
    """Whatever logind or the desktop want."""
    trees.write(tmp_path, "etc/systemd/logind.conf", "IdleAction=suspend\n")
    assert linux_sleeps(tmp_path, {}, lambda _: None) is True
    (tmp_path / "etc/systemd/system").mkdir()
    (tmp_path / "etc/systemd/system/sleep.target").symlink_to("/dev/null")

    assert linux_sleeps(tmp_path, {}, lambda _: None) is False


def test_where_nothing_is_said_about_sleep_nothing_is_claimed(tmp_path: Path) -> None:
    """No systemd, an unknown desktop, a GNOME that cannot be asked: not known."""
    assert linux_sleeps(tmp_path, {}, lambda _: None) is None
    (tmp_path / "etc/systemd").mkdir(parents=True)
    assert linux_sleeps(tmp_path, {"XDG_CURRENT_DESKTOP": "XFCE"}, lambda _: None) is None
    assert linux_sleeps(tmp_path, {"XDG_CURRENT_DESKTOP": "GNOME"}, lambda _: None) is None
    assert linux_sleeps(tmp_path, {}, lambda _: None) is False
    trees.write(tmp_path, "usr/share/xsessions/plasma.desktop", "")
    assert linux_sleeps(tmp_path, {}, lambda _: "'suspend'") is None
    trees.write(tmp_path, "usr/share/wayland-sessions/gnome.desktop", "")
    assert linux_sleeps(tmp_path, {}, lambda _: None) is None
