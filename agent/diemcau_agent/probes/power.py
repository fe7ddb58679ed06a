"""Will the PC fall asleep in the middle of a session, and will its USB ports.

Linux: systemd's targets, inhibitors and logind, the GNOME settings, and runtime power management
of USB devices in sysfs. Windows: ``powerscheme``.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FRESH_SECONDS: Final = 600.0
"""People change these settings some times a year, and one of them needs a process to be read."""
_GSETTINGS_SECONDS: Final = 2.0
_MASKED: Final = ("sleep.target", "suspend.target")
_UNITS: Final = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system")
_LOGIND: Final = ("usr/lib/systemd", "run/systemd", "etc/systemd")
"""The later one counts (logind.conf.d(5))."""
_SLEEPS: Final = frozenset(
    {"suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate", "sleep"}
)
_GNOME: Final = ("gnome", "unity", "ubuntu")
_SESSIONS: Final = ("usr/share/xsessions", "usr/share/wayland-sessions")
"""What one may log in to, a file each (Desktop Entry Specification)."""
_SCHEMA: Final = "org.gnome.settings-daemon.plugins.power"
_AUDIO, _VIDEO = "01", "0e"


@dataclass(frozen=True, slots=True)
class Power:
    """A PC's settings on mains; None: not known."""

    sleeps: bool | None
    """The whole PC, when nobody touches it."""
    usb_suspends: bool | None
    """USB audio devices, when they are silent."""


Run = Callable[[list[str]], str | None]
"""Runs a program and returns its output, None where it is not there or fails."""


def read_power(root: Path = Path("/")) -> Power:
    """Read this PC's settings."""
    if sys.platform == "win32":
        from diemcau_agent.probes.powerscheme import (  # noqa: PLC0415  # Windows only
            PowrProf,
            scheme_power,
        )

        return scheme_power(PowrProf())
    return Power(linux_sleeps(root, os.environ, _output_of), linux_usb_suspends(root))


class PowerWatch:
    """Reads the settings now and then."""

    def __init__(
        self,
        read: Callable[[Path], Power] = read_power,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._last: tuple[float, Path, Power] | None = None

    def read(self, root: Path) -> Power:
        """Return the settings, at most FRESH_SECONDS old."""
        now = self._clock()
        if self._last is None or self._last[1] != root or now - self._last[0] >= FRESH_SECONDS:
            self._last = (now, root, self._read(root))
        return self._last[2]


def linux_sleeps(root: Path, environment: Mapping[str, str], run: Run) -> bool | None:
    """Say whether an idle PC on mains falls asleep by itself; None where nothing says so."""
    if _masked(root) or _inhibited(root):
        return False
    if _idle_action(root) in _SLEEPS:
        return True
    desktop = environment.get("XDG_CURRENT_DESKTOP", "").lower()
    # Started before anybody logs in, the agent has no such variable.
    desktops = [desktop] if desktop else _sessions(root)
    if _is_gnome(desktops):
        return _gnome_sleeps(run)
    return False if (root / "etc/systemd").is_dir() and not desktops else None


def _sessions(root: Path) -> list[str]:
    return [file.stem.lower() for one in _SESSIONS for file in (root / one).glob("*.desktop")]


def _is_gnome(desktops: Iterable[str]) -> bool:
    return any(name in desktop for desktop in desktops for name in _GNOME)


def _masked(root: Path) -> bool:
    """A target that points to /dev/null cannot be reached by anybody (systemctl mask)."""
    for unit in _MASKED:
        for folder in _UNITS:
            try:
                if str((root / folder / unit).readlink()) == "/dev/null":
                    return True
            except OSError:
                continue
    return False


def _inhibited(root: Path) -> bool:
    """Say whether a program keeps the PC awake now (systemd-inhibit, files of logind)."""
    for file in (root / "run/systemd/inhibit").glob("*"):
        said = dict(line.partition("=")[::2] for line in _read(file).splitlines())
        what = said.get("WHAT", "").split(":")
        if said.get("MODE") == "block" and ("sleep" in what or "idle" in what):
            return True
    return False


def _idle_action(root: Path) -> str:
    action = ""
    for folder in _LOGIND:
        base = root / folder
        for file in (base / "logind.conf", *sorted((base / "logind.conf.d").glob("*.conf"))):
            for line in _read(file).splitlines():
                key, _, value = line.partition("=")
                if key.strip() == "IdleAction":
                    action = value.strip()
    return action


def _gnome_sleeps(run: Run) -> bool | None:
    kind = run(["gsettings", "get", _SCHEMA, "sleep-inactive-ac-type"])
    seconds = run(["gsettings", "get", _SCHEMA, "sleep-inactive-ac-timeout"])
    if kind is None or seconds is None or not seconds.strip().isdecimal():
        return None
    return kind.strip().strip("'") in _SLEEPS and int(seconds) > 0


def linux_usb_suspends(root: Path) -> bool | None:
    """Say whether a USB speakerphone or microphone may be put to sleep while it is silent.

    The kernel leaves that off for audio devices (power/control ``on``); a tool for saving power
    has set it where it is ``auto``. Cameras are left out: their driver asks for it by itself and
    wakes them without loss. None where there is no such device.
    """
    if _read(root / "sys/module/usbcore/parameters/autosuspend").strip() == "-1":
        return False
    controls = [
        _read(device / "power/control").strip()
        for device in (root / "sys/bus/usb/devices").glob("[0-9]*-[0-9]*")
        if ":" not in device.name and _is_audio_only(device)
    ]
    return "auto" in controls if controls else None


def _is_audio_only(device: Path) -> bool:
    classes = {_read(file).strip() for file in device.glob("*:*/bInterfaceClass")}
    return _AUDIO in classes and _VIDEO not in classes


def _output_of(command: list[str]) -> str | None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_GSETTINGS_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
