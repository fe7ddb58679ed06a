"""The units that ``diemcau init`` writes, under a real systemd: what they let and what not."""

import json
import shutil
import signal
from collections.abc import Iterator

import pytest

from tests.integration.district import wait_until
from tests.integration.machine import Machine, booted, missing

NAMES = """\
schema: diemcau.names/1
hub: {id: bu-dang, name: Hội trường Huyện ủy}
address: 127.0.0.1
devices:
  - {kind: microphone, source: {format: lavfi, url: "anoisesrc=amplitude=0.02:color=pink"}}
  - {kind: microphone, role: table, source: {format: system}}
points: [Xã Bom Bo]
"""
ROOM = "/srv/diemcau/agents/xa-bom-bo"
AGENT = "diemcau-agent@xa"
UNITS = ("diemcau-broker", "diemcau-server", AGENT)
INSTALLS = ("useradd", "chown", "install", "systemctl")
WITHOUT_LOGIND = "loginctl enable-linger xa && "

pytestmark = [
    pytest.mark.integration,
    pytest.mark.alone,
    pytest.mark.root,
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.skipif(shutil.which("pulseaudio") is None, reason="pulseaudio is not installed"),
    pytest.mark.skipif(
        shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None,
        reason="mosquitto is not installed",
    ),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which a district was installed as its README and the room's unit say."""
    with booted(tmp_path_factory.mktemp("machine")) as one:
        one.write("/run/names.yaml", NAMES)
        one.run("useradd", "--create-home", "xa")
        told = one.run("diemcau", "init", "/run/names.yaml", "/srv/diemcau").stdout
        for command in (*for_the_hall(told), *for_the_room(one)):
            one.run("sh", "-c", f"cd {ROOM} && {command}")
        yield one


def for_the_hall(told: str) -> Iterator[str]:
    """Yield the commands that are printed for systemd."""
    for line in told.splitlines():
        sudo, _, command = line.strip().partition("sudo ")
        if not sudo and command.startswith(INSTALLS):
            yield command.replace("sudo ", "")


def for_the_room(machine: Machine) -> Iterator[str]:
    """Yield those in the head of the room's unit; who lingers is logind's, which is not here."""
    unit = machine.run("cat", f"{ROOM}/diemcau-agent@.service").stdout
    for line in unit.splitlines():
        if line.startswith("#   "):
            command = line.removeprefix("#   ").replace("sudo ", "").replace("USER", "xa")
            yield command.replace(WITHOUT_LOGIND, "")


def last_report(machine: Machine) -> str | None:
    """Return when the room last reported, as the server's own API has it."""
    url = "http://127.0.0.1:8080/api/v1/points"
    asked = f"from urllib.request import urlopen; print(urlopen({url!r}).read().decode())"
    said = machine.run("/opt/diemcau/bin/python", "-c", asked, check=False)
    (point,) = json.loads(said.stdout)["points"] if said.returncode == 0 else [{}]
    found: str | None = point.get("last_report_at")
    return found


def as_the_unit(machine: Machine, *command: str, also: str = "") -> str:
    """Return what a command says within all that guards the agent, and ``also`` a line more."""
    unit = machine.run("cat", "/etc/systemd/system/diemcau-agent@.service").stdout
    lines = [
        line for line in unit.splitlines()
        if not line.startswith(("ExecStart=", "Type=", "WatchdogSec=", "Restart"))
    ]  # fmt: skip
    words = " ".join(f'"{word}"' for word in command)
    own = f"[Service]\nType=oneshot\nExecStart={words}\nStandardOutput=truncate:/run/said\n{also}\n"
    machine.write("/etc/systemd/system/look@.service", "\n".join(lines))
    machine.write("/etc/systemd/system/look@.service.d/own.conf", own)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "look@xa", check=False)
    return machine.inside("/run/said").read_text(encoding="utf-8")


def test_three_units_start_and_the_room_reports(machine: Machine) -> None:
    """Each says itself that it is up, and a report has come through all of them."""
    for unit in UNITS:
        machine.wait_for(unit, ActiveState="active", SubState="running")
    wait_until("a report", lambda: last_report(machine) is not None)
    owned = machine.run("stat", "--format=%a %U", "/var/lib/diemcau/point").stdout

    assert owned == "700 xa\n"


def test_a_test_runs_under_the_units(machine: Machine) -> None:
    """Measuring processes, probes in children and their steps back are all let do what they do."""
    said = machine.run(
        "diemcau", "test-line", "--server", "http://127.0.0.1:8080", "--token-file",
        "/srv/diemcau/server/token", "--quick", "--json", check=False,
    )  # fmt: skip
    (point,) = json.loads(said.stdout)["points"]
    found = {device["role"]: (device["status"], device["causes"]) for device in point["devices"]}

    assert min(point["line"][way]["packets_received"] for way in ("up", "down")) > 500
    assert found["main"] == ("ok", [])


@pytest.mark.parametrize("unit", UNITS)
def test_what_is_killed_is_started_anew(machine: Machine, unit: str) -> None:
    """And the room reports through the new one."""
    before, last = int(machine.unit(unit)["NRestarts"]), last_report(machine)
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
    machine.wait_for(unit, NRestarts=str(before + 1), ActiveState="active", SubState="running")

    wait_until("a newer report", lambda: last_report(machine) not in {None, last})


@pytest.mark.parametrize("unit", ["diemcau-server", AGENT])
def test_what_hangs_is_started_anew(machine: Machine, unit: str) -> None:
    """A process that stands still answers nobody and ends by itself never; not after a minute."""
    machine.write(f"/etc/systemd/system/{unit}.service.d/soon.conf", "[Service]\nWatchdogSec=3\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", unit)
    process = machine.unit(unit)["MainPID"]
    machine.run("kill", f"-{signal.SIGSTOP.name}", process)

    machine.wait_for(unit, NRestarts="1", ActiveState="active", SubState="running")
    assert machine.unit(unit)["MainPID"] != process


def test_the_agents_unit_sees_who_holds_the_camera(machine: Machine) -> None:
    """A program of the same user is named; with a user namespace, as others have it, it is not."""
    asked = (
        "/opt/diemcau/bin/python", "-c",
        "from diemcau_agent.probes.holders import *; print(programs_holding(Path('/dev/zero')))",
    )  # fmt: skip
    meeting = machine.start("sh", "-c", "exec sleep 60 < /dev/zero", user="xa")
    try:
        wait_until("the program", lambda: "sleep" in as_the_unit(machine, *asked))
        blind = as_the_unit(machine, *asked, also="PrivateUsers=yes")
    finally:
        meeting.kill()
        meeting.wait()
    assert blind == "None\n"


def test_the_agents_unit_reaches_a_sound_server_that_starts_after_it(machine: Machine) -> None:
    """Where pam_systemd has the session's, without anybody who names it."""
    number = machine.run("id", "--user", "xa").stdout.strip()
    doctor = ("/opt/diemcau/bin/diemcau-agent", "doctor", "--lang", "en",
              "--config", "/var/lib/diemcau/point/agent.yaml")  # fmt: skip
    machine.run("rm", "-rf", f"/run/user/{number}")
    without = as_the_unit(machine, *doctor)
    for folder in (f"/run/user/{number}", f"/run/user/{number}/pulse"):
        machine.run("install", "-d", "-o", "xa", "-m", "700", folder)
    server = machine.start(
        "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
        f"--load=module-native-protocol-unix socket=/run/user/{number}/pulse/native", user="xa",
    )  # fmt: skip
    try:
        wait_until("the socket", machine.inside(f"/run/user/{number}/pulse/native").exists)
        found = as_the_unit(machine, *doctor)
    finally:
        server.kill()
        server.wait()

    assert "this user has no session" in without
    assert f"/run/user/{number}/pulse/native" in found


def test_the_agents_unit_writes_into_the_session_and_nowhere_in_the_home(machine: Machine) -> None:
    """What belongs to a session (settings, sockets), though it was there before the agent."""
    number = machine.run("id", "--user", "xa").stdout.strip()
    machine.run("install", "-d", "-o", "xa", "-m", "700", f"/run/user/{number}")
    session, home = f"/run/user/{number}/settings", "/home/xa/settings"
    for file in (session, home):
        as_the_unit(machine, "/bin/touch", file)

    assert machine.inside(session).exists()
    assert not machine.inside(home).exists()
