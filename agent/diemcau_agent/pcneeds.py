"""What the agent needs of the PC: libraries, drivers, rights, and the user's own session."""

import ctypes.util
import getpass
import importlib.util
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.probes.consent import Capability, Registry, WindowsRegistry, read_consent
from diemcau_contract.causes import Text
from diemcau_contract.needs import Need, same, shown_path

_MODULES: Final = ("aiopjlink", "av", "numpy")
_SOUND_MODULES: Final = {True: ("comtypes", "pycaw", "sounddevice"), False: ("pulsectl",)}
"""By whether it is Windows; see the extra ``agent`` of pyproject.toml."""
_WINDOWS: Final = sys.platform == "win32"
_CONNECT_SECONDS: Final = 2.0
_DRIVERS: Final = {"0e": ("camera", "uvcvideo"), "01": ("audio", "snd-usb-audio")}
"""USB interface classes (usb.org), and the modules of Linux that serve them."""
_PRIVACY: Final[Sequence[tuple[Capability, str]]] = (
    ("webcam", "camera"), ("microphone", "micro"),
)  # fmt: skip
_AUDIO: Final = ("microphone", "speaker")
_INSTALLED_FILE: Final = (
    r"C:\ProgramData\diemcau\point\agent.yaml"
    if sys.platform == "win32"
    else "/var/lib/diemcau/point/agent.yaml"
)
"""Where deploy/windows/install.ps1 and deploy/systemd/diemcau-agent@.service have it."""


def pc_needs(devices: Iterable[ExpectedDevice] | None, file: Path | None) -> list[Need]:
    """Return what this PC must have for these devices; None: the agent's file cannot be read.

    ``file`` is the agent's file, None: where it is installed.
    """
    formats = None if devices is None else {(one.kind, one.source["format"]) for one in devices}
    needs = [modules_need(windows=_WINDOWS)]
    if sys.platform == "win32":
        return [*needs, *windows_needs(WindowsRegistry(), _windows_session(), file)]
    sound = None if formats is None else any((kind, "system") in formats for kind in _AUDIO)
    return [*needs, *linux_needs(Path("/"), os.environ, with_sound=sound)]


def linux_needs(
    root: Path, environment: Mapping[str, str], *, with_sound: bool | None
) -> Iterator[Need]:
    """Look at drivers, groups, the session's sound server and its libraries.

    ``with_sound`` None: it is not known whether the room has any, so nothing is missing.
    """
    yield _drivers_need(root)
    video = Text("Quyền mở camera (nhóm video)", "Right to open cameras (group video)")
    yield _access_need("video", video, (root / "dev").glob("video*"))
    if with_sound is False:
        return
    unknown = Text("chưa biết phòng này có âm thanh không", "not known whether this room has sound")
    for need in _sound_needs(root, environment):
        lacks = need.there is False
        yield need if with_sound or not lacks else replace(need, there=None, detail=unknown)


def _sound_needs(root: Path, environment: Mapping[str, str]) -> Iterator[Need]:
    server = _server_need(environment)
    yield server
    if not server.there:
        # The sound server opens the cards for its session; without it we would have to.
        audio = Text("Quyền mở âm thanh (nhóm audio)", "Right to open sound cards (group audio)")
        yield _access_need("audio", audio, (root / "dev/snd").glob("pcm*"))
    yield Need(
        "pulse",
        Text("Thư viện PulseAudio", "PulseAudio library"),
        ctypes.util.find_library("pulse-simple") is not None,
        mend="sudo apt install libpulse0",
    )


def windows_needs(
    registry: Registry, session: int | None, file: Path | None = None
) -> Iterator[Need]:
    """Look at the privacy switches, and that the agent runs in a user's session."""
    command = f"diemcau-agent run --config {shown_file(file)}".replace('"', '\\"')
    for capability, kind in _PRIVACY:
        yield Need(
            f"privacy_{capability}",
            Text(f"Quyền riêng tư: cho phép dùng {kind}", f"Privacy: {capability} is allowed"),
            read_consent(capability, registry).allowed,
            mend=f"start ms-settings:privacy-{capability}",
        )
    yield Need(
        "session",
        Text("Chạy trong phiên của người dùng", "Runs in the user's session"),
        None if session is None else session > 0,
        Text("dịch vụ hệ thống không thấy camera, micro", "a service sees no camera, no sound")
        if session == 0
        else same(""),
        mend=f'schtasks /create /tn diemcau-agent /sc onlogon /rl limited /tr "{command}"',
    )


def modules_need(*, windows: bool) -> Need:
    """Look for the libraries that the probes take, on Windows or elsewhere."""
    wanted = (*_MODULES, *_SOUND_MODULES[windows])
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    name = Text("Thư viện Python", "Python libraries")
    # Windows' command line knows no single quotes.
    quote = '"' if windows else "'"
    mend = f"pip install {quote}diemcau[agent]{quote}"
    return Need("modules", name, not missing, same(", ".join(missing)), mend=mend)


def shown_file(file: Path | None) -> str:
    """Return the agent's file as it stands in a command; None: where it is installed."""
    return _INSTALLED_FILE if file is None else shown_path(file)


def user_name() -> str:
    """Return who runs this, or called it by sudo; ``$USER`` where the system does not say.

    Root's own groups and session are of no use to the room.
    """
    if sys.platform != "win32" and os.geteuid() == 0 and os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "$USER"


def _drivers_need(root: Path) -> Need:
    """A USB camera or sound device whose interface no driver has taken."""
    name = Text("Trình điều khiển USB", "USB drivers")
    for file in sorted((root / "sys/bus/usb/devices").glob("*/bInterfaceClass")):
        served = _DRIVERS.get(_read(file))
        if served is not None and not (file.parent / "driver").exists():
            kind, module = served
            detail = same(f"{kind}, {file.parent.name}")
            return Need("drivers", name, there=False, detail=detail, mend=f"sudo modprobe {module}")
    return Need("drivers", name, there=True)


def _access_need(group: str, name: Text, nodes: Iterable[Path]) -> Need:
    refused = [node.name for node in sorted(nodes) if not os.access(node, os.R_OK | os.W_OK)]
    mend = f"sudo usermod -aG {group} {user_name()}"
    return Need(group, name, not refused, same(", ".join(refused)), mend)


def _server_need(environment: Mapping[str, str]) -> Need:
    name = Text("Dịch vụ âm thanh của phiên", "The session's sound service")
    named = environment.get("PULSE_SERVER", "")
    if named and not named.startswith("unix:"):
        return Need("sound", name, None, Text("ở máy khác", "on another machine"))
    for path in _sockets(environment):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_CONNECT_SECONDS)
            try:
                sock.connect(str(path))
            except OSError:
                continue
            return Need("sound", name, there=True, detail=same(str(path)))
    session = environment.get("XDG_RUNTIME_DIR")
    if session is None or not Path(session).is_dir():
        detail = Text("người dùng này chưa có phiên làm việc", "this user has no session")
        mend = f"sudo loginctl enable-linger {user_name()}"
        return Need("sound", name, there=False, detail=detail, mend=mend)
    detail = Text("không trả lời", "does not answer")
    mend = "systemctl --user restart pipewire-pulse.service || pulseaudio --start"
    return Need("sound", name, there=False, detail=detail, mend=mend)


def _sockets(environment: Mapping[str, str]) -> Iterator[Path]:
    named = environment.get("PULSE_SERVER", "")
    if named.startswith("unix:"):
        yield Path(named.removeprefix("unix:"))
    elif "XDG_RUNTIME_DIR" in environment:
        yield Path(environment["XDG_RUNTIME_DIR"]) / "pulse/native"


def _windows_session() -> int | None:  # not run on Windows yet
    kernel: Any = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]  # Windows only
    number = ctypes.c_uint32()
    if not kernel.ProcessIdToSessionId(os.getpid(), ctypes.byref(number)):
        return None
    return number.value


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
