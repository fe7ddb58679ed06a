"""Inventory: which expected devices are there, without opening any of them.

Cheap enough for every 30 seconds: it reads the kernel's lists, and asks a child process only
where those do not know the device (Windows, virtual audio devices, a device that is gone).
"""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from diemcau_agent.probes.frame import ChildRun, device_result, run_child
from diemcau_agent.probes.mixer import matches
from diemcau_agent.probes.result import ProbeResult, judged
from diemcau_agent.probes.table import PROBES
from diemcau_agent.probes.v4l2 import find_v4l2
from diemcau_contract.messages import DeviceResult

_STREAMS: Final = {"microphone": "c", "speaker": "p"}
"""Ending of an ALSA stream's name: capture, playback."""


@dataclass(frozen=True, slots=True)
class ExpectedDevice:
    """One device that the room's settings name."""

    kind: str
    role: str
    source: Mapping[str, object] = field(repr=False)
    """The probe's settings: ``format`` and what goes with it; it may hold a password."""


def inventory(
    expected: Iterable[ExpectedDevice], root: Path = Path("/")
) -> tuple[DeviceResult, ...]:
    """Look for each expected device; blocking, to be called through ``asyncio.to_thread``.

    ``ok`` there, ``bad`` with ``missing`` or ``denied``, ``unknown`` where this system cannot
    say, ``not_applicable`` for what only a network probe can tell.

    Args:
        expected: devices in the order wanted for the answer.
        root: the file system whose ``/dev``, ``/sys`` and ``/proc`` are read.
    """
    results = []
    for device in expected:
        started = time.perf_counter()
        found = _look(device, root)
        run = ChildRun(found, "", time.perf_counter() - started)
        results.append(device_result(device.kind, device.role, run))
    return tuple(results)


def _look(device: ExpectedDevice, root: Path) -> ProbeResult:
    match device.source.get("format"):
        case "lavfi":
            return ProbeResult("ok")
        case "v4l2":
            return _look_v4l2(str(device.source.get("url", "")), root)
        case "dshow":
            url = str(device.source.get("url", "")).removeprefix("video=")
            return _ask("dshow", device.kind, url)
        case "system" if device.kind in _STREAMS:
            return _look_audio(device, root)
        case _:
            return ProbeResult("not_applicable")


def _look_v4l2(url: str, root: Path) -> ProbeResult:
    path = find_v4l2(url, root)
    if path is None:
        return judged(("missing",), {})
    if not os.access(path, os.R_OK | os.W_OK):
        return judged(("denied",), {})
    return judged((), {"node": path.name})


def _look_audio(device: ExpectedDevice, root: Path) -> ProbeResult:
    pattern = device.source.get("device")
    wanted = None if pattern is None else str(pattern)
    if _alsa_has(wanted, _STREAMS[device.kind], root):
        return ProbeResult("ok")
    return _ask("system", device.kind, wanted)


def _alsa_has(pattern: str | None, stream: str, root: Path) -> bool:
    """Say whether a sound card that fits has a stream of this direction."""
    asound = root / "proc/asound"
    try:
        text = (asound / "cards").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = text.splitlines()
    for first, second in zip(lines[::2], lines[1::2], strict=False):
        number = first.split("[", 1)[0].strip()
        if any((asound / f"card{number}").glob(f"pcm*{stream}")) and matches(
            pattern, first, second
        ):
            return True
    return False


def _ask(source_format: str, kind: str, pattern: str | None) -> ProbeResult:
    if source_format == "dshow" and sys.platform != "win32":
        return ProbeResult("not_applicable")
    settings = {"format": source_format, "kind": kind, "pattern": pattern}
    return run_child("listing", settings, PROBES["listing"].limit_seconds).result
