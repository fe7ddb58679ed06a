"""What ``diemcau doctor`` finds at the hall, and the line that mends it."""

import json
import shutil
import socket
import subprocess
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from diemcau_contract.needs import (
    DISK_LEAST_BYTES,
    Need,
    acl_need,
    disk_need,
    loop_need,
    need_lines,
)
from diemcau_server.cli import main as command_line
from tests.brokers import Mosquitto, free_port, mosquitto_program
from tests.server.district import FILE

Doctor = Callable[..., tuple[int, dict[str, dict[str, object]]]]
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024  # as shutil's own


@pytest.fixture
def look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Run the command on a file; exit code and needs by key."""

    def run(content: str) -> tuple[int, dict[str, dict[str, object]]]:
        file = tmp_path / "server.yaml"
        file.write_text(content, encoding="utf-8")
        code = command_line.run(["doctor", "--config", str(file), "--json"])
        document = json.loads(capsys.readouterr().out)
        assert document["schema"] == "diemcau.server_doctor/1"
        return code, {need["key"]: need for need in document["needs"]}

    return run


PORTS = "measure: {host: 127.0.0.1, port: 0}\n"


def sections(http: int, broker: str, measure: int | None = None) -> str:
    """Return the file of a server that is not run here."""
    port = free_port() if measure is None else measure
    head = FILE.replace(PORTS, PORTS.replace("port: 0", f"port: {port}"))
    return f"{head}http: {{port: {http}}}\nbroker: {{{broker}}}\n"


def test_a_machine_in_order_before_the_first_start(look: Doctor) -> None:
    """Ports free, a disk with room; the embedded broker cannot be judged, which is no failure."""
    code, needs = look(sections(free_port(), "url: embedded"))
    results = {key: need["result"] for key, need in needs.items() if key != "clock"}

    assert results == {
        "config": "pass", "driver": "pass", "state": "pass", "disk": "pass", "http_port": "pass",
        "measure_port": "pass", "loop": "pass", "broker": "unknown",
    }  # fmt: skip
    assert code == (needs["clock"]["result"] == "fail")


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_another_program_holds(kind: socket.SocketKind, look: Doctor) -> None:
    """Named, with the command that shows who holds it; exit code 1."""
    with closing(socket.socket(socket.AF_INET, kind)) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        if kind is socket.SOCK_STREAM:
            other.listen()
        more = sections(port, "url: embedded")
        if kind is socket.SOCK_DGRAM:
            more = sections(free_port(), "url: embedded", port)
        code, needs = look(more)
    stream = kind is socket.SOCK_STREAM
    need = needs["http_port" if stream else "measure_port"]

    assert code == 1
    assert need["result"] == "fail"
    assert need["mend"] == f"sudo ss -Hlnp{'t' if stream else 'u'} 'sport = :{port}'"


def test_a_broker_without_rules_is_caught_at_it(broker: Mosquitto, look: Doctor) -> None:
    """It lets strangers in, and passes on what the server's account must not say."""
    code, needs = look(sections(free_port(), f"url: '{broker.url}'"))

    assert code == 1
    assert needs["broker"]["result"] == "pass"
    assert needs["broker_acl"]["result"] == "fail"
    assert needs["broker_anonymous"]["result"] == "fail"
    advice = needs["broker_acl"]["mend"]
    assert isinstance(advice, dict)
    assert {language: "acl_file" in text for language, text in advice.items()} == {
        "vi": True, "en": True,
    }  # fmt: skip


def test_a_wrong_password_is_told_as_such(tmp_path: Path, look: Doctor) -> None:
    """The login is really tried; what lies behind it is not asked."""
    program = mosquitto_program()
    if program is None:
        pytest.skip("mosquitto is not installed")
    words = tmp_path / "words"
    make = ["mosquitto_passwd", "-b", "-c", str(words), "hub", "right"]
    subprocess.run(make, check=True, capture_output=True)
    rules = ("allow_anonymous false", f"password_file {words}", "user root")
    broker = Mosquitto(program, tmp_path, rules)
    broker.start()
    secret = tmp_path / "secret"
    secret.write_text("wrong", encoding="utf-8")
    secret.chmod(0o600)
    try:
        login = f"url: '{broker.url}', username: hub, password_file: secret"
        code, needs = look(sections(free_port(), login))
    finally:
        broker.stop()

    assert code == 1
    assert needs["broker"]["result"] == "fail"
    assert "refuses the login" in str(needs["broker"]["detail"])
    assert "broker_acl" not in needs


def test_a_broker_that_is_not_there(look: Doctor) -> None:
    """Its address stands in the command that shows the same."""
    port = free_port()
    _, needs = look(sections(free_port(), f"url: 'mqtt://127.0.0.1:{port}'"))

    assert needs["broker"]["result"] == "fail"
    assert needs["broker"]["mend"] == f"nc -vz 127.0.0.1 {port}"


def test_a_file_with_mistakes_is_the_first_thing_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words, in one language, with the command that lists them; no trace."""
    file = tmp_path / "server.yaml"
    file.write_text("schema: diemcau.server/1\n", encoding="utf-8")
    code = command_line.run(["doctor", "--config", str(file), "--lang", "vi"])
    first, second, *_ = capsys.readouterr().out.splitlines()

    assert code == 1
    assert first.startswith("FAIL  Tệp cấu hình của máy chủ: ")
    assert second == f"      → diemcau-server run --check-only --config {file}"


def test_a_full_disk(look: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just under what is needed fails; the advice names the folder."""
    free = DISK_LEAST_BYTES - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(free * 2, free, free))
    _, needs = look(sections(free_port(), "url: embedded"))

    assert needs["disk"]["result"] == "fail"
    assert "state" in str(needs["disk"]["mend"])


@pytest.mark.parametrize(
    ("free", "there"), [(DISK_LEAST_BYTES, True), (DISK_LEAST_BYTES - 1, False)]
)
def test_the_least_of_a_disk(free: int, *, there: bool) -> None:
    """On the limit there is enough."""
    assert disk_need("/srv", free).there is there


def test_each_failure_has_one_line_that_mends_it_in_both_languages() -> None:
    """PASS has none; FAIL has one; what cannot be said has none."""
    failing = (
        acl_need(heard=True, topic="a/b"),
        loop_need(watches_sockets=False),
        disk_need("/srv", 0),
    )
    for language, word in (("vi", "broker đã chuyển a/b"), ("en", "the broker passed on a/b")):
        lines = list(need_lines(failing, language))  # type: ignore[arg-type]  # one of its words
        assert [line[:6].strip() for line in lines] == ["FAIL", ""] * 3
        assert lines[0].endswith(word)
        assert all(line.startswith("      → ") for line in lines[1::2])
    good = (acl_need(heard=False, topic="a/b"), Need("x", failing[0].name, None, mend="never"))
    assert [line[:4] for line in need_lines(good, "en")] == ["PASS", "----"]


def test_each_measuring_process_has_a_port_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second one's is looked at too."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", 0))
        second = other.getsockname()[1]
        text = sections(free_port(), "url: embedded", second - 1)
        text = text.replace(f"port: {second - 1}", f"port: {second - 1}, processes: 2")
        file = tmp_path / "server.yaml"
        file.write_text(text, encoding="utf-8")
        command_line.run(["doctor", "--config", str(file), "--json"])
    needs = json.loads(capsys.readouterr().out)["needs"]
    (taken,) = [one for one in needs if str(second) in one["name"]["en"]]

    assert (taken["key"], taken["result"]) == ("measure_port", "fail")
