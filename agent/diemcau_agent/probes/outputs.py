"""Displays at the PC's own outputs: connector and EDID, from the kernel's lists alone.

Windows: WmiMonitorID and WmiMonitorConnectionParams, written against these documented classes and
not run on Windows yet.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from diemcau_agent.probes.edid import Edid, parse_edid
from diemcau_agent.probes.log import note
from diemcau_agent.probes.mixer import matches
from diemcau_agent.probes.model import model_of
from diemcau_agent.probes.result import ProbeResult, judged, shown

_CLASS: Final = "sys/class/drm"
_BUILT_IN: Final = ("eDP", "LVDS", "DSI")
"""Panels of laptops: they are always there and nobody in the room watches them."""
_INTERNAL: Final = frozenset({0x8000_0000, 6, 11, 13})
"""The same in D3DKMDT_VIDEO_OUTPUT_TECHNOLOGY: internal, LVDS, embedded DisplayPort and UDI."""


@dataclass(frozen=True, slots=True)
class Output:
    """One connector; ``enabled`` says whether the PC sends a picture to it (None: not known)."""

    name: str
    connected: bool
    enabled: bool | None
    edid: Edid | None
    built_in: bool = False
    """Whether it is the PC's own panel."""


def look_at_outputs(pattern: str | None, root: Path = Path("/")) -> ProbeResult:
    """Say whether the display that is meant is connected and gets a picture.

    Args:
        pattern: a connector (``HDMI-A-1``) or a part of the display's name; None: any display but
            the PC's own panel.
        root: the file system to look at (Linux).
    """
    outputs = windows_outputs() if sys.platform == "win32" else linux_outputs(root)
    for one in outputs:
        note(f"output {one}")
    return judge_outputs(outputs, pattern)


def judge_outputs(outputs: Iterable[Output], pattern: str | None) -> ProbeResult:
    """Judge what is connected; ``unknown`` where the system lists no connector at all."""
    outputs = list(outputs)
    if not outputs:
        return ProbeResult("unknown")
    there = [one for one in outputs if one.connected]
    fits = [one for one in there if _fits(one, pattern)]
    if not fits:
        others = ", ".join(one.edid.title if one.edid else one.name for one in there)
        return judged(("missing",), {"connected": shown(others)})
    chosen = max(fits, key=lambda one: one.enabled is not False)
    causes = []
    if chosen.enabled is False:
        causes.append("no_signal")
    if chosen.edid is None:
        causes.append("no_edid")
    title = shown(chosen.edid.title) if chosen.edid else None
    found = judged(tuple(causes), {"connector": chosen.name, "display": title})
    return replace(found, model=model_of(title or ""))


def _fits(output: Output, pattern: str | None) -> bool:
    if pattern is None:
        return not output.built_in
    edid = output.edid
    return matches(pattern, output.name, edid.title if edid else "")


def linux_outputs(root: Path) -> list[Output]:
    """Read the connectors of all graphics cards (Direct Rendering Manager, sysfs)."""
    found = []
    for entry in sorted((root / _CLASS).glob("card*-*")):
        status = _read(entry / "status").decode().strip()
        name = entry.name.partition("-")[2]
        if not status or name.startswith("Writeback"):
            continue
        enabled = _read(entry / "enabled").decode().strip()
        edid = parse_edid(_read(entry / "edid"))
        on = enabled != "disabled" if enabled else None
        found.append(Output(name, status == "connected", on, edid, name.startswith(_BUILT_IN)))
    return found


def windows_outputs(query: Callable[[str], Iterable[Any]] | None = None) -> list[Output]:
    """Ask WMI for active monitors and how each is connected. Not run on Windows yet.

    ``ManufacturerName``, ``ProductCodeID`` and ``UserFriendlyName`` are arrays of character
    codes that end with a zero.
    """
    ask = query or _wmi
    # A number of 32 bits, which automation gives with a sign.
    connected_by = {
        str(one.InstanceName): int(one.VideoOutputTechnology) & 0xFFFF_FFFF
        for one in ask("WmiMonitorConnectionParams")
    }
    found = []
    for monitor in ask("WmiMonitorID"):
        edid = Edid(
            _characters(monitor.ManufacturerName),
            int(_characters(monitor.ProductCodeID) or "0", 16),
            _characters(monitor.UserFriendlyName),
        )
        name = str(monitor.InstanceName)
        built_in = connected_by.get(name) in _INTERNAL
        found.append(Output(name, bool(monitor.Active), None, edid, built_in))
    return found


def _wmi(name: str) -> Iterable[Any]:  # not run on Windows yet
    from comtypes.client import CoGetObject  # noqa: PLC0415  # Windows only

    instances: Iterable[Any] = CoGetObject("winmgmts:root\\wmi").ExecQuery(
        f"SELECT * FROM {name}"  # noqa: S608  # one of two names of ours
    )
    return instances


def _characters(codes: Iterable[int] | None) -> str:
    return "".join(map(chr, codes or ())).partition("\0")[0].strip()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
