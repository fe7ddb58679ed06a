"""What ``diemcau doctor`` finds at the hall, and the line that mends it."""

import gc
import json
import shutil
import socket
import subprocess
import tempfile
import threading
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from diemcau_contract.causes import Text
from diemcau_contract.needs import (
    DISK_LEAST_BYTES,
    GIBIBYTE,
    Need,
    acl_need,
    disk_need,
    loop_need,
    need_lines,
)
from diemcau_server import doctor as server_doctor
from diemcau_server import link
from diemcau_server.cli import main as command_line
from diemcau_server.district.names import load_names
from diemcau_server.district.papers import broker_file
from diemcau_server.store.disk import REPORT_BYTES
from tests.brokers import Mosquitto, free_port, running_mosquitto
from tests.certificates import certify
from tests.server.district import FILE

Doctor = Callable[..., tuple[int, dict[str, dict[str, object]]]]
NAMES = Path(__file__).parents[2] / "config" / "names.yaml"
POINTS = FILE.count("name: Xã")
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


HEARS = "topic read diemcau/v1/+/+/up/+"
SPEAKS = "topic write diemcau/v1/+/doctor/up/doctor"


@pytest.mark.parametrize(
    ("rules", "hearing", "acl"),
    [
        ((HEARS, "topic write diemcau/v1/+/+/down/+", SPEAKS), "pass", "pass"),
        ((HEARS, SPEAKS, "topic write diemcau/#"), "pass", "fail"),
        ((HEARS,), "fail", "unknown"),
        ((SPEAKS,), "fail", "unknown"),
        (("topic read nothing",), "fail", "unknown"),
    ],
)
def test_an_account_that_hears_nothing_proves_nothing(
    rules: tuple[str, ...], hearing: str, acl: str, tmp_path: Path, look: Doctor
) -> None:
    """A forbidden message is only known to be kept back where a permitted one has come."""
    file = tmp_path / "acl"
    file.write_text("\n".join(rules) + "\n", encoding="utf-8")
    lines = ("allow_anonymous true", f"acl_file {file}", "user root")
    with running_mosquitto(tmp_path, *lines) as broker:
        code, needs = look(sections(free_port(), f"url: '{broker.url}'"))

    assert code == 1
    assert (needs["broker_hearing"]["result"], needs["broker_acl"]["result"]) == (hearing, acl)
    if hearing == "fail":
        advice = needs["broker_hearing"]["mend"]
        assert isinstance(advice, dict)
        assert all(HEARS in text for text in advice.values())
        assert all(
            "topic write diemcau/v1/bu-dang/doctor/up/doctor" in one for one in advice.values()
        )


def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no folder be written, as for nobody: tests run as root, whom none refuses."""

    def refuse(**more: object) -> None:
        raise PermissionError(13, "Permission denied", str(more["dir"]))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


def state_need(folder: Path, look: Doctor) -> dict[str, object]:
    """Look at a server whose state is kept in ``folder``."""
    _, needs = look(sections(free_port(), "url: embedded") + f"state_directory: '{folder}'\n")
    return needs["state"]


def test_a_folder_that_is_missing_is_made_and_nothing_above_it_given_away(
    tmp_path: Path, look: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the folder itself, even where the nearest one that exists is the root."""
    refusing(monkeypatch)

    need = state_need(Path("/khong/co"), look)
    assert (need["result"], need["mend"]) == ("fail", "sudo install -d -o diemcau /khong/co")
    need = state_need(tmp_path / "a b" / "state", look)
    assert need["mend"] == f"sudo install -d -o diemcau '{tmp_path}/a b/state'"
    assert need["detail"] == dict.fromkeys(("vi", "en"), f"{tmp_path}: Permission denied")


def test_a_folder_of_another_user_is_given_to_the_servers(
    tmp_path: Path, look: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there: it and what is in it change hands."""
    refusing(monkeypatch)
    folder = tmp_path / "state"
    folder.mkdir()

    assert state_need(folder, look)["mend"] == f"sudo chown -R diemcau: {folder}"


@pytest.mark.parametrize("folder", ["/", "/etc"])
def test_a_folder_of_the_system_is_never_given_away(
    folder: str, look: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote it down as the server's own is told to take another one."""
    refusing(monkeypatch)

    mend = state_need(Path(folder), look)["mend"]
    assert mend == {
        "vi": "đặt state_directory là một thư mục riêng",
        "en": "give state_directory a folder of its own",
    }


def test_a_folder_below_one_that_may_not_be_read_is_told(
    tmp_path: Path, look: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback; what cannot be seen is not given away either."""
    refusing(monkeypatch)
    really_exists, closed = Path.exists, tmp_path / "closed"

    def hidden(path: Path) -> bool:
        if closed in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return really_exists(path)

    closed.mkdir()
    monkeypatch.setattr(Path, "exists", hidden)

    need = state_need(closed / "x" / "state", look)
    assert need["mend"] == f"sudo install -d -o diemcau {closed}/x/state"


@pytest.mark.parametrize("windows", [True, False])
def test_a_part_of_the_running_server_that_does_not_work(
    look: Doctor, monkeypatch: pytest.MonkeyPatch, *, windows: bool
) -> None:
    """In the reader's language; more is to be found on Windows nowhere but in its window."""
    monkeypatch.setattr(server_doctor, "_WINDOWS", windows)
    troubles = [Text("chưa kết nối được", "no session"), Text("ổ đĩa đầy", "the disk is full")]
    monkeypatch.setattr(server_doctor, "_health", lambda *_address: troubles)
    _, needs = look(sections(free_port(), "url: embedded"))

    assert needs["server"]["result"] == "fail"
    assert needs["server"]["detail"] == {
        "vi": "chưa kết nối được; ổ đĩa đầy", "en": "no session; the disk is full",
    }  # fmt: skip
    journal = "journalctl -u diemcau-server -p warning"
    window = {
        "vi": "xem cửa sổ đang chạy diemcau-server",
        "en": "look at the window in which diemcau-server runs",
    }
    assert needs["server"]["mend"] == (window if windows else journal)


def test_a_degraded_server_of_before_the_update_is_heard(look: Doctor) -> None:
    """It says what does not work in one language; its port is not one that another has taken."""

    class Older(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "degraded", "problems": ["no session"]}).encode()
            self.send_response(503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Older) as older:
        thread = threading.Thread(target=older.handle_request)
        thread.start()
        _, needs = look(sections(older.server_port, "url: embedded"))
        thread.join()

    assert needs["http_port"]["result"] == "pass"
    assert needs["server"]["detail"] == {"vi": "no session", "en": "no session"}


def test_a_wrong_password_is_told_as_such(tmp_path: Path, look: Doctor) -> None:
    """The login is really tried; what lies behind it is not asked."""
    words = tmp_path / "words"
    make = ["mosquitto_passwd", "-b", "-c", str(words), "hub", "right"]
    subprocess.run(make, check=True, capture_output=True)
    rules = ("allow_anonymous false", f"password_file {words}", "user root")
    secret = tmp_path / "secret"
    secret.write_text("wrong", encoding="utf-8")
    secret.chmod(0o600)
    with running_mosquitto(tmp_path, *rules) as broker:
        login = f"url: '{broker.url}', username: hub, password_file: secret"
        code, needs = look(sections(free_port(), login))

    assert code == 1
    assert needs["broker"]["result"] == "fail"
    assert "refuses the login" in str(needs["broker"]["detail"])
    assert "broker_acl" not in needs
    mend = needs["broker"]["mend"]
    assert isinstance(mend, dict)
    for words in mend.values():
        assert f"{secret} " in words
        assert "password_file" in words
        assert "mosquitto_passwd" in words


def test_a_login_that_the_file_does_not_give_is_asked_for(tmp_path: Path, look: Doctor) -> None:
    """No password of which one could say where it is."""
    with running_mosquitto(tmp_path, "allow_anonymous false") as broker:
        _, needs = look(sections(free_port(), f"url: '{broker.url}'"))

    assert needs["broker"]["mend"] == {
        "vi": f"ghi username và password_file trong mục broker của {tmp_path}/server.yaml",
        "en": f"give username and password_file in the section broker of {tmp_path}/server.yaml",
    }


def mend_of_handshake(needs: dict[str, dict[str, object]]) -> dict[str, str]:
    """Return by language what mends a session by TLS that failed."""
    gc.collect()  # the library leaves the socket of a failed handshake to the collector
    assert needs["broker"]["result"] == "fail"
    mend = needs["broker"]["mend"]
    assert isinstance(mend, dict)
    return mend


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_port_without_tls(broker: Mosquitto, look: Doctor) -> None:
    """It can be reached: what shows that shows nothing."""
    url = broker.url.replace("mqtt:", "mqtts:")
    _, needs = look(sections(free_port(), f"url: '{url}'"))

    mend = mend_of_handshake(needs)
    assert all(f"listener {broker.port}" in words for words in mend.values())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("scheme", "more", "words"),
    [
        ("mqtt", (), "mqtts://"),
        ("mqtts", ("require_certificate true",), "require_certificate"),
    ],
)
def test_a_port_that_opens_and_does_not_understand(
    tmp_path: Path,
    look: Doctor,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    more: tuple[str, ...],
    words: str,
) -> None:
    """It has TLS, so nothing sends anybody away from that; nor is what shows the port shown."""
    monkeypatch.setattr(link, "ANSWER_SECONDS", 2.0)
    certify(tmp_path)
    names = {"cafile": "ca.pem", "certfile": "broker.pem", "keyfile": "broker.key"}
    tls = tuple(f"{key} {tmp_path / name}" for key, name in names.items())
    with running_mosquitto(tmp_path, "user root", "allow_anonymous true", *tls, *more) as broker:
        url = f"{scheme}://127.0.0.1:{broker.port}"
        ca_file = ", ca_file: ca.pem" if scheme == "mqtts" else ""
        _, needs = look(sections(free_port(), f"url: '{url}'{ca_file}"))

    mend = mend_of_handshake(needs)
    assert all(words in said and "mqtt://" not in said for said in mend.values())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_of_another_host(tmp_path: Path, look: Doctor) -> None:
    """The name that is asked for must stand in it."""
    certify(tmp_path)
    tls = (f"certfile {tmp_path / 'broker.pem'}", f"keyfile {tmp_path / 'broker.key'}")
    with running_mosquitto(tmp_path, "user root", "allow_anonymous true", *tls) as broker:
        url = f"mqtts://localhost:{broker.port}"
        _, needs = look(sections(free_port(), f"url: '{url}', ca_file: ca.pem"))

    mend = mend_of_handshake(needs)
    assert all("ca_file" in words and "localhost" in words for words in mend.values())
    assert "chứng chỉ của broker" in mend["vi"]  # as alerts and README call it


@pytest.mark.parametrize(
    ("windows", "mend"), [(False, "getent hosts khong.invalid"), (True, "nslookup khong.invalid")]
)
def test_a_host_that_nobody_knows(
    look: Doctor, monkeypatch: pytest.MonkeyPatch, *, windows: bool, mend: str
) -> None:
    """No port of it can be tried."""
    monkeypatch.setattr(server_doctor, "_WINDOWS", windows)
    _, needs = look(sections(free_port(), "url: 'mqtt://khong.invalid'"))

    assert (needs["broker"]["result"], needs["broker"]["mend"]) == ("fail", mend)


@pytest.mark.parametrize("forbidden", [True, False])
def test_a_broker_that_is_not_the_one_beside_the_servers_file(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, forbidden: bool
) -> None:
    """Debian's own lets strangers in where the written file forbids them: it is in the way."""
    file = tmp_path / "server" / "server.yaml"
    own = tmp_path / "broker" / "mosquitto.conf"
    for one in (file, own):
        one.parent.mkdir()
    file.write_text(sections(free_port(), f"url: '{broker.url}'"), encoding="utf-8")
    text = broker_file(load_names(NAMES))
    own.write_text(text if forbidden else text.replace("anonymous false", "anonymous true"))
    command_line.run(["doctor", "--config", str(file), "--json"])
    needs = {need["key"]: need for need in json.loads(capsys.readouterr().out)["needs"]}

    assert needs["broker"]["result"] == "pass"
    for key in ("broker_acl", "broker_anonymous"):
        assert needs[key]["result"] == "fail"
        ends = "systemctl disable --now mosquitto" in str(needs[key]["mend"])
        names = str(own) in needs[key]["detail"]["vi"]
        assert (ends, names) == (forbidden, forbidden)


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
    file = tmp_path / "máy chủ.yaml"
    file.write_text("schema: diemcau.server/1\n", encoding="utf-8")
    code = command_line.run(["doctor", "--config", str(file), "--lang", "vi"])
    first, second, *_ = capsys.readouterr().out.splitlines()

    assert code == 1
    assert first.startswith("FAIL  Tệp cấu hình của máy chủ: ")
    assert second == f"      → diemcau-server run --check-only --config '{file}'"


def test_a_full_disk(look: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just under what is needed fails; the advice names the folder."""
    free = DISK_LEAST_BYTES - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(free * 2, free, free))
    _, needs = look(sections(free_port(), "url: embedded"))

    assert needs["disk"]["result"] == "fail"
    assert "state" in str(needs["disk"]["mend"])


def disk_of(
    look: Doctor, monkeypatch: pytest.MonkeyPatch, free: int, more: str
) -> dict[str, object]:
    """Return what is said of a disk with so many bytes free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(free * 2, free, free))
    return look(sections(free_port(), "url: embedded") + more)[1]["disk"]


@pytest.mark.parametrize("stored", [0, 10**9])
def test_a_disk_must_take_all_the_reports_that_will_be_kept(
    tmp_path: Path, look: Doctor, monkeypatch: pytest.MonkeyPatch, stored: int
) -> None:
    """All that the file says, less what the store has already; the least is left even then."""
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "diemcau.sqlite").open("wb") as file:
        file.truncate(stored)
    more = "report_interval_seconds: 10\nstore: {keep_reports_days: 100}\n"
    least = DISK_LEAST_BYTES + POINTS * 8640 * 100 * REPORT_BYTES - stored
    short = disk_of(look, monkeypatch, least - 1, more)

    assert disk_of(look, monkeypatch, least, more)["result"] == "pass"
    assert short["result"] == "fail"
    mend = short["mend"]
    assert isinstance(mend, dict)
    size = f"{least / GIBIBYTE:.1f} GiB"
    assert mend["en"].endswith(f"for {size} in all, or lower store.keep_reports_days (now 100)")
    assert f"cho đủ {size.replace('.', ',')}, hoặc giảm store.keep_reports_days" in mend["vi"]


@pytest.mark.parametrize(
    "more",
    [
        "store: {keep_reports_days: 8}\n",
        "store: {url: 'postgresql://me@db/diemcau', keep_reports_days: 3660}\n",
    ],
)
def test_a_store_that_is_full_or_lies_elsewhere_needs_what_all_need(
    tmp_path: Path, look: Doctor, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    """Never less than the least; nothing is said of days that would not help."""
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "diemcau.sqlite").open("wb") as file:
        file.truncate(10**9)
    assert disk_of(look, monkeypatch, DISK_LEAST_BYTES, more)["result"] == "pass"
    short = disk_of(look, monkeypatch, DISK_LEAST_BYTES - 1, more)
    assert short["result"] == "fail"
    assert "keep_reports_days" not in str(short["mend"])


def test_the_disk_is_the_one_on_which_the_store_lies(
    tmp_path: Path, look: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that lies elsewhere needs its room there, though its folder is not made yet."""
    elsewhere = tmp_path / "big" / "disk"
    more = f"store: {{url: 'sqlite:///{elsewhere}/diemcau.sqlite'}}\n"
    assert f"the disk of {elsewhere}" in str(disk_of(look, monkeypatch, 0, more)["mend"])


@pytest.mark.parametrize(
    ("free", "there"), [(DISK_LEAST_BYTES, True), (DISK_LEAST_BYTES - 1, False)]
)
def test_the_least_of_a_disk(free: int, *, there: bool) -> None:
    """On the limit there is enough."""
    assert disk_need("/srv", free).there is there


def test_each_failure_has_one_line_that_mends_it_in_both_languages() -> None:
    """PASS has none; FAIL has one; what cannot be said has none."""
    failing = (
        acl_need(heard=True, hears=True, topic="a/b"),
        loop_need(watches_sockets=False),
        disk_need("/srv", 0),
    )
    for language, word in (("vi", "broker đã chuyển a/b"), ("en", "the broker passed on a/b")):
        lines = list(need_lines(failing, language))  # type: ignore[arg-type]  # one of its words
        assert [line[:6].strip() for line in lines] == ["FAIL", ""] * 3
        assert lines[0].endswith(word)
        assert all(line.startswith("      → ") for line in lines[1::2])
    good = (
        acl_need(heard=False, hears=True, topic="a/b"),
        Need("x", failing[0].name, None, mend="never"),
    )
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
