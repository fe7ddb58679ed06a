"""How a fault of camera, microphone or speaker is made, and what the probe then finds."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

from diemcau_agent.baseline import Accepted, Baseline, held_against
from diemcau_agent.probes import camera, frame, microphone
from diemcau_agent.probes.capture import Asked, Capture, judge
from diemcau_agent.probes.consent import refusal
from diemcau_agent.probes.frame import ChildRun, device_result, run_child
from diemcau_agent.probes.result import ProbeResult
from diemcau_agent.probes.soundio import RATE_HZ
from diemcau_agent.signal.limits import SOUND_LIMITS
from diemcau_contract.messages import DeviceResult
from tests.agent.probes import rooms, sounds
from tests.agent.probes.peers.pulse import PulseServer, private_pulse

Made = Mapping[str, Any]
Maker = Callable[[str, Made, Path, pytest.MonkeyPatch], Iterator[ProbeResult]]

ENOUGH_SECONDS = 60.0
"""For a child that must end by itself, on however slow a machine."""
FAULTS_FILE = Path(__file__).parent / "faults" / "rooms-av.yaml"
SOUND_SETTINGS: Mapping[str, dict[str, Any]] = {
    "microphone": {"format": "system", "device": "ceiling_mic"},
    "speaker": {"format": "system", "device": "table_speaker", "microphone": "ceiling_mic"},
    "listing": {"format": "system", "devices": [{"kind": "microphone", "pattern": None}]},
}
"""By probe: what leads to the room of :func:`sounding_room`."""
_START_SECONDS = 20.0
_PLAYER = 'application.process.binary = "pacat"'
"""In PulseAudio's list, once for each program that plays."""
_ASKS_WINDOWS: Mapping[str, tuple[ModuleType, Made]] = {
    "camera": (camera, {"format": "dshow", "url": "BRIO"}),
    "microphone": (microphone, {"format": "system"}),
}
_ROOMS = {"quiet": sounds.quiet_room, "speech": sounds.speech}


def faults() -> list[dict[str, Any]]:
    """Return the faults as they are listed."""
    listed: list[dict[str, Any]] = yaml.safe_load(FAULTS_FILE.read_text(encoding="utf-8"))
    return listed


def found(probe: str, made: Made, folder: Path, patch: pytest.MonkeyPatch) -> list[DeviceResult]:
    """Make the fault and return what was found, once for each seed."""
    accepted = made.get("accepted")
    baseline = Baseline()
    if accepted is not None:
        baseline = Baseline(
            devices={f"{probe}.main": Accepted(at=datetime.now(UTC), values=accepted)}
        )
    # However busy this machine: a child that hangs is to be told as one that hangs.
    patch.setattr(frame, "CPU_STARVED_RATIO", 2.0)
    return [
        held_against(device_result(probe, "main", ChildRun(result, "", 0.0)), baseline)
        for result in MAKERS[made["kind"]](probe, made, folder, patch)
    ]


def _graph(
    probe: str, made: Made, _folder: Path, _patch: pytest.MonkeyPatch
) -> Iterator[ProbeResult]:
    settings = {"format": "lavfi", "url": made["graph"], **made.get("settings", {})}
    yield run_child(probe, settings, made.get("limit_seconds", ENOUGH_SECONDS)).result


def _pictures(
    _probe: str, made: Made, _folder: Path, _patch: pytest.MonkeyPatch
) -> Iterator[ProbeResult]:
    for seed in made["seeds"]:
        yield judged_pictures(getattr(rooms, made["scene"])(seed))


def judged_pictures(taken: Any) -> ProbeResult:
    """Judge frames, with or without their mean colour, as if a camera of 30 a second gave them."""
    frames, colour = taken if isinstance(taken, tuple) else (taken, (0.0, 0.0, 0.0))
    moments = tuple(number / 30 for number in range(len(frames)))
    return judge(Capture(frames, colour, 640, 360, 0.1, moments, moments, 0.1), Asked())


def _sounds(
    _probe: str, made: Made, _folder: Path, _patch: pytest.MonkeyPatch
) -> Iterator[ProbeResult]:
    for seed in made["seeds"]:
        yield judged_sound(getattr(sounds, made["scene"])(seed))


def judged_sound(samples: sounds.Samples) -> ProbeResult:
    """Judge samples as the microphone's probe does."""
    settling = np.zeros(int(microphone.SETTLING_SECONDS * RATE_HZ), np.float32)
    return microphone.judge(np.concatenate([settling, samples]), RATE_HZ, {}, SOUND_LIMITS)


def _file(
    _probe: str, made: Made, folder: Path, patch: pytest.MonkeyPatch
) -> Iterator[ProbeResult]:
    """A file in the place of the node; only its driver cannot be had."""
    node = folder / "video0"
    node.write_bytes(b"no picture")
    error = made.get("error")
    if error is not None:
        number = getattr(errno, error)
        patch.setattr(camera, "_open_with", _raising(OSError(number, os.strerror(number))))
    if "shutter" in made:
        patch.setattr(camera, "shutter_closed", lambda _node: bool(made["shutter"]))
    with ExitStack() as stack:
        if made.get("held"):
            stack.enter_context(_held(node))
        yield camera.probe({"format": "v4l2", "url": made.get("url", str(node))})


def _raising(error: OSError) -> Callable[..., Any]:
    def fail(*_arguments: object) -> Any:
        raise error

    return fail


@contextmanager
def _held(node: Path) -> Iterator[None]:
    code = "import sys; file = open(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(node)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        yield
        holder.terminate()


class _Store:
    """A registry with one switch."""

    def __init__(self, value: str) -> None:
        self._value = value

    def value(self, _hive: str, _path: str, name: str) -> object:
        """Return the switch; nobody uses anything."""
        return self._value if name == "Value" else None

    def subkeys(self, _hive: str, _path: str) -> tuple[str, ...]:
        """Return no program."""
        return ()


def _consent(
    probe: str, made: Made, _folder: Path, patch: pytest.MonkeyPatch
) -> Iterator[ProbeResult]:
    """Windows' privacy settings in the place of the registry; the probe itself asks them."""
    module, settings = _ASKS_WINDOWS[probe]
    store = _Store(made["value"])
    patch.setattr(module, "refusal", lambda capability: refusal(capability, store))
    yield module.probe(settings)


def _sound(
    probe: str, made: Made, folder: Path, patch: pytest.MonkeyPatch
) -> Iterator[ProbeResult]:
    settings = {**SOUND_SETTINGS[probe], **made.get("settings", {})}
    if probe == "speaker" and "accepted" not in made:
        # However busy this machine: what is not heard is to be told as not heard.
        settings["limits"] = {"held_up_seconds": ENOUGH_SECONDS}
    with sounding_room(made, folder, patch):
        yield run_child(probe, settings, made.get("limit_seconds", ENOUGH_SECONDS)).result


@contextmanager
def sounding_room(made: Made, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[PulseServer]:
    """Set up a room with its sound, and with what is wrong in it."""
    with private_pulse(folder, patch) as server, ExitStack() as stack:
        _furnish(server, made.get("unit"), air=made.get("air", True))
        room = made.get("room", "quiet")
        players = 0
        if room is not None:
            scene = _ROOMS[room] if isinstance(room, str) else room
            server.play(np.tile(scene(7) * 32767, 20), "feed")
            players += 1
        if made.get("player"):
            server.play_silence("table_speaker")
            players += 1
        _wait(lambda: server.asked("list", "sink-inputs").count(_PLAYER) == players)
        if made.get("recorder"):
            stack.enter_context(_recording(server))
        for command in made.get("do", ()):
            server.control(*command)
        if "server" in made:
            patch.setenv("PULSE_SERVER", f"unix:{folder}/{made['server']}")
        yield server


def _furnish(server: PulseServer, unit: str | None, *, air: bool) -> None:
    """Set up a room: what is fed is heard by the microphone; the air carries the speaker to it."""
    properties = f"device.bus=usb device.bus_path={unit}" if unit else "device.class=sound"
    server.control("load-module", "module-null-sink", "sink_name=feed")
    server.control(
        "load-module", "module-null-sink", "sink_name=table_speaker",
        f"sink_properties='{properties}'",
    )  # fmt: skip
    server.control(
        "load-module", "module-remap-source", "source_name=ceiling_mic", "master=feed.monitor",
        f"source_properties='{properties}'",
    )  # fmt: skip
    if air:
        server.control(
            "load-module", "module-loopback", "source=table_speaker.monitor", "sink=feed",
            "latency_msec=60",
        )  # fmt: skip


@contextmanager
def _recording(server: PulseServer) -> Iterator[None]:
    with _running(["parec", f"--server={server.address}", "--device=ceiling_mic", "--raw"]):
        _wait(lambda: "parec" in server.asked("list", "source-outputs"))
        yield


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        assert time.monotonic() < deadline, "PulseAudio does not list the stream"


MAKERS: Mapping[str, Maker] = {
    "graph": _graph, "pictures": _pictures, "sounds": _sounds, "file": _file,
    "consent": _consent, "sound": _sound,
}  # fmt: skip
