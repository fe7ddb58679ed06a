"""Windows' sound behind the same interface: a stand-in of pycaw, not run on Windows yet."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from diemcau_agent.probes import microphone
from diemcau_agent.probes.coreaudio import find
from diemcau_agent.probes.listing import Listed, compared, portaudio_lists
from diemcau_agent.probes.mixer import AudioEnd
from diemcau_agent.probes.soundio import portaudio_device

ENUMERATOR = "{A45C254E-DF1C-4EFD-8020-67D146A850E0} 24"
ADAPTER = "{026E516E-B814-414B-83CD-856D6FEF4822} 2"


class _Device:
    """An endpoint as pycaw gives it, with its sessions."""

    def __init__(
        self, name: str, *, muted: bool = False, bus: str = "HDAUDIO",
        sessions: tuple[Any, ...] = (),
    ) -> None:  # fmt: skip
        self.FriendlyName = name
        self.properties = {ENUMERATOR: bus, ADAPTER: name.partition("(")[2].rstrip(")")}
        self.EndpointVolume = SimpleNamespace(
            GetMute=lambda: int(muted), GetMasterVolumeLevelScalar=lambda: 0.75
        )
        controls = [SimpleNamespace(QueryInterface=lambda _kind, one=one: one) for one in sessions]
        listed = SimpleNamespace(GetCount=lambda: len(controls), GetSession=controls.__getitem__)
        self.AudioSessionManager = SimpleNamespace(GetSessionEnumerator=lambda: listed)


def _session(state: int, program: str | None) -> Any:
    process = None if program is None else SimpleNamespace(name=lambda: program)
    return SimpleNamespace(State=state, Process=process)


@pytest.fixture
def endpoints(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[_Device]]:
    """Endpoints by flow (0 out, 1 in); the first of each is the default."""
    there: dict[int, list[_Device]] = {0: [], 1: []}

    def listed(flow: int, state: int) -> list[_Device]:
        assert state == 1, "only endpoints that are plugged in and enabled"
        return there[flow]

    utilities = SimpleNamespace(
        GetSpeakers=lambda: next(iter(there[0]), None),
        GetMicrophone=lambda: next(iter(there[1]), None),
        CreateDevice=lambda endpoint: endpoint,
        GetAllDevices=listed,
    )
    library = ModuleType("pycaw.pycaw")
    vars(library).update(
        AudioUtilities=utilities, AudioSession=lambda control: control, IAudioSessionControl2=object
    )
    monkeypatch.setitem(sys.modules, "pycaw", ModuleType("pycaw"))
    monkeypatch.setitem(sys.modules, "pycaw.pycaw", library)
    return there


def test_the_default_and_the_named_endpoint_are_found(endpoints: dict[int, list[_Device]]) -> None:
    """Mute and volume are its own; a pattern looks at the same flow only."""
    endpoints[0] += [_Device("TV (HDMI)"), _Device("Loa (Jabra SPEAK)", muted=True)]
    endpoints[1] += [_Device("Micro (Jabra SPEAK)")]

    television = AudioEnd("TV (HDMI)", muted=False, volume_ratio=0.75, users=())
    table = AudioEnd("Loa (Jabra SPEAK)", muted=True, volume_ratio=0.75, users=())
    assert find("output", None) == television
    assert find("output", "jabra") == table
    assert find("input", "HDMI") is None


def test_nothing_plugged_in_is_nothing_found(endpoints: dict[int, list[_Device]]) -> None:
    """No default endpoint: missing, not a fault of the program."""
    assert endpoints == {0: [], 1: []}
    assert find("input", None) is None
    assert find("output", None) is None


def test_who_uses_an_endpoint_is_told(endpoints: dict[int, list[_Device]]) -> None:
    """Running streams count; those that rest, and the system's own sounds, do not."""
    sessions = (_session(1, "Zoom.exe"), _session(0, "spotify.exe"), _session(1, None))
    endpoints[0].append(_Device("Loa", sessions=sessions))
    found = find("output", None)

    assert found is not None
    assert found.users == ("Zoom.exe",)


def test_both_ends_of_a_speakerphone_are_one_unit(endpoints: dict[int, list[_Device]]) -> None:
    """USB and Bluetooth units are told; the parts of the PC's own sound card are no unit."""
    endpoints[0] += [_Device("Loa (Jabra SPEAK)", bus="USB"), _Device("Loa (Realtek)")]
    endpoints[1] += [_Device("Micro (Jabra SPEAK)", bus="USB"), _Device("Micro (Realtek)")]
    ends = [find("output", "Jabra"), find("input", "Jabra"), find("output", "Realtek")]

    assert [end.unit if end else None for end in ends] == ["Jabra SPEAK", "Jabra SPEAK", ""]


def test_portaudio_is_asked_by_the_first_letters_of_the_name() -> None:
    """MME cuts names; a device of the other way is not taken."""
    devices = [
        {"name": "Loa (Jabra SPEAK 510 USB and mo", "max_input_channels": 0,
         "max_output_channels": 2},
        {"name": "Micro (Jabra SPEAK 510 USB and ", "max_input_channels": 1,
         "max_output_channels": 0},
    ]  # fmt: skip

    assert portaudio_device(devices, "input", "Micro (Jabra SPEAK 510 USB and more)") == 1
    assert portaudio_device(devices, "output", "Loa (Jabra SPEAK 510 USB and more)") == 0
    with pytest.raises(LookupError, match="no input"):
        portaudio_device(devices, "input", "Poly Trio")


_CUT, _WHOLE = "Micro (2- Jabra SPEAK 510 USB a", "Micro (2- Jabra SPEAK 510 USB and more)"


def _portaudio(*systems: tuple[str, str]) -> dict[str, list[Listed]]:
    """List by sound systems that are given by name and by what they call the one microphone."""
    devices: list[dict[str, Any]] = []
    apis: list[dict[str, Any]] = []
    for name, called in systems:
        devices += [
            {"name": called, "max_input_channels": 1, "max_output_channels": 0},
            {"name": "TV (HDMI)", "max_input_channels": 0, "max_output_channels": 2},
        ]
        numbers = [len(devices) - 2, len(devices) - 1]
        apis.append(
            {"name": name, "devices": numbers, "default_input_device": numbers[0],
             "default_output_device": numbers[1]}
        )  # fmt: skip
    return portaudio_lists(devices, apis)


def test_windows_devices_are_listed_by_their_whole_names() -> None:
    """The default one of MME bears half a name: what was set would look like another device."""
    lists = _portaudio(("MME", _CUT), ("Windows WASAPI", _WHOLE))

    assert lists == {
        "input": [Listed(_WHOLE, (_WHOLE,), default=True, model="Jabra SPEAK 510 USB and more")],
        "output": [Listed("TV (HDMI)", ("TV (HDMI)",), default=True, model="HDMI")],
    }
    assert compared(lists["input"], "USB and more") == {
        "found": True, "model": "Jabra SPEAK 510 USB and more",
    }  # fmt: skip


def test_without_wasapi_the_first_sound_system_is_listed() -> None:
    """Half a name is better than none."""
    assert [one.title for one in _portaudio(("MME", _CUT))["input"]] == [_CUT]


@pytest.mark.parametrize(
    ("name", "users", "told"),
    [
        ("Poly", ("zoom.exe",), ("bad", ("missing",))),
        ("Jabra", ("zoom.exe",), ("in_use", ("busy",))),
        ("Jabra", (), ("bad", ("muted",))),
    ],
)
def test_who_uses_some_microphone_hides_no_missing_one(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    users: tuple[str, ...],
    told: tuple[str, tuple[str, ...]],
) -> None:
    """The privacy settings name programs, not the microphone that they use."""
    jabra = AudioEnd("Micro (Jabra)", muted=True, volume_ratio=1.0, users=())
    monkeypatch.setattr(
        microphone, "find_input", lambda pattern: jabra if pattern == "Jabra" else None
    )
    monkeypatch.setattr(microphone, "users_now", lambda _capability: users)
    found = microphone.probe({"format": "system", "device": name})

    assert (found.status, found.causes) == told
    assert found.values.get("held_by") == (users[0] if told[0] == "in_use" else None)
