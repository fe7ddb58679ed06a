"""A whole room looked at: the second try, the switch, the log, and nothing that traps a test."""

from pathlib import Path

import pytest

from diemcau_agent import roomcheck
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.openings import LOG_NAME, Openings
from diemcau_agent.probes.frame import run_probe
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.roomcheck import RoomFindings, check_room
from tests.agent.probes.makers import settings_of
from tests.agent.probes.peers.pjlink import Projector, projector
from tests.agent.probes.peers.sip import UserAgent, sip_over_udp

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


async def test_a_second_try_that_says_nothing_leaves_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that had no time the second time proves nothing good and nothing bad."""
    monkeypatch.setattr(roomcheck, "SECOND_TRY_SECONDS", 8.0)
    tries = []
    real = run_probe

    def run(kind: str, settings: object, limit: float | None, role: str) -> object:
        tries.append(limit)
        return real(kind, settings, 0.001 if len(tries) == 2 else limit, role)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(roomcheck, "run_probe", run)
    with projector(Projector(power="0")) as port:
        source = {"format": "pjlink", "url": f"pjlink://127.0.0.1:{port}"}
        found = await check(tmp_path, ExpectedDevice("display", "main", source))

    assert len(tries) == 2
    assert (found.devices[0].status, found.devices[0].causes) == ("bad", ("off",))


async def test_switched_off_here_opens_nothing_but_still_asks_what_is_never_opened(
    tmp_path: Path,
) -> None:
    """Camera and microphone are not applicable, with the cause; a codec is asked as ever."""
    openings = Openings(tmp_path, allowed_by_file=True)
    openings.switch(on=False)
    microphone = ExpectedDevice("microphone", "main", {"format": "lavfi", "url": "anullsrc"})
    with sip_over_udp(UserAgent()) as port:
        codec = ExpectedDevice("codec", "main", {"format": "sip", "url": f"sip://127.0.0.1:{port}"})
        found = await check(tmp_path, codec, CAMERA, microphone, openings=openings)

    assert [one.status for one in found.devices] == ["ok", "not_applicable", "not_applicable"]
    assert {one.causes for one in found.devices[1:]} == {("switched_off",)}
    assert openings.entries() == []


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
