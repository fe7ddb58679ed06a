import sys
from pathlib import Path

import pytest

from diemcau_agent.__main__ import main
from diemcau_agent.config import load_config
from diemcau_agent.errors import ConfigError

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
    "14: devices[0].kind: must be 'camera' or 'microphone' (got 'screen')",
    "17: devices[1].source: format v4l2 is none of a microphone; use system or lavfi",
    "20: devices[2].source: a source of format v4l2 needs a url",
    "21: devices[2].width: must be at least 16 (got 9)",
    "22: devices[2].frames_per_second: must be at most 120 (got 500)",
]


def problems_of(file: Path) -> list[str]:
    """Return the problems without the folder of the file."""
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    return [str(problem).replace(f"{file.parent}/", "") for problem in caught.value.problems]


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
    assert [device.source["format"] for device in config.devices] == ["v4l2", "system"]


def test_all_mistakes_are_listed_with_their_lines() -> None:
    """One run names every mistake, where it stands and what is allowed."""
    expected = [f"everything.yaml:{row}" for row in EVERYTHING]
    assert problems_of(BAD / "everything.yaml") == expected


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    """A login in broker.url is a mistake, and the message does not show it."""
    assert problems_of(BAD / "login_in_url.yaml") == [
        "login_in_url.yaml:4: broker.url: must not hold a login; use username and password_file "
        "(got 'mqtt://***@127.0.0.1')",
        "login_in_url.yaml:4: broker.password_file: needs a username beside it (got 'nowhere')",
        "login_in_url.yaml:4: broker.password_file: nowhere cannot be read: "
        "No such file or directory",
    ]


def test_doubled_devices_are_named() -> None:
    """Two devices of one kind and role cannot be told apart."""
    (problem,) = problems_of(BAD / "doubled_device.yaml")
    assert problem == (
        "doubled_device.yaml:6: devices: each kind and role once; doubled: camera main"
    )


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
    secret.chmod(0o600)
    assert load_config(file).broker.password == "geheim"  # noqa: S105  # made up
    assert "geheim" not in repr(load_config(file))


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A password file that is not there is a problem of its own line."""
    file = good_file(tmp_path, "{url: 'mqtt://127.0.0.1', username: a, password_file: none}")
    assert problems_of(file) == [
        "agent.yaml:4: broker.password_file: none cannot be read: No such file or directory"
    ]


@pytest.mark.parametrize(
    ("language", "said"),
    [("vi", "lỗi: tệp cấu hình có 1 lỗi:\n"), ("en", "error: the configuration has 1 problem:\n")],
)
def test_the_command_says_it_and_exits_with_2(
    language: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run --check-only lists the problems in the language asked for; exit code 2."""
    file = str(BAD / "doubled_device.yaml")
    with pytest.raises(SystemExit) as left:
        main(["run", "--config", file, "--check-only", "--lang", language])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(said)


def test_check_only_says_that_a_good_file_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    """Run --check-only on the example exits with 0."""
    with pytest.raises(SystemExit) as left:
        main(["run", "--config", str(ROOT / "config" / "agent.yaml"), "--check-only"])
    assert left.value.code == 0
    says = {"cấu hình hợp lệ\n", "the configuration is valid\n"}
    assert capsys.readouterr().out in says
