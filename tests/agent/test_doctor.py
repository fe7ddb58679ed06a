"""What ``diemcau-agent doctor`` finds missing, and the command that it names."""

import ctypes.util
import importlib.util
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diemcau_agent import doctor as doctor_module
from diemcau_agent import pcneeds
from diemcau_agent.__main__ import main
from diemcau_agent.doctor import agent_needs, sight_needs
from diemcau_agent.linkfaults import LinkFault, LinkProblem
from diemcau_agent.pcneeds import linux_needs, modules_need, windows_needs
from diemcau_agent.statusfile import (
    LineStatus,
    LinkStatus,
    OutboxStatus,
    Sentence,
)
from diemcau_contract.needs import Need, acl_need, clock_need
from tests.agent.hubs import agent_config
from tests.agent.probes import trees
from tests.agent.probes.peers.pulse import private_pulse
from tests.agent.probes.test_inventory import STORE, FakeRegistry
from tests.agent.processes import write_config
from tests.agent.statuses import NOW, STAMP, room
from tests.brokers import Mosquitto, mosquitto_program
from tests.privileges import run_bound_by_modes


def by_key(needs: object) -> dict[str, Need]:
    """Return needs by their key."""
    return {need.key: need for need in needs}  # type: ignore[attr-defined]  # any iterable of them


def doctor(capsys: pytest.CaptureFixture[str], config: Path, *more: str) -> tuple[object, str]:
    """Run the command; return its exit code and text."""
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--config", str(config), *more])
    return left.value.code, capsys.readouterr().out


def test_a_pc_in_order_lacks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers bound, cameras open to us, a sound server that answers, its libraries there."""
    trees.camera(tmp_path, "Rally", usb_id="046d:0825")
    trees.write(tmp_path, "sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "0e\n")
    (tmp_path / "sys/bus/usb/devices/1-1:1.0/driver").symlink_to(tmp_path)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: f"lib{name}.so.2")
    with private_pulse(tmp_path, monkeypatch):
        needs = by_key(linux_needs(tmp_path, os.environ, with_sound=True))

    assert set(needs) == {"drivers", "video", "sound", "pulse"}
    assert all(need.there for need in needs.values()), needs


def test_each_lack_of_a_linux_pc_has_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No driver, no right to camera and sound, no sound server, no library."""
    trees.camera(tmp_path, "Rally", usb_id="046d:0825")
    trees.sound_card(tmp_path, 1, "Jabra")
    trees.write(tmp_path, "sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "0e\n")
    # Tests run as root, whom no file refuses.
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    monkeypatch.setattr(pcneeds, "user_name", lambda: "xa")
    session = {"XDG_RUNTIME_DIR": str(tmp_path)}
    needs = by_key(linux_needs(tmp_path, session, with_sound=True))

    assert not any(need.there for need in needs.values())
    assert {key: need.mend for key, need in needs.items()} == {
        "drivers": "sudo modprobe uvcvideo",
        "video": "sudo usermod -aG video xa",
        "sound": "systemctl --user restart pipewire-pulse.service || pulseaudio --start",
        "audio": "sudo usermod -aG audio xa",
        "pulse": "sudo apt install libpulse0",
    }
    assert needs["video"].detail.en == "video0, video1"


def test_outside_of_a_session_it_says_so(tmp_path: Path) -> None:
    """Without one there is no sound: the user's session must outlive the login."""
    for session in ({}, {"XDG_RUNTIME_DIR": str(tmp_path / "gone")}):
        need = by_key(linux_needs(tmp_path, session, with_sound=True))["sound"]

        assert need.there is False
        assert need.mend.startswith("sudo loginctl enable-linger ")
    other = {"PULSE_SERVER": "tcp:10.0.0.9"}
    assert by_key(linux_needs(tmp_path, other, with_sound=True))["sound"].there is None


def test_a_room_without_sound_needs_none_of_it(tmp_path: Path) -> None:
    """Only what the file names is asked for."""
    assert set(by_key(linux_needs(tmp_path, {}, with_sound=False))) == {"drivers", "video"}


def test_a_room_of_which_nothing_is_known_lacks_no_sound(tmp_path: Path) -> None:
    """Its file cannot be read: what is there is said, what is not may not be needed."""
    needs = by_key(linux_needs(tmp_path, {}, with_sound=None))

    assert {"sound", "audio", "pulse"} <= needs.keys()
    assert needs["sound"].there is None
    assert needs["sound"].detail.en == "not known whether this room has sound"
    assert not any(need.there is False for need in needs.values())


def test_under_sudo_the_user_who_called_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's own groups and session are of no use; `sudo -u USER` is that user's."""
    monkeypatch.setenv("SUDO_USER", "xa")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert pcneeds.user_name() == "xa"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("LOGNAME", "phong")
    assert pcneeds.user_name() == "phong"


def test_paths_in_commands_are_one_word(tmp_path: Path) -> None:
    """Whatever the folder is called, the command is about it and nothing else."""
    state = tmp_path / "phòng họp; reboot"
    state.write_text("a file in the place of the folder", encoding="utf-8")
    config = agent_config(tmp_path, 1883, file=tmp_path / "a b.yaml", state_directory=state)
    refused = LinkProblem(LinkFault.LOGIN_REFUSED, config.broker, "")
    needs = (doctor_module._state_need(config), doctor_module._login_need(config, refused))

    assert [shlex.split(need.mend)[-1] for need in needs] == [str(state), str(config.file)]


def test_a_windows_pc() -> None:
    """Privacy switches, and session 0, which has neither camera nor sound."""
    registry = FakeRegistry()
    registry.set("HKCU", rf"{STORE}\microphone", "Value", "Deny")
    needs = by_key(windows_needs(registry, 0, Path("/xa/agent.yaml")))

    assert needs["privacy_webcam"].there is True
    assert needs["privacy_microphone"].there is False
    assert needs["privacy_microphone"].mend == "start ms-settings:privacy-microphone"
    assert needs["session"].there is False
    assert needs["session"].mend == (
        'schtasks /create /tn diemcau-agent /sc onlogon /rl limited /tr "diemcau-agent run '
        '--config /xa/agent.yaml"'
    )
    assert by_key(windows_needs(registry, 2))["session"].there is True


@pytest.mark.parametrize(
    ("windows", "missing", "mend"),
    [
        (True, "pycaw", 'pip install "diemcau[agent]"'),
        (True, "sounddevice", 'pip install "diemcau[agent]"'),
        (False, "pulsectl", "pip install 'diemcau[agent]'"),
    ],
)
def test_the_libraries_of_each_system_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, *, windows: bool, missing: str, mend: str
) -> None:
    """Mute and volume on Windows come from pycaw: without it no microphone is judged."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != missing or None)
    need = modules_need(windows=windows)

    assert (need.there, need.detail.en, need.mend) == (False, missing, mend)
    assert modules_need(windows=not windows).there is True


@pytest.mark.parametrize("fault", [LinkFault.UNKNOWN_HOST, LinkFault.NOT_LISTENING])
def test_commands_of_one_system_are_not_printed_on_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: LinkFault
) -> None:
    """Nobody at a Windows PC can do anything with sudo, getent or nc."""
    (tmp_path / "state").write_text("a file in the place of the folder", encoding="utf-8")
    config = agent_config(tmp_path, 1883, state_directory=tmp_path / "state")
    problem = LinkProblem(fault, config.broker, "")

    def mends() -> list[str]:
        needs = (doctor_module._state_need(config), doctor_module._login_need(config, problem))
        return [need.mend.split()[0] for need in needs]

    monkeypatch.setattr(doctor_module, "_WINDOWS", False)
    assert mends() == ["sudo", "getent" if fault is LinkFault.UNKNOWN_HOST else "nc"]
    monkeypatch.setattr(doctor_module, "_WINDOWS", True)
    unknown = fault is LinkFault.UNKNOWN_HOST
    assert mends() == ["mkdir", "nslookup" if unknown else "Test-NetConnection"]


@pytest.mark.parametrize(("received", "there"), [(60, True), (1, True), (0, False)])
def test_udp_is_judged_by_what_came_back(received: int, *, there: bool) -> None:
    """The running agent's own light flow tells; the port stands in the command."""
    statistics = replace(STAMP, packets_received=received)
    line = LineStatus(port=8620, statistics=statistics, measured_at=NOW)
    needs = by_key(agent_needs(room(line=line)))

    assert needs["agent"].there is True
    assert needs["udp"].there is there
    assert "8620/udp" in needs["udp"].mend


def test_without_a_running_agent_udp_cannot_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not PASS, not FAIL: and the command that starts it."""
    monkeypatch.setattr(doctor_module, "user_name", lambda: "xa")
    for status in (None, room(stopped=True)):
        needs = by_key(agent_needs(status))
        assert (needs["agent"].there, needs["udp"].there) == (False, None)
        assert needs["agent"].mend == "sudo systemctl start diemcau-agent@xa"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("namespaces", "there"), [((1, 1), True), ((1, 2), False), ((1, None), None)]
)
def test_an_agent_in_its_own_user_namespace_is_blind(
    tmp_path: Path, *, namespaces: tuple[int, int | None], there: bool | None
) -> None:
    """Doctor runs outside of the unit: it is the running agent's namespace that counts."""
    status = room()
    for process, number in zip(("self", status.process_id), namespaces, strict=True):
        (tmp_path / str(process) / "ns").mkdir(parents=True)
        if number is not None:
            (tmp_path / str(process) / "ns" / "user").symlink_to(f"user:[{number}]")
    (need,) = sight_needs(status, tmp_path)

    assert need.there is there
    assert list(sight_needs(None)) == []


ONE_KEPT = OutboxStatus(messages=1, oldest_age_seconds=5, dropped_total=0, in_memory=0)
REFUSED = LinkStatus(connected=False, problem=Sentence(vi="không trả lời", en="no answer"))


@pytest.mark.parametrize(
    ("told", "there"),
    [
        (None, None),
        ({}, None),
        ({"reports": 1, "outbox": ONE_KEPT}, None),
        ({"reports": 2, "outbox": ONE_KEPT}, True),
        ({"reports": 2, "stopped": True}, None),
        ({"reports": 2, "link": REFUSED}, False),
    ],
)
def test_that_the_hub_acknowledges_is_known_by_what_has_left_the_outbox(
    told: dict[str, Any] | None, *, there: bool | None
) -> None:
    """A session proves nothing: a broker keeps messages back in silence."""
    # A status ages: it is made when the test runs.
    need = by_key(agent_needs(None if told is None else room(**told)))["hub"]

    assert need.there is there
    if there is False:
        assert need.detail.en == "no answer"
        assert "acl_file" in need.advice.vi


def test_an_account_that_the_hub_answers_is_judged_by_its_silence() -> None:
    """What is forbidden did not come, what is allowed did."""
    assert acl_need(heard=False, hears=True, topic="t").there is True
    assert acl_need(heard=False, hears=False, topic="t").there is None
    assert acl_need(heard=True, hears=False, topic="t").there is False


def test_a_clock_that_nothing_keeps() -> None:
    """False is missing, None is not known."""
    assert clock_need(synchronised=False).mend == "sudo timedatectl set-ntp true"
    assert clock_need(synchronised=None).there is None


def test_the_broker_is_really_entered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the right password PASS, with a wrong one FAIL and what to check; no name is taken."""
    program = mosquitto_program()
    if program is None:
        pytest.skip("mosquitto is not installed")
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "bom-bo", "right"],
        check=True, capture_output=True,
    )  # fmt: skip
    rules = ("allow_anonymous false", f"password_file {passwords}", "user root")
    broker = Mosquitto(program, tmp_path, rules)
    broker.start()
    try:
        results = {}
        for word in ("right", "wrong"):
            secret = tmp_path / "secret"
            secret.write_text(word, encoding="utf-8")
            secret.chmod(0o600)
            config = tmp_path / "agent.yaml"
            config.write_text(
                "schema: diemcau.agent/1\nhub: bu-dang\npoint: bom-bo\nstate_directory: state\n"
                f"broker: {{url: '{broker.url}', username: bom-bo, password_file: secret}}\n",
                encoding="utf-8",
            )
            _, text = doctor(capsys, config, "--lang", "vi")
            results[word] = next(line for line in text.splitlines() if "MQTT" in line)
    finally:
        broker.stop()

    assert results["right"] == "PASS  Đăng nhập máy chủ MQTT"
    assert results["wrong"].startswith("FAIL  Đăng nhập máy chủ MQTT: ")
    assert "password_file" in results["wrong"]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("rule", "result"),
    [
        ("topic readwrite diemcau/#", "fail"),
        # Nothing says yet that this account hears anything: silence is no proof.
        ("topic read diemcau/v1/bu-dang/bom-bo/down/+", "unknown"),
    ],
)
def test_a_broker_that_lets_a_room_speak_for_the_hub_is_caught_at_it(
    rule: str, result: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What only the hub may say is said, and must not come back."""
    program = mosquitto_program()
    if program is None:
        pytest.skip("mosquitto is not installed")
    rules = tmp_path / "acl"
    rules.write_text(f"{rule}\n", encoding="utf-8")
    broker = Mosquitto(
        program, tmp_path, ("allow_anonymous true", f"acl_file {rules}", "user root")
    )
    broker.start()
    try:
        _, text = doctor(capsys, write_config(tmp_path, broker.port), "--json")
    finally:
        broker.stop()
    results = {need["key"]: need["result"] for need in json.loads(text)["needs"]}

    assert (results["broker"], results["loop"], results["broker_acl"]) == ("pass", "pass", result)


def test_a_file_that_cannot_be_used_is_the_first_thing_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The PC is looked at all the same; exit code 1, no traceback."""
    config = tmp_path / "agent.yaml"
    config.write_text("schema: diemcau.agent/1\nhub: bu-dang\n", encoding="utf-8")
    code, text = doctor(capsys, config, "--lang", "en")

    assert code == 1
    assert text.startswith("FAIL  The agent's file: the configuration has ")
    assert "PASS  Python libraries" in text
    assert "FAIL  The session's sound service" not in text


def test_for_programs_it_tells_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document with keys and results; a broker that does not listen fails."""
    code, text = doctor(capsys, write_config(tmp_path, 1), "--json")
    document = json.loads(text)
    results = {need["key"]: need["result"] for need in document["needs"]}

    assert code == 1
    assert document["schema"] == "diemcau.agent_doctor/1"
    assert (results["config"], results["state"], results["broker"]) == ("pass", "pass", "fail")
    assert results["udp"] == "unknown"
    assert all(need["mend"] for need in document["needs"] if need["result"] == "fail")


def test_a_closed_state_folder_is_a_lack_and_no_fault_of_ours(tmp_path: Path) -> None:
    """What lies in a folder that we may not enter cannot even be looked for: FAIL, and go on."""
    closed = tmp_path / "closed"
    (closed / "state").mkdir(parents=True)
    file = write_config(tmp_path, 9)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("state_directory: state", f"state_directory: {closed}/state"))
    closed.chmod(0)
    try:
        code, out, err = run_bound_by_modes(
            "diemcau_agent", "doctor", "--config", str(file), "--json"
        )
    finally:
        closed.chmod(0o700)

    assert (code, err) == (1, "")
    needs = {need["key"]: need for need in json.loads(out)["needs"]}
    assert needs["state"]["result"] == "fail"
    assert "Permission denied" in needs["state"]["detail"]["en"]
    assert {"disk", "broker", "agent"} <= needs.keys()


def test_a_file_that_cannot_be_used_is_named_in_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that was asked for, not one that is called the same."""
    file = tmp_path / "phòng họp.yaml"
    _, out = doctor(capsys, file, "--json")

    need = next(one for one in json.loads(out)["needs"] if one["key"] == "config")
    assert need["mend"] == f"diemcau-agent run --check-only --config '{file}'"
