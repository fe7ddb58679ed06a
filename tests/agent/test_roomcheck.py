"""A whole room looked at: the second try, the switch, the log, and nothing that traps a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from diemcau_agent import roomcheck
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.openings import LOG_NAME, Openings
from diemcau_agent.probes import frame
from diemcau_agent.probes.frame import ChildRun
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.probes.result import ProbeResult
from diemcau_agent.roomcheck import RoomFindings, check_room
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult
from diemcau_contract.value_words import VALUES
from diemcau_contract.words import DeviceKind, Status
from tests.agent.probes.makers import settings_of
from tests.agent.probes.peers.pjlink import Projector, projector
from tests.agent.probes.peers.sip import UserAgent, sip_over_udp

ROOT = Path(__file__).parents[2]
SCENE = "testsrc2=size=640x360:rate=30,noise=alls=4:allf=t,realtime"
CAMERA = ExpectedDevice("camera", "main", {"format": "lavfi", "url": SCENE})


async def check(
    folder: Path, *devices: ExpectedDevice, openings: Openings | None = None
) -> RoomFindings:
    """Check a room of these devices."""
    host = HostSettings(folder, "127.0.0.1")
    openings = openings or Openings(folder, allowed_by_file=True)
    return await check_room(devices, host, openings, "hub: test")


class Waking(Projector):
    """Off when it is asked first, on from then on."""

    def answer(self, request: str) -> str | None:
        """Answer, and wake up."""
        reply = super().answer(request)
        if request.startswith("%1LAMP"):
            self.power = "1"
        return reply


async def test_what_is_bad_is_looked_at_twice_and_the_second_good_look_counts(
    tmp_path: Path,
) -> None:
    """One slip is no red; both tries are in the log, and their number is told."""
    state = Waking(power="0")
    with projector(state) as port:
        source = {"format": "pjlink", "url": f"pjlink://127.0.0.1:{port}"}
        found = await check(tmp_path, ExpectedDevice("display", "main", source))

    assert (found.devices[0].status, found.devices[0].values["tries"]) == ("ok", 2)
    assert "second try" in found.logs["display.main"]


async def test_what_stays_bad_is_bad_and_what_is_good_is_looked_at_once(tmp_path: Path) -> None:
    """Two devices of a room at the same time: off twice, on once."""
    off, on = Projector(power="0"), Projector()
    with projector(off) as first, projector(on) as second:
        devices = [
            ExpectedDevice("display", role, {"format": "pjlink", "url": f"pjlink://127.0.0.1:{port}"})
            for role, port in (("left", first), ("right", second))
        ]  # fmt: skip
        found = await check(tmp_path, *devices)

    assert [one.status for one in found.devices] == ["bad", "ok"]
    assert off.commands.count("%1POWR ?") == 2
    assert on.commands.count("%1POWR ?") == 1


async def test_a_refused_login_is_not_tried_again(tmp_path: Path) -> None:
    """Devices lock an account after some wrong passwords."""
    made = {"kind": "pjlink", "password": "right"}
    with settings_of(made, tmp_path) as settings:
        found = await check(tmp_path, ExpectedDevice("display", "main", settings))

    assert found.devices[0].causes == ("auth",)
    assert "second try" not in found.logs["display.main"]


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (("unknown", "crashed"), ("bad", "off")),
        (("bad", "timeout"), ("bad", "off")),
        (("bad", "wrong_input"), ("bad", "wrong_input")),
        (("warn", "warming"), ("warn", "warming")),
    ],
)
async def test_a_second_try_that_says_nothing_leaves_the_first(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    second: tuple[str, str],
    told: tuple[str, str],
) -> None:
    """A child that died or hung the second time proves nothing; what it saw counts."""
    tries = iter((("bad", "off"), second))

    def run(kind: str, *_rest: object) -> tuple[DeviceResult, str]:
        status, cause = next(tries)
        return DeviceResult(
            kind=DeviceKind(kind), status=Status(status), causes=(Cause(cause),)
        ), ""

    monkeypatch.setattr(roomcheck, "run_probe", run)
    found = await check(tmp_path, ExpectedDevice("display", "main", {"format": "pjlink"}))

    assert (found.devices[0].status, found.devices[0].causes) == (told[0], (told[1],))
    assert next(tries, None) is None


@pytest.mark.parametrize(("seconds", "tries"), [(8.0, 2), (8.1, 1)])
async def test_a_slow_first_try_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, tries: int
) -> None:
    """A room is checked in twenty seconds."""
    count = 0

    def run(kind: str, *_rest: object) -> tuple[DeviceResult, str]:
        nonlocal count
        count += 1
        result = DeviceResult(kind=DeviceKind(kind), status=Status.BAD, duration_seconds=seconds)
        return result, ""

    monkeypatch.setattr(roomcheck, "run_probe", run)
    await check(tmp_path, ExpectedDevice("display", "main", {"format": "pjlink"}))

    assert count == tries


@dataclass
class Room:
    """Stub probes under a clock of their own; what hangs takes all the time that it is given."""

    hanging: frozenset[str]
    now: float = 100.0
    limits: dict[str, float] = field(default_factory=dict)

    def clock(self) -> float:
        """Return the time."""
        return self.now

    def run(
        self, kind: str, _settings: object, limit_seconds: float, role: str
    ) -> tuple[DeviceResult, str]:
        """Stand in for a child."""
        self.limits[f"{kind}.{role}"] = limit_seconds
        hangs = f"{kind}.{role}" in self.hanging
        if hangs:
            self.now += limit_seconds
        elif kind != "camera":
            self.now += 4.0
        result = DeviceResult(
            kind=DeviceKind(kind), role=role, status=Status.BAD if hangs else Status.OK,
            causes=(Cause.TIMEOUT,) if hangs else (), duration_seconds=limit_seconds,
        )  # fmt: skip
        return result, ""


def sounding(kind: str, role: str = "main", **settings: object) -> ExpectedDevice:
    """Return a device of the sound system."""
    return ExpectedDevice(kind, role, {"format": "system", "device": role, **settings})


@pytest.mark.parametrize(
    ("hanging", "told"),
    [
        ((), {
            "camera.main": ("ok", ()), "microphone.main": ("ok", ()), "speaker.main": ("ok", ()),
        }),
        # The speaker would wait for the same microphone: it is not even started.
        (("microphone.main",), {
            "camera.main": ("ok", ()), "microphone.main": ("bad", ("timeout",)),
            "speaker.main": ("unknown", ("needs_microphone",)),
        }),
        (("speaker.main",), {
            "camera.main": ("ok", ()), "microphone.main": ("ok", ()),
            "speaker.main": ("bad", ("timeout",)),
        }),
    ],
)  # fmt: skip
async def test_a_device_that_hangs_loses_no_result_of_the_others(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hanging: tuple[str, ...],
    told: dict[str, tuple[str, tuple[str, ...]]],
) -> None:
    """All that was found is told within the time that a room has."""
    room = Room(frozenset(hanging))
    monkeypatch.setattr(roomcheck, "run_probe", room.run)
    devices = (CAMERA, sounding("microphone"), sounding("speaker", microphone="main"))
    openings = Openings(tmp_path, allowed_by_file=True)
    host = HostSettings(tmp_path, "127.0.0.1")
    found = await check_room(devices, host, openings, "hub: test", room.clock)

    assert {f"{one.kind}.{one.role}": (one.status, one.causes) for one in found.devices} == told
    assert room.now <= 100.0 + roomcheck.ROOM_SECONDS
    assert ("speaker.main" in room.limits) is ("microphone.main" not in hanging)


async def test_microphones_that_hang_leave_time_to_those_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four hang: who had little time is unknown, and the last is not started."""
    room = Room(frozenset({"microphone.a", "microphone.b", "microphone.c", "microphone.d"}))
    monkeypatch.setattr(roomcheck, "run_probe", room.run)
    devices = [sounding("microphone", role) for role in ("a", "b", "c", "d")]
    openings = Openings(tmp_path, allowed_by_file=True)
    host = HostSettings(tmp_path, "127.0.0.1")
    found = await check_room(devices, host, openings, "hub: test", room.clock)

    assert {one.status for one in found.devices} == {Status.UNKNOWN}
    assert {one.causes for one in found.devices} == {(Cause.TIMEOUT,)}
    assert room.limits == {f"microphone.{role}": 5.0 for role in "abc"} | {"microphone.d": 3.0}
    assert len(openings.entries()) == len(devices)


async def test_what_there_is_no_time_for_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, and no opening on record that was none."""
    room = Room(frozenset())
    monkeypatch.setattr(roomcheck, "run_probe", room.run)
    monkeypatch.setattr(roomcheck, "ROOM_SECONDS", roomcheck.LEAST_SECONDS - 0.1)
    openings = Openings(tmp_path, allowed_by_file=True)
    host = HostSettings(tmp_path, "127.0.0.1")
    found = await check_room([CAMERA], host, openings, "hub: test", room.clock)

    assert (found.devices[0].status, found.devices[0].causes) == ("unknown", ("timeout",))
    assert openings.entries() == []


async def test_switched_off_here_opens_nothing_but_still_asks_what_is_never_opened(
    tmp_path: Path,
) -> None:
    """Camera and microphone are unknown, with the cause; a codec is asked as ever."""
    openings = Openings(tmp_path, allowed_by_file=True)
    openings.switch(on=False)
    microphone = ExpectedDevice("microphone", "main", {"format": "lavfi", "url": "anullsrc"})
    with sip_over_udp(UserAgent()) as port:
        codec = ExpectedDevice("codec", "main", {"format": "sip", "url": f"sip://127.0.0.1:{port}"})
        found = await check(tmp_path, codec, CAMERA, microphone, openings=openings)

    assert [one.status for one in found.devices] == ["ok", "unknown", "unknown"]
    assert {one.causes for one in found.devices[1:]} == {("switched_off",)}
    assert openings.entries() == []


async def test_switched_off_in_a_test_there_is_no_second_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe that runs ends by itself; what it saw stands."""
    openings, tries = Openings(tmp_path, allowed_by_file=True), 0

    def run(kind: str, *_rest: object) -> tuple[DeviceResult, str]:
        nonlocal tries
        tries += 1
        openings.switch(on=False)
        return DeviceResult(
            kind=DeviceKind(kind), status=Status.BAD, causes=(Cause.BLACK,)
        ), "black\n"

    monkeypatch.setattr(roomcheck, "run_probe", run)
    found = await check(tmp_path, CAMERA, openings=openings)

    assert tries == 1
    assert (found.devices[0].status, found.devices[0].causes) == ("bad", ("black",))
    assert "no second try" in found.logs["camera.main"]


async def test_every_opening_is_on_record_and_asking_is_none(tmp_path: Path) -> None:
    """The camera that was opened, with who asked and for how long; not the codec."""
    openings = Openings(tmp_path, allowed_by_file=True)
    with sip_over_udp(UserAgent()) as port:
        source = {"format": "sip", "url": f"sip://127.0.0.1:{port}"}
        codec = ExpectedDevice("codec", "main", source)
        found = await check(tmp_path, codec, CAMERA, openings=openings)

    (entry,) = openings.entries()
    assert (entry.kind, entry.asked_by) == ("camera", "hub: test")
    assert entry.seconds is not None
    assert entry.seconds >= found.devices[1].duration_seconds


async def test_what_cannot_be_written_down_is_not_opened(tmp_path: Path) -> None:
    """A full or broken disk must not make openings invisible."""
    (tmp_path / LOG_NAME).mkdir()
    found = await check(tmp_path, CAMERA)

    assert (found.devices[0].status, found.devices[0].causes) == ("unknown", ("crashed",))
    assert "cannot be written" in found.logs["camera.main"]


async def test_a_kind_without_a_probe_traps_nothing(tmp_path: Path) -> None:
    """Not applicable, and the rest of the room is checked."""
    found = await check(tmp_path, ExpectedDevice("camera", "x", {"format": "firewire"}))

    assert found.devices[0].status == "not_applicable"


async def test_every_number_of_the_equipment_has_words(tmp_path: Path) -> None:
    """What --explain shows is read by people: no value of projector or codec without a name."""
    shown = set()
    for kind, made in (("display", {"kind": "pjlink"}), ("codec", {"kind": "sip"}),
                       ("codec", {"kind": "xapi"})):  # fmt: skip
        with settings_of(made, tmp_path) as settings:
            found = await check(tmp_path, ExpectedDevice(kind, "main", settings))
        shown |= set(found.devices[0].values)

    assert len(shown) > 20
    assert shown <= set(VALUES)


async def test_a_pc_too_busy_for_the_child_is_read_by_the_agent_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child of low priority gets no turn there; how it reaches the hub is known all the same."""
    starved = ChildRun(ProbeResult("unknown", ("timeout", "cpu_busy")), "killed: over time", 10.0)
    monkeypatch.setattr(roomcheck, "run_child", lambda *_arguments: starved)
    openings = Openings(tmp_path, allowed_by_file=True)
    settings = HostSettings(tmp_path, "127.0.0.1", cpu_ratio=0.99)
    host = (await check_room((), settings, openings, "hub: test")).host

    assert (host.status, host.medium) == ("warn", "loopback")
    assert Cause.CPU_BUSY in host.causes
    assert Cause.TIMEOUT not in host.causes


async def test_a_silent_name_server_does_not_hold_the_room_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PC is unknown then; what was found of the devices is told."""
    hanging = "tests.agent.probes.misbehaving:hang"

    def hang(_name: str, _settings: Mapping[str, object], _limit_seconds: float) -> ChildRun:
        return frame.run_child(hanging, {}, 3.0)

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(roomcheck, "run_child", hang)
    monkeypatch.setattr(frame, "WITHOUT_DEVICE", (hanging,))
    monkeypatch.setattr(frame, "CPU_STARVED_RATIO", 2.0)
    with sip_over_udp(UserAgent()) as port:
        source = {"format": "sip", "url": f"sip://127.0.0.1:{port}"}
        found = await check(tmp_path, ExpectedDevice("codec", "main", source))

    assert (found.host.status, found.host.causes) == ("unknown", ("timeout",))
    assert found.devices[0].status == "ok"
