"""What ``diemcau init`` writes, and that ``deploy/`` shows the same."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from diemcau_agent.config import load_config as load_agent_config
from diemcau_contract.yaml_text import write_yaml
from diemcau_server.cli import main as command_line
from diemcau_server.config import load_config
from diemcau_server.district.names import id_of, load_names
from diemcau_server.district.papers import Programs, acl, broker_file, unit_files
from diemcau_server.district.secrets import Account

ROOT = Path(__file__).parents[2]
NAMES = ROOT / "config" / "names.yaml"
HERE = Path(sys.executable).parent
UNITS = ("diemcau-server", "diemcau-broker", "diemcau-agent@")
MOST_EXPOSED = 2.0
SHOWN = Programs(
    "/opt/diemcau/bin/diemcau-server", "/opt/diemcau/bin/diemcau-agent", "/usr/sbin/mosquitto"
)


def init(*arguments: str | Path) -> int:
    """Run the command."""
    return command_line.run(["init", *map(str, arguments)])


@pytest.fixture
def district(tmp_path: Path) -> Path:
    """The example district, written."""
    folder = tmp_path / "bu-dang"
    assert init(NAMES, folder, "--lang", "vi") == 0
    return folder


def files_of(folder: Path) -> Iterator[Path]:
    """Every file below ``folder``."""
    return (path for path in folder.rglob("*") if path.is_file())


def test_the_server_and_every_room_can_read_their_files(district: Path) -> None:
    """Each is checked as its program does: keys, references, secrets and their modes."""
    config = load_config(district / "server" / "server.yaml")
    rooms = [load_agent_config(file) for file in sorted(district.glob("agents/*/agent.yaml"))]

    assert [point.id for point in config.hubs[0].points] == ["xa-bom-bo", "dak-nhau", "duc-phong"]
    assert [room.point for room in rooms] == ["dak-nhau", "duc-phong", "xa-bom-bo"]
    assert {room.broker.host for room in rooms} == {"10.20.0.10"}
    assert len({config.broker_password, *(room.broker.password for room in rooms)}) == 4
    assert [device.kind for device in rooms[1].devices] == ["camera", "microphone"]
    assert rooms[1].devices[0].source["format"] == "dshow"


def test_secrets_are_for_their_owner_only_and_stand_nowhere_else(district: Path) -> None:
    """Mode 0600 in folders 0700; no other file, nor a name of a file, holds one."""
    secrets = list(district.rglob("broker-password"))
    words = [file.read_text(encoding="utf-8").strip() for file in secrets]
    grafana = district / "grafana" / "admin-password"
    words.append(grafana.read_text(encoding="utf-8").strip())
    private = [*secrets, grafana, district / "broker" / "passwords", district / "broker" / "acl"]

    assert len(set(words)) == 5
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}
    assert {stat.S_IMODE(file.parent.stat().st_mode) for file in private} == {0o700}
    for file in set(files_of(district)) - {*secrets, grafana}:
        text = file.read_text(encoding="utf-8")
        assert not [word for word in words if word in text], file


def test_a_folder_in_use_is_refused_and_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file in it is enough; exit code 2, nothing written, nothing left beside it."""
    folder = tmp_path / "used"
    folder.mkdir()
    (folder / "thu").write_text("của tôi", encoding="utf-8")

    assert init(NAMES, folder, "--lang", "vi") == 2
    assert "không phải thư mục trống" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
    assert [path.name for path in folder.iterdir()] == ["thu"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    """As the administrator has made it."""
    (tmp_path / "empty").mkdir()

    assert init(NAMES, tmp_path / "empty") == 0
    assert (tmp_path / "empty" / "README.txt").exists()


def test_the_folder_in_which_a_shell_stands_is_filled_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``init NAMES .``, and nothing is written beside it: its parent may be another's."""
    folder = tmp_path / "here"
    folder.mkdir()
    before = folder.stat().st_ino
    monkeypatch.chdir(folder)
    made: list[str] = []
    really_make = tempfile.mkdtemp

    def noted(**more: Any) -> str:
        made.append(str(more["dir"]))
        return str(really_make(**more))

    monkeypatch.setattr(tempfile, "mkdtemp", noted)

    assert init(NAMES, ".") == 0
    assert folder.stat().st_ino == before
    assert made == [str(folder)]
    assert {"README.txt", "server", "agents"} <= {path.name for path in folder.iterdir()}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_taken_folder_that_refuses_midway_is_empty_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was moved into it is taken out again."""
    folder = tmp_path / "here"
    folder.mkdir()
    really_rename = Path.rename
    moved: list[Path] = []

    def refuse(path: Path, target: Path) -> Path:
        if target.parent == folder and len(moved) == 2:
            raise OSError(28, "No space left on device")
        moved.append(target)
        return really_rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)

    assert init(NAMES, folder) == 2
    assert len(moved) > 2
    assert list(folder.iterdir()) == []


def test_a_folder_that_no_disk_takes_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, exit code 2, no traceback; the longest name that there may be is taken."""
    assert init(NAMES, tmp_path / ("n" * 255)) == 0
    assert init(NAMES, tmp_path / ("n" * 256), "--lang", "en") == 2
    assert "cannot be written: " in capsys.readouterr().err


def test_a_folder_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tests run as root, whom no folder refuses: the refusal is made here."""
    folder = tmp_path / "closed"
    folder.mkdir()

    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)

    assert init(NAMES, folder, "--lang", "en") == 2
    assert "cannot be written: Permission denied." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["huyện Bù Đăng", "50%", "a$b", "a'b", 'a"b', "a\\b", "a`b"])
def test_a_folder_that_units_would_misread_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before anything is written; letters with marks are none of it."""
    assert init(NAMES, tmp_path / name / "x", "--lang", "en") == 2
    assert "which systemd reads otherwise; choose another folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert init(NAMES, tmp_path / "Bù-Đăng") == 0


def test_a_rooms_unit_has_the_rooms_own_path(district: Path) -> None:
    """Where this machine has its programs says nothing about a room."""
    (start,) = {
        re.findall(r"(?m)^ExecStart=(.*)$", file.read_text(encoding="utf-8"))[0]
        for file in district.glob("agents/*/diemcau-agent@.service")
    }

    assert start == "/opt/diemcau/bin/diemcau-agent run --config /var/lib/diemcau/point/agent.yaml"
    assert str(district) not in "".join(
        file.read_text(encoding="utf-8") for file in files_of(district / "agents")
    )


def test_what_is_printed_works_in_a_room_and_after_the_files_have_changed_hands(
    district: Path,
) -> None:
    """The room's command stands in the room's folder; what systemd's users own asks for sudo."""
    lines = (district / "README.txt").read_text(encoding="utf-8").splitlines()
    chown = next(number for number, line in enumerate(lines) if "chown" in line)
    commands = [line[4:] for line in lines if line.startswith("    ")]
    later = [line[4:] for line in lines[chown:] if line.startswith("    ")]

    assert "cd ~/diemcau && diemcau-agent run --config agent.yaml" in commands
    assert all(command.startswith("sudo ") for command in later)
    assert [f" {word} " in "\n".join(later) for word in ("doctor", "test-line")] == [True, True]
    assert "sudo -s" not in commands


def test_debians_own_broker_is_ended_before_ours_is_started(district: Path, tmp_path: Path) -> None:
    """Ours could not have its port, and our server would enter one that lets everybody in."""
    end = "    sudo systemctl disable --now mosquitto"
    lines = (district / "README.txt").read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if "-c mosquitto.conf" in line]
    names = tmp_path / "names.yaml"
    text = NAMES.read_text(encoding="utf-8")
    names.write_text(text.replace("broker: 1883", "broker: 1884"), encoding="utf-8")
    assert init(names, tmp_path / "elsewhere") == 0

    assert lines.index(end) < starts[0]
    assert end not in (tmp_path / "elsewhere" / "README.txt").read_text(encoding="utf-8")


def test_what_else_was_written_is_told_with_what_it_is_for(district: Path) -> None:
    """Nobody looks for a password of which nothing is said; each on a line of its own."""
    lines = (district / "README.txt").read_text(encoding="utf-8").splitlines()
    told = [line.removeprefix("- ").split(":")[0] for line in lines if line.startswith("- ")]

    assert told == ["prometheus/", "alertmanager/smtp-password", "grafana/admin-password"]
    assert all((district / name).exists() for name in told)


def test_under_sudo_the_commands_are_said_to_be_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are root's then, and the user's own shell could not enter them."""
    monkeypatch.setenv("SUDO_USER", "huyen")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert init(NAMES, tmp_path / "x") == 0
    assert "    sudo -s\n" in (tmp_path / "x" / "README.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("devices", [{"kind": "camra", "source": {"format": "v4l2", "url": "video0"}}], "kind"),
        ("devices", [{"kind": "camera", "source": {"fmt": "v4l2"}}], "fmt"),
        ("devices", [{"kind": "camera", "source": {"format": "v4l2"}}], "needs a url"),
        ("devices", [{"kind": "speaker", "source": {"format": "lavfi", "url": "x"}}], "use system"),
        ("devices", [{"kind": "speaker", "rol": "main", "source": {"format": "system"}}], "rol"),
        ("devices", [{"kind": "speaker", "source": {"format": "system"}}] * 2, "doubled: speaker"),
        ("ports", {"http": 1023}, "http"),
        ("ports", {"http": 8080, "broker": 8080}, "they must differ"),
        ("ports", {"broker": 8080}, "they must differ"),
    ],
)  # fmt: skip
def test_what_could_not_run_is_refused(
    key: str, value: object, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Devices that no agent takes, ports below 1024, two parts on one port."""
    content = {
        "schema": "diemcau.names/1", "hub": "H", "address": "10.0.0.1", "points": ["A"], key: value,
    }  # fmt: skip
    names = tmp_path / "names.yaml"
    names.write_text(yaml.safe_dump(content), encoding="utf-8")

    assert init(names, tmp_path / "out", "--lang", "en") == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_least_port_and_one_number_for_tcp_and_udp_are_taken(tmp_path: Path) -> None:
    """1024 is the first that needs no right; TCP and UDP are counted apart."""
    content = {
        "schema": "diemcau.names/1", "hub": "H", "address": "10.0.0.1", "points": ["A"],
        "ports": {"http": 1024, "broker": 1883, "measure": 1024},
    }  # fmt: skip
    names = tmp_path / "names.yaml"
    names.write_text(yaml.safe_dump(content), encoding="utf-8")

    assert init(names, tmp_path / "out") == 0


ODD = (
    "10", "007", "1e3", "0x1f", "0b1", "1-0", "No", "On", "True", "Null", "Y", "1", "2026-03-14",
)  # fmt: skip
"""Names whose ids YAML reads as numbers, as yes or no, as nothing, or as a date."""


@pytest.mark.parametrize("hub", ["12", "No", "1e3"])
def test_ids_that_yaml_would_read_as_something_else_stay_text(hub: str, tmp_path: Path) -> None:
    """All of the set is read by the loaders of those who get it; ``hub.point`` is no number."""
    devices = [
        {"kind": "camera", "role": role, "source": {"format": "v4l2", "url": role}}
        for role in ("1e3", "10", "no", "null")
    ]
    content = {
        "schema": "diemcau.names/1", "hub": hub, "address": "10.0.0.1", "points": list(ODD),
        "devices": devices,
    }  # fmt: skip
    names = tmp_path / "names.yaml"
    names.write_text(write_yaml(content), encoding="utf-8")
    assert init(names, tmp_path / "out") == 0
    server = load_config(tmp_path / "out" / "server" / "server.yaml").hubs[0]
    rooms = [load_agent_config(file) for file in tmp_path.glob("out/agents/*/agent.yaml")]

    ids = [name.lower() for name in ODD]
    assert server.id == hub.lower()
    assert [(point.id, point.name) for point in server.points] == list(zip(ids, ODD, strict=True))
    assert {room.hub for room in rooms} == {hub.lower()}
    assert sorted(room.point for room in rooms) == sorted(ids)
    assert {(room.broker.username, room.broker.host) for room in rooms} == {
        (f"{hub.lower()}.{one}", "10.0.0.1") for one in ids
    }
    assert {device.role for device in rooms[0].devices} == {"1e3", "10", "no", "null"}
    assert {device.source["url"] for device in rooms[0].devices} == {"1e3", "10", "no", "null"}


@pytest.mark.parametrize("room_only", [True, False])
def test_rooms_without_devices_are_written_as_such(tmp_path: Path, *, room_only: bool) -> None:
    """Only their lines are looked at: in the whole district, or in one room."""
    points: list[object] = [{"id": "a", "name": "A", **({"devices": []} if room_only else {})}, "B"]
    content = {
        "schema": "diemcau.names/1", "hub": "H", "address": "10.0.0.1", "points": points,
        **({} if room_only else {"devices": []}),
    }  # fmt: skip
    names = tmp_path / "names.yaml"
    names.write_text(yaml.safe_dump(content), encoding="utf-8")

    assert init(names, tmp_path / "out") == 0
    a, b = (load_agent_config(tmp_path / "out" / "agents" / one / "agent.yaml") for one in "ab")
    assert (len(a.devices), len(b.devices)) == ((0, 2) if room_only else (0, 0))


def test_a_speaker_that_no_microphone_of_its_room_hears_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an agent would refuse does not go into its file."""
    names = tmp_path / "names.yaml"
    names.write_text(
        "schema: diemcau.names/1\nhub: H\naddress: 10.0.0.1\npoints:\n"
        "- id: a\n  name: A\n  devices:\n"
        "  - {kind: speaker, source: {format: system}}\n"
        "  - {kind: microphone, role: ceiling, source: {format: system}}\n",
        encoding="utf-8",
    )

    assert init(names, tmp_path / "out", "--lang", "en") == 2
    assert (
        f"{names}:7: points[0].devices: microphone main listens to the speaker, "
        "but there is none of format system" in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_a_disk_that_refuses_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is whole or not there; the sentence names it."""
    really_open = os.open

    def refuse(path: str, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("broker/acl"):
            raise OSError(28, "No space left on device")
        return really_open(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    code = init(NAMES, tmp_path / "full", "--lang", "en")

    assert code == 2
    assert "cannot be written: No space left on device." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_mistakes_among_the_names_are_told_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown key, no address, no such zone, two points of one id: all at once, in one language."""
    names = tmp_path / "names.yaml"
    names.write_text(
        "schema: diemcau.names/1\nhub: {id: h, name: H}\nadress: 10.0.0.1\ntimezone: Mars\n"
        "points: [Xã Bom Bo, {id: xa-bom-bo, name: Khác}]\n",
        encoding="utf-8",
    )
    code = init(names, tmp_path / "out", "--lang", "en")
    told = capsys.readouterr().err

    assert code == 2
    assert f"{names}:3: adress: " in told
    assert ": address: " in told
    assert f"{names}:4: timezone: is no time zone" in told
    assert (
        f"{names}:5: points[1]: the id 'xa-bom-bo' of 'Khác' is also that of 'Xã Bom Bo' on line 5"
    ) in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "vi", "en"),
    [
        ({"points": ["A", "Xã Bom Bo", "xã bóm bò"]},
         "points[2]: mã 'xa-bom-bo' của 'xã bóm bò' trùng với 'Xã Bom Bo' ở dòng 3",
         "points[2]: the id 'xa-bom-bo' of 'xã bóm bò' is also that of 'Xã Bom Bo' on line 3"),
        ({"points": ["–"]},
         "points[0]: tên này không cho ra mã nào (mã chỉ gồm a-z, 0-9); ghi rõ: {id: …, name: …} "
         "(đang là '–')",
         "points[0]: this name gives no id (of a-z and 0-9); write {id: …, name: …} (got '–')"),
        ({"hub": 12},
         "hub: YAML không đọc chữ này là tên; ghi trong dấu nháy kép (đang là 12)",
         "hub: YAML does not read this as a name; write it in double quotes (got 12)"),
        ({"points": [{"id": "a", "name": " "}]},
         "points[0].name: tên phải nằm trên một dòng, đọc được, không có ký tự điều khiển "
         "(đang là ' ')",
         "points[0].name: must be a name that can be read, on one line, without control "
         "characters (got ' ')"),
        ({"points": ["a\ufffe"]}, r"(đang là 'a\ufffe')", r"(got 'a\ufffe')"),
        ({"points": ["a\uffff"]}, r"(đang là 'a\uffff')", r"(got 'a\uffff')"),
        ({"points": ["a\x1b[31m"]}, r"(đang là 'a\x1b[31m')", r"(got 'a\x1b[31m')"),
        ({"address": "a..b"},
         "address: phải là tên máy hay địa chỉ IPv4, không kèm cổng (đang là 'a..b')",
         "address: must be a host name or an IPv4 address, without a port (got 'a..b')"),
        ({"address": "10.0.0.1:1883\x07"}, r"(đang là '10.0.0.1:1883\x07')",
         r"(got '10.0.0.1:1883\x07')"),
        ({"\x1b[1mhub": 1}, r"\x1b[1mhub: không có khóa này", r"\x1b[1mhub: unknown key"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_words_that_steer_no_terminal(
    change: dict[str, object], vi: str, en: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one language, the value escaped; nothing is taken that server or agent would refuse."""
    content = {
        "points": ["A"], "schema": "diemcau.names/1", "hub": "H", "address": "10.0.0.1", **change,
    }  # fmt: skip
    names = tmp_path / "names.yaml"
    names.write_text(write_yaml(content), encoding="utf-8")

    for language, told in (("vi", vi), ("en", en)):
        assert init(names, tmp_path / "out", "--lang", language) == 2
        error = capsys.readouterr().err
        assert told in error
        assert all(line.isprintable() for line in error.splitlines())
        assert "pattern" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line_end", ["\n", "\x85", "\u2028", "\u2029", "\x7f", "\x00"])
def test_a_name_cannot_write_lines_of_its_own(line_end: str, tmp_path: Path) -> None:
    """Names stand in comments of what is written; nothing that YAML ends a line at is taken."""
    content = {
        "schema": "diemcau.names/1", "hub": "Hội trường", "address": "10.0.0.1",
        "points": [{"id": "a", "name": f"A{line_end}broker: evil"}],
    }  # fmt: skip
    names = tmp_path / "names.yaml"
    names.write_text(yaml.safe_dump(content), encoding="utf-8")

    assert init(names, tmp_path / "out") == 2
    content["points"] = [{"id": "a", "name": "A: {$x} #'\" \\ ư"}]
    names.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert init(names, tmp_path / "out") == 0
    config = load_config(tmp_path / "out" / "server" / "server.yaml")
    assert config.hubs[0].points[0].name == "A: {$x} #'\" \\ ư"
    assert config.hubs[0].id == "hoi-truong"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Xã Đak Nhau", "xa-dak-nhau"), ("Xã Đường 10", "xa-duong-10"),
     ("  Thị trấn  Đức Phong. ", "thi-tran-duc-phong"),
     ("X" * 80, "x" * 63), ("–", "")],
)  # fmt: skip
def test_an_id_is_made_of_a_name(name: str, expected: str) -> None:
    """Letters without their marks, everything else one dash."""
    assert id_of(name) == expected


def test_no_point_can_take_the_servers_account() -> None:
    """An account of a point holds a dot, which no id may."""
    names = load_names(NAMES)
    users = re.findall(r"(?m)^user (\S+)$", acl(names))

    assert users[0] == "diemcau-server"
    assert len(set(users)) == len(users) == 4
    assert all("." in user for user in users[1:])


def test_a_password_line_is_one_that_mosquitto_itself_would_write(tmp_path: Path) -> None:
    """The form of mosquitto_passwd, which reads it and changes one user beside it."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto is not installed")
    file = tmp_path / "passwords"
    file.write_text(Account("a.b", "geheim").line() + "\n", encoding="utf-8")
    file.chmod(0o600)
    subprocess.run([program, "-b", file, "c", "x"], check=True, capture_output=True)
    ours, theirs = file.read_text(encoding="utf-8").splitlines()

    form = r"\$7\$101\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}=="
    assert re.fullmatch(rf"a\.b:{form}", ours)
    assert re.fullmatch(rf"c:{form}", theirs)


def test_prometheus_takes_its_file(district: Path) -> None:
    """Checked by promtool itself."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("prometheus is not installed")
    file = district / "prometheus" / "prometheus.yml"
    done = subprocess.run(
        [program, "check", "config", file], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_prometheus_reads_as_the_example_does(district: Path) -> None:
    """One set of intervals, rules and targets, in the example and in what is written.

    What is written calls the server as rooms do, so that links lead there from other machines.
    """
    shown, written = (
        yaml.safe_load((folder / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
        for folder in (ROOT / "deploy", district)
    )

    names = yaml.safe_load((ROOT / "config" / "names.yaml").read_text(encoding="utf-8"))
    (named,) = written["scrape_configs"][0].pop("relabel_configs")
    assert named == {"target_label": "instance", "replacement": f"{names['address']}:8080"}
    assert written == shown


def test_the_rules_that_prometheus_looks_for_are_written_with_its_file(district: Path) -> None:
    """Whole and the same: without them nothing would ever be told, and nobody told of that."""
    shown = {file.name: file.read_bytes() for file in (ROOT / "deploy/prometheus/rules").iterdir()}
    written = {file.name: file.read_bytes() for file in (district / "prometheus/rules").iterdir()}

    assert shown.keys() == {"alerts.yml", "recording.yml"}
    assert written == shown


def test_the_mail_password_has_its_place_outside_the_tree(district: Path) -> None:
    """Empty, the owner's alone, and where Alertmanager may write beside it."""
    home = district / "alertmanager"

    assert (home / "smtp-password").read_bytes() == b""
    assert stat.S_IMODE((home / "smtp-password").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert (home / "data").is_dir()


def test_what_lines_are_judged_by_is_the_examples() -> None:
    """One set of limits with one set of sources, in the example and in what is written."""
    shipped = ROOT / "server" / "diemcau_server" / "district" / "files" / "profiles.yaml"
    example = (ROOT / "config" / "bu-dang.yaml").read_text(encoding="utf-8")

    assert example.endswith(shipped.read_text(encoding="utf-8"))
    assert len(yaml.safe_load(shipped.read_text(encoding="utf-8"))["profiles"]) == 3


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units for programs that are here: systemd-analyze looks for them."""
    folder = tmp_path / "units"
    folder.mkdir()
    programs = Programs(str(HERE / "diemcau-server"), str(HERE / "diemcau-agent"), "/bin/true")
    for name, text in unit_files(Path("/srv/diemcau"), programs).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_valid_and_exposes_little(name: str, units: Path) -> None:
    """By systemd's own judgement, of 10; nothing that it does not know."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = units / f"{name}.service"
    if name.endswith("@"):
        # Started for somebody: a template alone is no unit.
        unit = unit.with_name(f"{name}daemon.service")
        shutil.copy(units / f"{name}.service", unit)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (verified.returncode, verified.stderr) == (0, "")
    (exposed,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert float(exposed) <= MOST_EXPOSED


def test_the_agents_unit_lets_it_see_who_holds_the_camera() -> None:
    """From a user namespace of its own no other program's open files can be read."""
    units = unit_files(Path("/srv/diemcau"), SHOWN)

    assert "\nPrivateUsers=" not in units["diemcau-agent@.service"]
    assert "\nPrivateUsers=" in units["diemcau-server.service"]


def test_a_home_stays_visible_to_what_lives_in_it() -> None:
    """A district or a program in a home would not start behind ProtectHome=yes."""
    at_home = unit_files(Path("/home/huyen/diemcau"), SHOWN)["diemcau-server.service"]
    elsewhere = unit_files(Path("/srv/diemcau"), SHOWN)["diemcau-server.service"]

    assert "\nProtectHome=read-only\n" in at_home
    assert "\nProtectHome=yes\n" in elsewhere


def test_deploy_shows_what_init_writes() -> None:
    """The files to read before one runs anything are those that are written."""
    names = load_names(NAMES)
    expected = {
        **{
            f"systemd/{name}": text
            for name, text in unit_files(Path("/srv/diemcau"), SHOWN).items()
        },
        "mosquitto/mosquitto.conf": broker_file(names),
        "mosquitto/acl": acl(names),
    }

    for name, text in expected.items():
        assert (ROOT / "deploy" / name).read_text(encoding="utf-8") == text, name
