"""Microphone and speaker of one room: one after the other, and what the room remembers of them."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diemcau_agent import roomcheck
from diemcau_agent.__main__ import main
from diemcau_agent.baseline import Baseline, accept, keep, read_baseline
from diemcau_agent.devices import ExpectedDevice, inventory
from diemcau_agent.openings import Openings
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.roomcheck import LookAtChoice, RoomFindings, check_room
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import DeviceKind, Status
from tests.agent.probes.makers_av import ENOUGH_SECONDS, SOUND_SETTINGS, sounding_room
from tests.agent.processes import write_config

MICROPHONE = ExpectedDevice("microphone", "main", SOUND_SETTINGS["microphone"])
CEILING = ExpectedDevice("microphone", "ceiling", SOUND_SETTINGS["microphone"])
SPEAKER = ExpectedDevice("speaker", "main", SOUND_SETTINGS["speaker"])
_LONG_ENOUGH_SECONDS = 0.5
"""For the other one to begin, if nothing kept it."""


async def check(
    folder: Path, *devices: ExpectedDevice, look: LookAtChoice | None = None
) -> RoomFindings:
    """Check a room of these devices."""
    openings = Openings(folder, allowed_by_file=True)
    host = HostSettings(folder, "127.0.0.1")
    return await check_room(devices, host, openings, "hub: test", look_at_choice=look)


def well(kind: str, _settings: object, _limit: object, role: str) -> tuple[DeviceResult, str]:
    """Stand in for a probe that finds nothing wrong."""
    return DeviceResult(kind=DeviceKind(kind), role=role, status=Status.OK), ""


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
    # However busy this machine: what is not heard is to be told as not heard.
    limits = {"held_up_seconds": ENOUGH_SECONDS}
    source = {**SPEAKER.source, "echo_canceller": True, "limits": limits}
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


async def test_a_room_whose_programs_use_another_device_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table speaker works, but the PC plays to another: a warning. The microphone is right."""
    room = tmp_path / "room"
    room.mkdir()
    with sounding_room({}, room, monkeypatch) as server:
        server.control("set-default-sink", "feed")
        server.control("set-default-source", "ceiling_mic")
        microphone, speaker = (await check(tmp_path, MICROPHONE, SPEAKER, look=inventory)).devices

    assert microphone.status == "ok"
    assert (speaker.status, speaker.causes) == ("warn", ("wrong_device",))
    assert speaker.values["used"]
    assert speaker.values["heard"] is True


def test_check_names_the_microphone_that_programs_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the keyboard as in a test of the hub; exit code 1."""
    more = (
        "devices:\n- {kind: microphone, role: main, source: {format: system, url: ceiling_mic}}\n"
    )
    config = str(write_config(tmp_path, 1883, more))
    room = tmp_path / "room"
    room.mkdir()
    with sounding_room({}, room, monkeypatch) as server:
        server.control(
            "load-module", "module-remap-source", "source_name=webcam_mic", "master=feed.monitor"
        )
        server.control("set-default-source", "webcam_mic")
        with pytest.raises(SystemExit) as left:
            main(["check", "microphone", "--json", "--config", config])
    (row,) = json.loads(capsys.readouterr().out)["rows"]

    assert left.value.code == 1
    assert (row["status"], row["causes"]) == ("warn", ["wrong_device"])


def another(devices: Sequence[ExpectedDevice]) -> list[DeviceResult]:
    """Stand in for an inventory that sees the television in the place of each."""
    return [
        DeviceResult(
            kind=DeviceKind(one.kind), role=one.role, status=Status.WARN,
            causes=(Cause.WRONG_DEVICE,), values={"used": "TV"},
        )
        for one in devices
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "causes", "told"),
    [
        ("ok", (), ("warn", ("wrong_device",))),
        ("warn", ("hum",), ("warn", ("hum", "wrong_device"))),
        ("bad", ("muted",), ("bad", ("muted",))),
        ("in_use", ("busy",), ("in_use", ("busy",))),
        ("unknown", ("timeout",), ("unknown", ("timeout",))),
    ],
)
async def test_another_device_in_use_is_told_beside_what_works(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    causes: tuple[str, ...],
    told: tuple[str, tuple[str, ...]],
) -> None:
    """What does not work has a nearer cause; a camera is never asked for."""

    def run(kind: str, _settings: object, _limit: object, role: str) -> tuple[DeviceResult, str]:
        found = DeviceResult(
            kind=DeviceKind(kind), role=role, status=Status(status),
            causes=tuple(map(Cause, causes)), duration_seconds=9.0,
        )  # fmt: skip
        return found, ""

    monkeypatch.setattr(roomcheck, "run_probe", run)
    camera = ExpectedDevice("camera", "main", {"format": "lavfi", "url": "testsrc2"})
    found = await check(tmp_path, camera, MICROPHONE, look=another)

    assert (found.devices[0].status, found.devices[0].causes) == (status, causes)
    assert (found.devices[1].status, found.devices[1].causes) == told
    assert ("used" in found.devices[1].values) is (Cause.WRONG_DEVICE in told[1])


async def test_an_inventory_that_hangs_or_fails_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found of the devices is told without it, in its own time."""
    monkeypatch.setattr(roomcheck, "run_probe", well)
    monkeypatch.setattr(roomcheck, "CHOICE_SECONDS", 0.05)
    over = threading.Event()

    def hang(_devices: Sequence[ExpectedDevice]) -> list[DeviceResult]:
        over.wait(60)
        return []

    def fail(_devices: Sequence[ExpectedDevice]) -> list[DeviceResult]:
        raise OSError

    hung = await check(tmp_path, MICROPHONE, look=hang)
    over.set()
    failed = await check(tmp_path, MICROPHONE, look=fail)

    assert [found.devices[0].status for found in (hung, failed)] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("others", "listener"), [((MICROPHONE,), "main"), ((), "hall"), ((CEILING,), "ceiling")]
)
async def test_what_listens_to_a_speaker_is_on_record_as_well(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    others: tuple[ExpectedDevice, ...],
    listener: str,
) -> None:
    """Who is in the room may know that a microphone was open, and for how long."""
    monkeypatch.setattr(roomcheck, "run_probe", well)
    await check(tmp_path, *others, ExpectedDevice("speaker", "hall", SPEAKER.source))
    entries = Openings(tmp_path, allowed_by_file=True).entries()
    speaker, microphone = entries[len(others) :]

    assert (speaker.kind, speaker.role) == ("speaker", "hall")
    assert (microphone.kind, microphone.role) == ("microphone", listener)
    assert speaker.seconds is not None
    assert microphone.seconds == speaker.seconds
    assert microphone.asked_by == "hub: test"
