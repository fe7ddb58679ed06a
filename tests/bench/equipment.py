"""How long display, codec and network camera take to be looked at, and a whole room at once.

The room has a sound server of its own, with a microphone that hears its loudspeaker.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.openings import Openings
from diemcau_agent.probes.frame import run_probe
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.roomcheck import check_room
from tests.agent.probes.makers import Made, settings_of
from tests.agent.probes.makers_av import SOUND_SETTINGS, sounding_room
from tests.agent.probes.peers.pulse import PulseServer
from tests.bench import Row

RUNS = 5
_SCENE = "testsrc2=size=1280x720:rate=30,noise=alls=4:allf=t,realtime"
_SOUND = ("microphone", "speaker")
_ASKED: dict[str, tuple[str, Made, str]] = {
    "projector, class 2 with login": (
        "display", {"kind": "pjlink", "password": "a", "settings": {"password": "a"}}, "<= 2",
    ),
    "projector without power": ("display", {"kind": "black_hole", "scheme": "pjlink"}, "<= 2"),
    "projector that says nothing": ("display", {"kind": "pjlink", "manner": "silent"}, "<= 2"),
    "codec, SIP over UDP": ("codec", {"kind": "sip"}, "<= 3"),
    "codec, SIP, silent": ("codec", {"kind": "sip", "manner": "silent"}, "<= 3"),
    "codec, H.323 without power": ("codec", {"kind": "black_hole", "scheme": "h323"}, "<= 3"),
    "codec, its own status": ("codec", {"kind": "xapi"}, "<= 3"),
    "network camera": ("camera", {"kind": "rtsp"}, "<= 6"),
}  # fmt: skip


def run() -> list[Row]:
    """Take the longest of some runs of each, with real peers on loopback; about 90 s."""
    rows = [
        Row("equipment", f"{name}, longest of {RUNS}", _longest(kind, made), "s", goal)
        for name, (kind, made, goal) in _ASKED.items()
    ]
    with _room() as (devices, server), tempfile.TemporaryDirectory() as folder:
        for name, room in (("all good", devices), ("three dead", [*devices, *_dead()])):
            rows.append(_whole(name, room, Path(folder)))
        server.control("suspend-source", "ceiling_mic", "1")
        rows.append(_whole("three dead, microphone hangs", [*devices, *_dead()], Path(folder)))
    return rows


def _whole(name: str, devices: list[ExpectedDevice], folder: Path) -> Row:
    return Row("equipment", f"a whole room, {name}", _checked(devices, folder), "s", "<= 20")


def _longest(kind: str, made: Made) -> float:
    longest = 0.0
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder, settings_of(made, Path(folder)) as settings:
            started = time.perf_counter()
            run_probe(kind, settings)
            longest = max(longest, time.perf_counter() - started)
    return longest


@contextlib.contextmanager
def _room() -> Iterator[tuple[list[ExpectedDevice], PulseServer]]:
    """Yield a room with everything, and its sound server."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        server = stack.enter_context(sounding_room({}, folder, patch))
        devices = [
            ExpectedDevice(kind, role, stack.enter_context(settings_of(made, folder)))
            for kind, role, made in (
                ("codec", "main", {"kind": "sip"}),
                ("codec", "status", {"kind": "xapi"}),
                ("display", "projector", {"kind": "pjlink"}),
                ("camera", "ceiling", {"kind": "rtsp"}),
            )
        ]
        devices += [
            ExpectedDevice("camera", "main", {"format": "lavfi", "url": _SCENE}),
            *(ExpectedDevice(kind, "main", SOUND_SETTINGS[kind]) for kind in _SOUND),
        ]
        yield devices, server


def _dead() -> list[ExpectedDevice]:
    """Return three more devices that do not answer, so that each is tried twice."""
    black = "color=black:size=640x360:rate=30,realtime"
    return [
        ExpectedDevice("camera", "black", {"format": "lavfi", "url": black}),
        ExpectedDevice("codec", "dead", {"format": "h323", "url": "h323://127.0.0.1:1"}),
        ExpectedDevice("display", "dead", {"format": "pjlink", "url": "pjlink://127.0.0.1:1"}),
    ]


def _checked(devices: list[ExpectedDevice], folder: Path) -> float:
    host, openings = HostSettings(folder, "127.0.0.1"), Openings(folder, allowed_by_file=True)
    started = time.perf_counter()
    asyncio.run(check_room(devices, host, openings, "bench"))
    return time.perf_counter() - started
