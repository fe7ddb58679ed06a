"""Microphone and speaker of one room: one after the other, and what the room remembers of them."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diemcau_agent import roomcheck
from diemcau_agent.baseline import Baseline, accept, keep, read_baseline
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.openings import Openings
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.roomcheck import RoomFindings, check_room
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import DeviceKind, Status
from tests.agent.probes.makers_av import SOUND_SETTINGS, sounding_room

MICROPHONE = ExpectedDevice("microphone", "main", SOUND_SETTINGS["microphone"])
SPEAKER = ExpectedDevice("speaker", "main", SOUND_SETTINGS["speaker"])
_LONG_ENOUGH_SECONDS = 0.5
"""For the other one to begin, if nothing kept it."""


async def check(folder: Path, *devices: ExpectedDevice) -> RoomFindings:
    """Check a room of these devices."""
    openings = Openings(folder, allowed_by_file=True)
    return await check_room(devices, HostSettings(folder, "127.0.0.1"), openings, "hub: test")


async def test_nobody_listens_while_the_speaker_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chirp must not be taken for the room's noise; the camera need not wait."""
    running: list[str] = []
    together: set[frozenset[str]] = set()
    camera_is_there = threading.Event()

    def probe(kind: str, _settings: object, _limit: object, role: str) -> tuple[DeviceResult, str]:
        running.append(kind)
        if kind == "camera":
            camera_is_there.set()
        camera_is_there.wait(_LONG_ENOUGH_SECONDS)
        threading.Event().wait(_LONG_ENOUGH_SECONDS)
        together.add(frozenset(running))
        running.remove(kind)
        return DeviceResult(kind=DeviceKind(kind), role=role, status=Status.OK), ""

    monkeypatch.setattr(roomcheck, "run_probe", probe)
    camera = ExpectedDevice("camera", "main", {"format": "lavfi", "url": "testsrc2"})
    await check(tmp_path, MICROPHONE, SPEAKER, camera)

    assert not any({"microphone", "speaker"} <= names for names in together)
    assert any("camera" in names and len(names) > 1 for names in together)


async def test_a_room_remembers_that_its_speaker_was_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A speakerphone that is heard once and then no more is bad; before that, a warning."""
    first = tmp_path / "first"
    first.mkdir()
    source = {**SPEAKER.source, "echo_canceller": True}
    speakerphone = ExpectedDevice("speaker", "main", source)
    with sounding_room({"air": False}, first, monkeypatch):
        before = await check(tmp_path, speakerphone)
    second = tmp_path / "second"
    second.mkdir()
    with sounding_room({}, second, monkeypatch) as server:
        heard = await check(tmp_path, speakerphone)
        server.control("unload-module", "module-loopback")
        after = await check(tmp_path, speakerphone)

    assert [found.devices[0].status for found in (before, heard, after)] == ["warn", "ok", "bad"]
    assert set(read_baseline(tmp_path).heard) == {"speaker.main"}


async def test_what_was_accepted_is_held_against_every_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody turns the gain down after the technician has left."""
    accepted = DeviceResult(
        kind=DeviceKind.MICROPHONE, status=Status.OK, values={"volume_ratio": 1.0}
    )
    keep(tmp_path, accept(Baseline(), [accepted], datetime.now(UTC)))
    room = tmp_path / "room"
    room.mkdir()
    with sounding_room({"do": [["set-source-volume", "ceiling_mic", "70%"]]}, room, monkeypatch):
        found = await check(tmp_path, MICROPHONE)

    result = found.devices[0]
    assert (result.status, result.causes) == (Status.WARN, (Cause.CHANGED,)), result.values
    assert result.values["accepted_volume_ratio"] == 1.0
