import shutil
import sys
from pathlib import Path

import pytest

from diemcau_agent.__main__ import main
from diemcau_agent.config import load_config
from diemcau_agent.errors import ConfigError
from diemcau_contract.causes import Language, Text
from tests.privileges import make_unreadable, run_bound_by_modes

ROOT = Path(__file__).parents[2]
BAD = Path(__file__).parent / "bad"
EVERYTHING = [
    "1: schema: must be 'diemcau.agent/1' (got 'diemcau.agent/2')",
    "2: hub: not an id; use a-z, 0-9 and '-', at most 63 characters (got 'Bu Dang')",
    "4: point: key given twice (first on line 3); keep one",
    "6: broker.url: must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT] (got 'http://127.0.0.1:1883')",
    "7: broker.usrname: unknown key; did you mean 'username'?",
    "8: state_directory: must have at least 1 character(s) (got '')",
    "9: language: must be 'vi' or 'en' (got 'fr')",
    "10: opening_allowed: must be true or false (got 'maybe')",
    "12: measure.address: must be HOST:PORT, the port 1 to 65535 (got 'hub-without-port')",
    "14: devices[0].kind: must be 'codec', 'display', 'camera', 'microphone' or 'speaker' "
    "(got 'screen')",
    "17: devices[1].source: format v4l2 is none of a microphone; use system or lavfi",
    "20: devices[2].source: a source of format v4l2 needs a url",
    "21: devices[2].width: must be at least 16 (got 9)",
    "22: devices[2].frames_per_second: must be at most 120 (got 500)",
]
EVERYTHING_IN_VIETNAMESE = [
    "1: schema: phải là 'diemcau.agent/1' (đang là 'diemcau.agent/2')",
    "2: hub: không phải mã hợp lệ; chỉ dùng a-z, 0-9 và '-', nhiều nhất 63 ký tự "
    "(đang là 'Bu Dang')",
    "4: point: khóa bị ghi hai lần (lần đầu ở dòng 3); chỉ giữ một",
    "6: broker.url: phải là mqtt://HOST[:PORT] hoặc mqtts://HOST[:PORT] "
    "(đang là 'http://127.0.0.1:1883')",
    "7: broker.usrname: không có khóa này; có phải ý bạn là 'username'?",
    "8: state_directory: phải có ít nhất 1 ký tự (đang là '')",
    "9: language: phải là 'vi' hoặc 'en' (đang là 'fr')",
    "10: opening_allowed: phải là true hoặc false (đang là 'maybe')",
    "12: measure.address: phải là HOST:PORT, cổng từ 1 đến 65535 (đang là 'hub-without-port')",
    "14: devices[0].kind: phải là 'codec', 'display', 'camera', 'microphone' hoặc 'speaker' "
    "(đang là 'screen')",
    "17: devices[1].source: microphone không có dạng v4l2; dùng system hoặc lavfi",
    "20: devices[2].source: nguồn dạng v4l2 cần có url",
    "21: devices[2].width: không được nhỏ hơn 16 (đang là 9)",
    "22: devices[2].frames_per_second: không được lớn hơn 120 (đang là 500)",
]


def problems_of(file: Path, language: Language = "en") -> list[str]:
    """Return the problems without the folder of the file."""
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    said = [problem.in_language(language) for problem in caught.value.problems]
    return [line.replace(f"{file.parent}/", "") for line in said]


def good_file(folder: Path, broker: str) -> Path:
    """Write a short agent's file."""
    file = folder / "agent.yaml"
    file.write_text(
        "schema: diemcau.agent/1\nhub: bu-dang\npoint: bom-bo\n"
        f"broker: {broker}\nstate_directory: state\n",
        encoding="utf-8",
    )
    return file


def test_the_example_loads() -> None:
    """config/agent.yaml is valid, and its paths start at its own folder."""
    config = load_config(ROOT / "config" / "agent.yaml")
    assert (config.hub, config.point) == ("bu-dang", "bom-bo")
    assert config.state_directory == ROOT / "config" / "state"
    formats = [device.source["format"] for device in config.devices]
    assert formats == ["system", "v4l2", "system", "system"]


@pytest.mark.parametrize(
    ("language", "rows"), [("en", EVERYTHING), ("vi", EVERYTHING_IN_VIETNAMESE)]
)
def test_all_mistakes_are_listed_with_their_lines(language: Language, rows: list[str]) -> None:
    """One run names every mistake, where it stands and what is allowed."""
    expected = [f"everything.yaml:{row}" for row in rows]
    assert problems_of(BAD / "everything.yaml", language) == expected


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    """A login in broker.url is a mistake, and the message does not show it."""
    assert problems_of(BAD / "login_in_url.yaml") == [
        "login_in_url.yaml:4: broker.url: must not hold a login; use username and password_file "
        "(got 'mqtt://***@127.0.0.1')",
        "login_in_url.yaml:4: broker.password_file: needs a username beside it (got 'nowhere')",
        "login_in_url.yaml:4: broker.password_file: nowhere cannot be read: "
        "No such file or directory",
    ]
    assert problems_of(BAD / "login_in_url.yaml", "vi") == [
        "login_in_url.yaml:4: broker.url: không được chứa tài khoản; dùng username và "
        "password_file (đang là 'mqtt://***@127.0.0.1')",
        "login_in_url.yaml:4: broker.password_file: cần có username đi kèm (đang là 'nowhere')",
        "login_in_url.yaml:4: broker.password_file: nowhere không đọc được: không có tệp này",
    ]


@pytest.mark.parametrize(
    ("broker", "vi", "en"),
    [
        ("{url: 'mqtt://h:99999'}",
         "không phải URL hợp lệ, như mqtt://HOST[:PORT] với cổng từ 1 đến 65535 "
         "(đang là 'mqtt://h:99999')",
         "is not a URL such as mqtt://HOST[:PORT] with a port of 1 to 65535 "
         "(got 'mqtt://h:99999')"),
        ("{url: 'mqtt://h/a'}",
         "chỉ được gồm mqtt:// hoặc mqtts://, tên máy và cổng (1 đến 65535) "
         "(đang là 'mqtt://h/a')",
         "must hold nothing but scheme, host and port (1 to 65535) (got 'mqtt://h/a')"),
        ("{url: 'mqtt://h', ca_file: authority.pem}",
         "chỉ dùng với mqtts:// (đang là 'authority.pem')",
         "is of use with mqtts:// only (got 'authority.pem')"),
        ("{url: 'mqtts://h', ca_file: agent.yaml}",
         "{folder}/agent.yaml không chứa chứng chỉ PEM nào dùng được",
         "{folder}/agent.yaml holds no usable PEM certificate"),
    ],
)  # fmt: skip
def test_a_broker_that_cannot_be(broker: str, vi: str, en: str, tmp_path: Path) -> None:
    """Each mistake in the broker's section is told in both languages."""
    file = good_file(tmp_path, broker)
    shutil.copy(ROOT / "tests" / "authority.pem", tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    told = Text(vi.replace("{folder}", str(tmp_path)), en.replace("{folder}", str(tmp_path)))
    assert [problem.what for problem in caught.value.problems] == [told]


def test_what_is_asked_of_a_microphone(tmp_path: Path) -> None:
    """A picture's size at a microphone is a mistake."""
    file = good_file(tmp_path, "{url: 'mqtt://h'}")
    with file.open("a", encoding="utf-8") as more:
        more.write("devices:\n- {kind: microphone, source: {format: system}, width: 640}\n")
    assert problems_of(file) == [
        "agent.yaml:7: devices[0].width: is asked of cameras only (got 640)"
    ]
    assert problems_of(file, "vi") == [
        "agent.yaml:7: devices[0].width: chỉ dùng cho camera (đang là 640)"
    ]


def test_doubled_devices_are_named() -> None:
    """Two devices of one kind and role cannot be told apart."""
    (problem,) = problems_of(BAD / "doubled_device.yaml")
    assert problem == (
        "doubled_device.yaml:6: devices: each kind and role once; doubled: camera main"
    )
    assert problems_of(BAD / "doubled_device.yaml", "vi") == [
        "doubled_device.yaml:6: devices: mỗi loại và vai trò chỉ ghi một lần; bị trùng: camera main"
    ]


def test_a_file_that_is_no_yaml() -> None:
    """A syntax error is one problem with its line."""
    (problem,) = problems_of(BAD / "not_yaml.yaml")
    assert problem.startswith("not_yaml.yaml:3: not valid YAML: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is said to be missing."""
    assert problems_of(tmp_path / "none.yaml") == [
        "none.yaml: cannot be read: No such file or directory"
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_a_secret_open_to_others_is_refused(tmp_path: Path) -> None:
    """A password file that others may read is refused with the command that mends it."""
    secret = tmp_path / "password"
    secret.write_text("geheim\n", encoding="utf-8")
    secret.chmod(0o640)
    file = good_file(
        tmp_path, "{url: 'mqtt://127.0.0.1', username: bom-bo, password_file: password}"
    )
    (problem,) = problems_of(file)
    assert problem == (
        "agent.yaml:4: broker.password_file: password is open to others (mode 0640); "
        "only its owner may read it: chmod 600 password"
    )
    assert problems_of(file, "vi") == [
        "agent.yaml:4: broker.password_file: password đang cho người khác đọc (quyền 0640); "
        "chỉ chủ tệp được đọc: chmod 600 password"
    ]
    secret.chmod(0o600)
    assert load_config(file).broker.password == "geheim"  # noqa: S105  # made up
    assert "geheim" not in repr(load_config(file))


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    """A password file without a password is told with what to do."""
    (tmp_path / "password").touch(0o600)
    file = good_file(tmp_path, "{url: 'mqtt://h', username: bom-bo, password_file: password}")
    assert problems_of(file) == [
        "agent.yaml:4: broker.password_file: password is empty; "
        "write the password on its first line"
    ]
    assert problems_of(file, "vi") == [
        "agent.yaml:4: broker.password_file: password đang trống; ghi mật khẩu vào dòng đầu"
    ]


def test_a_secret_that_is_no_text_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    """A password file in another encoding is told like every other mistake."""
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_bytes(b"\xff")
    file = good_file(tmp_path, "{url: 'mqtt://h', username: bom-bo, password_file: password}")
    assert problems_of(file) == [
        "agent.yaml:4: broker.password_file: password cannot be read: not UTF-8 text"
    ]


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A password file that is not there is a problem of its own line."""
    file = good_file(tmp_path, "{url: 'mqtt://127.0.0.1', username: a, password_file: none}")
    assert problems_of(file) == [
        "agent.yaml:4: broker.password_file: none cannot be read: No such file or directory"
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
@pytest.mark.parametrize(
    ("how", "language", "said"),
    [
        ("closed", "vi", "không đọc được: không có quyền đọc"),
        ("closed", "en", "cannot be read: Permission denied"),
        ("folder", "vi", "không đọc được: đây là thư mục"),
        ("folder", "en", "cannot be read: Is a directory"),
    ],
)
def test_a_secret_that_may_not_be_read_ends_the_agent(
    how: str, language: str, said: str, tmp_path: Path
) -> None:
    """The system's refusal is one problem with line and key; exit code 2."""
    secret = tmp_path / "password"
    make_unreadable(secret, how)
    file = good_file(tmp_path, "{url: 'mqtt://h', username: bom-bo, password_file: password}")
    ended = run_bound_by_modes(
        "diemcau_agent", "run", "--log", "text", "--config", str(file), "--lang", language
    )
    headline = {
        "vi": "lỗi: tệp cấu hình có 1 lỗi:",
        "en": "error: the configuration has 1 problem:",
    }[language]
    assert ended == (2, "", f"{headline}\n  {file}:4: broker.password_file: {secret} {said}\n")


@pytest.mark.parametrize(
    ("arguments", "locale", "told"),
    [
        ([], "C.UTF-8", ["lỗi: tệp cấu hình có 14 lỗi:", *EVERYTHING_IN_VIETNAMESE]),
        (["--lang", "en"], "", ["error: the configuration has 14 problems:", *EVERYTHING]),
        ([], "en_US.UTF-8", ["error: the configuration has 14 problems:", *EVERYTHING]),
    ],
)
@pytest.mark.parametrize(
    "command", [["run", "--log", "text"], ["run", "--check-only"], ["check"], ["status"]]
)
def test_each_command_says_it_and_exits_with_2(
    command: list[str],
    arguments: list[str],
    locale: str,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The problems are listed in the language asked for, Vietnamese by default; exit code 2."""
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", locale)
    file = BAD / "everything.yaml"
    with pytest.raises(SystemExit) as left:
        main([*command, "--config", str(file), *arguments])
    assert left.value.code == 2
    headline, *rows = told
    expected = [headline, *(f"  {file}:{row}" for row in rows)]
    assert capsys.readouterr().err.splitlines() == expected


def test_check_only_says_that_a_good_file_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    """Run --check-only on the example exits with 0."""
    with pytest.raises(SystemExit) as left:
        main(["run", "--config", str(ROOT / "config" / "agent.yaml"), "--check-only"])
    assert left.value.code == 0
    says = {"cấu hình hợp lệ\n", "the configuration is valid\n"}
    assert capsys.readouterr().out in says


EQUIPMENT = """devices:
- kind: camera
  source: {format: lavfi, url: testsrc2}
- kind: display
  input: "31"
  source: {format: pjlink, url: "pjlink://10.20.1.50:4353", password_file: projector.pass}
- kind: codec
  source: {format: sip, url: "sip://10.20.1.40?transport=tcp"}
- kind: codec
  role: status
  source: {format: xapi, url: "http://10.20.1.40", username: auditor, password_file: codec.pass}
"""


def test_equipment_is_told_its_logins_and_comes_in_the_handbooks_order(tmp_path: Path) -> None:
    """Passwords come from files of their own; set, picture, sound; no password in a repr."""
    file = good_file(tmp_path, "{url: 'mqtt://127.0.0.1'}")
    file.write_text(file.read_text(encoding="utf-8") + EQUIPMENT, encoding="utf-8")
    for name in ("projector", "codec"):
        secret = tmp_path / f"{name}.pass"
        secret.write_text(f"{name} word\n", encoding="utf-8")
        secret.chmod(0o600)

    config = load_config(file)

    assert [(one.kind, one.role) for one in config.devices] == [
        ("codec", "main"), ("codec", "status"), ("display", "main"), ("camera", "main"),
    ]  # fmt: skip
    assert config.devices[1].source == {
        "format": "xapi", "url": "http://10.20.1.40", "username": "auditor",
        "password": "codec word",
    }  # fmt: skip
    assert config.devices[2].source == {
        "format": "pjlink", "url": "pjlink://10.20.1.50:4353", "password": "projector word",
        "input": "31",
    }  # fmt: skip
    assert "word" not in repr(config)


BAD_EQUIPMENT = """devices:
- kind: display
  source: {format: pjlink, url: "10.20.1.50"}
- kind: codec
  source: {format: sip, url: "sip://admin:secret@10.20.1.40"}
- kind: codec
  role: b
  source:
    format: h323
    url: h323://10.20.1.40
    username: admin
- kind: display
  role: b
  source: {format: system}
  input: "31"
- kind: codec
  role: c
  source:
    format: xapi
    url: ftp://10.20.1.40
    password_file: nowhere.pass
"""


def test_mistakes_of_equipment_are_told_without_its_logins(tmp_path: Path) -> None:
    """Address, login and input each say what is allowed; a secret is never repeated."""
    file = good_file(tmp_path, "{url: 'mqtt://127.0.0.1'}")
    file.write_text(file.read_text(encoding="utf-8") + BAD_EQUIPMENT, encoding="utf-8")

    told = problems_of(file)

    assert told == [
        "agent.yaml:8: devices[0].source.url: must be pjlink://HOST[:PORT], without a login; "
        "HOST is one host name or IP address (got '10.20.1.50')",
        "agent.yaml:10: devices[1].source.url: must be sip://HOST[:PORT], without a login; "
        "HOST is one host name or IP address (got 'sip://***@10.20.1.40')",
        "agent.yaml:16: devices[2].source.username: is of use with format xapi or rtsp only "
        "(got 'admin')",
        "agent.yaml:20: devices[3].input: is asked of projectors (pjlink) only (got '31')",
        "agent.yaml:25: devices[4].source.url: must be http://HOST[:PORT] | https://HOST[:PORT], "
        "without a login; HOST is one host name or IP address (got 'ftp://10.20.1.40')",
        "agent.yaml:26: devices[4].source.password_file: nowhere.pass cannot be read: "
        "No such file or directory",
    ]


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("a: &a [*a]", "vi", "1: sai cú pháp YAML: giá trị chứa chính nó"),
        ("a: &a [*a]", "en", "1: not valid YAML: a value contains itself"),
        ("[" * 5000, "vi", "1: sai cú pháp YAML: các giá trị lồng nhau sâu quá 50 cấp"),
        ("[" * 5000, "en", "1: not valid YAML: values are nested more than 50 levels deep"),
    ],
)
@pytest.mark.parametrize(
    "command", [["run", "--log", "text"], ["run", "--check-only"], ["check"], ["status"]]
)
def test_values_without_end_are_a_problem_of_the_file(
    command: list[str],
    text: str,
    language: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They are refused with their line, and are no fault of the program; exit code 2."""
    file = tmp_path / "agent.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main([*command, "--config", str(file), "--lang", language])
    assert left.value.code == 2
    assert capsys.readouterr().err.splitlines()[1:] == [f"  {file}:{said}"]


def network_camera_file(folder: Path, source: str) -> Path:
    """Write an agent's file with one camera, and a password file beside it."""
    secret = folder / "camera.pass"
    secret.touch(0o600)
    secret.write_text("Admin@123\n", encoding="utf-8")
    file = good_file(folder, "{url: 'mqtt://127.0.0.1'}")
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}devices: [{{kind: camera, source: {source}}}]\n", encoding="utf-8")
    return file


def test_a_network_cameras_login_stands_beside_its_address(tmp_path: Path) -> None:
    """As that of a projector or a codec: the password in a file of its own."""
    source = (
        "{format: rtsp, url: 'rtsp://10.0.0.9:554/ch1?stream=0', username: admin, "
        "password_file: camera.pass}"
    )
    (camera,) = load_config(network_camera_file(tmp_path, source)).devices

    assert camera.source == {
        "format": "rtsp", "url": "rtsp://10.0.0.9:554/ch1?stream=0", "username": "admin",
        "password": "Admin@123",
    }  # fmt: skip


@pytest.mark.parametrize(
    "login", ["admin:geheim", "admin:geheim@123", "admin:ge/heim", "admin:1#geheim", "admin"]
)
def test_a_login_in_a_network_cameras_address_is_refused_and_not_repeated(
    login: str, tmp_path: Path
) -> None:
    """The agent's file may be read by others, and logs and lists show addresses."""
    source = f"{{format: rtsp, url: 'rtsp://{login}@10.0.0.9/main'}}"

    (told,) = problems_of(network_camera_file(tmp_path, source))
    assert told.endswith(
        "devices[0].source.url: must be rtsp://HOST[:PORT]/PATH | rtsps://HOST[:PORT]/PATH, "
        "without a login; HOST is one host name or IP address (got 'rtsp://***@10.0.0.9/main')"
    )
