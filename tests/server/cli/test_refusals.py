import socket
import time
from pathlib import Path

import pytest

from diemcau_server.cli import faults
from diemcau_server.cli.answers import Fault
from diemcau_server.cli.failure import ExitCode
from diemcau_server.coordinator.errors import cancelled
from diemcau_server.speech.language import speech
from tests.server.cli.conftest import Command
from tests.server.cli.recorded import Recorded, error


def _sentence(err: str) -> str:
    assert err.startswith("diemcau: ")
    assert err.count("\n") == 1
    return err.removeprefix("diemcau: ").strip()


@pytest.fixture
def closed_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_server_not_reachable(command: Command, closed_port: int) -> None:
    """The sentence names the address and what to try."""
    address = f"http://127.0.0.1:{closed_port}"
    code, out, err = command("test-line", "--server", address)
    assert (code, out) == (3, "")
    assert _sentence(err) == (
        f"Không kết nối được máy chủ {address} (kết nối bị từ chối). Kiểm tra máy chủ đã chạy "
        "chưa (diemcau-server run) và địa chỉ có đúng không (--server hoặc DIEMCAU_SERVER)."
    )


def test_server_not_reachable_in_english(command: Command, closed_port: int) -> None:
    """The same in English."""
    address = f"http://127.0.0.1:{closed_port}"
    code, _, err = command("status", "--server", address, "--lang=en")
    assert code == 3
    assert _sentence(err) == (
        f"The server {address} cannot be reached (connection refused). Check that it runs "
        "(diemcau-server run) and that the address is right (--server or DIEMCAU_SERVER)."
    )


def test_a_cancelled_test_is_called_so() -> None:
    """The server's own code of a cancelled test gives one plain sentence."""
    ended = faults.test_failed(Fault(code=cancelled().code), speech("en"))
    assert (ended.sentence, ended.code) == ("The test was cancelled.", ExitCode.NOT_RUN)


def test_wrong_token(command: Command, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that the server refuses: exit code 3."""
    monkeypatch.setenv("DIEMCAU_TOKEN", "another")
    code, _, err = command("test-line")
    assert code == 3
    assert _sentence(err) == (
        f"Máy chủ {recorded.address} không chấp nhận mã truy cập (token). Hãy lấy token từ tệp "
        "ghi trong cấu hình máy chủ (http.token_file): --token-file hoặc DIEMCAU_TOKEN."
    )


def test_no_token(command: Command, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any token nothing is asked: exit code 2."""
    monkeypatch.delenv("DIEMCAU_TOKEN")
    code, _, err = command("test-line", "--lang", "en")
    assert code == 2
    assert recorded.asked == []
    assert _sentence(err) == (
        "A token is needed to start a test: give its file with --token-file, or the token itself "
        "in DIEMCAU_TOKEN. The server's configuration names the file (http.token_file)."
    )


@pytest.mark.parametrize(
    ("how", "language", "said"),
    [
        ("missing", "vi", "Không đọc được tệp token {file}: không có tệp này."),
        ("missing", "en", "The token file {file} cannot be read: No such file or directory."),
        ("folder", "vi", "Không đọc được tệp token {file}: đây là thư mục."),
        ("folder", "en", "The token file {file} cannot be read: Is a directory."),
        ("binary", "vi", "Không đọc được tệp token {file}: không phải văn bản UTF-8."),
        ("binary", "en", "The token file {file} cannot be read: not UTF-8 text."),
    ],
)
def test_token_file_that_cannot_be_read(
    how: str, language: str, said: str, command: Command, tmp_path: Path
) -> None:
    """A token file that cannot be read: exit code 2 with its name and the reason."""
    file = tmp_path / "token"
    if how == "folder":
        file.mkdir()
    elif how == "binary":
        file.write_bytes(b"\xff")
    code, _, err = command("test-line", "--token-file", str(file), "--lang", language)
    assert code == 2
    assert _sentence(err) == said.format(file=file)


def test_empty_token_file(command: Command, tmp_path: Path) -> None:
    """An empty token file: exit code 2."""
    file = tmp_path / "token"
    file.touch()
    code, _, err = command("test-line", "--token-file", str(file))
    assert code == 2
    assert _sentence(err) == f"Tệp token {file} không chứa mã truy cập."


def test_other_test_running(
    command: Command, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who runs the other test, since when in local time, and which."""
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    time.tzset()
    try:
        recorded.refusal = 409, error(
            "test_running", "Đang đo.", "Testing.",
            test="20260314-002950-cd34", asked_by="lan@may-huyen",
            started_at="2026-03-14T00:29:50Z",
        )  # fmt: skip
        code, _, err = command("test-line")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert code == 3
    assert _sentence(err) == (
        "Đang có lượt đo khác: lan@may-huyen bắt đầu lúc 07:29:50 14/03/2026 (lượt đo "
        "20260314-002950-cd34). Hãy chờ lượt đó xong, rồi đo lại."
    )


@pytest.mark.parametrize("code", ["unknown_point", "unknown_session", "unknown_profile"])
def test_unknown_ids_come_with_near_names(command: Command, recorded: Recorded, code: str) -> None:
    """The server's sentence and the nearest names; exit code 2."""
    recorded.refusal = 400, error(code, "Không có 'bom'.", "No 'bom'.", near=["bom-bo", "bu-dop"])
    exit_code, _, err = command("test-line", "bom")
    assert exit_code == 2
    assert _sentence(err) == "Không có 'bom'. Có phải ý bạn là: bom-bo, bu-dop?"


def test_near_names_are_not_said_twice(command: Command, recorded: Recorded) -> None:
    """A server's sentence that names them already stays as it is."""
    text = "No 'bom'; did you mean bom-bo?"
    recorded.refusal = 400, error("unknown_point", text, text, near=["bom-bo"])
    assert _sentence(command("test-line", "bom", "--lang", "en")[2]) == text


def test_broker_not_available(command: Command, recorded: Recorded) -> None:
    """A server without its broker cannot test: its own words, exit code 3."""
    recorded.refusal = 503, error("broker_unavailable", "Mất broker.", "No broker.", near=None)
    code, _, err = command("test-line")
    assert (code, _sentence(err)) == (3, "Mất broker.")


def test_something_else_answers(command: Command, recorded: Recorded) -> None:
    """An answer that is none of ours is said to be so."""
    recorded.refusal = 418, {"teapot": True}
    code, _, err = command("test-line", "--lang", "en")
    assert code == 3
    assert _sentence(err) == (
        f"{recorded.address} does not answer like a diemcau server of this version (HTTP 418). "
        "Check the address and the versions."
    )


def test_result_of_another_version(command: Command, recorded: Recorded) -> None:
    """A result that does not follow the contract ends with a sentence, not with a trace."""
    recorded.streams = [[("result", {"schema": "diemcau.test/9"})]]
    code, out, err = command("test-line", "--json")
    assert (code, out) == (3, "")
    assert "không trả lời như máy chủ diemcau của phiên bản này (schema: " in _sentence(
        err.splitlines(keepends=True)[1]
    )


@pytest.mark.parametrize(
    ("arguments", "sentence", "place"),
    [
        (["tset-line"], "Không có lệnh tset-line. Có phải ý bạn là: test-line?", ""),
        (["xyz"],
         "Không có lệnh xyz. Hiện có: test-line, report, status, demo, doctor, init.", ""),
        (["test-line", "--sesion", "x"],
         "Không có tùy chọn --sesion. Có phải ý bạn là: --session, --json?", " test-line"),
        (["test-line", "--zzz"], "Không có tùy chọn --zzz.", " test-line"),
        (["test-line", "--session"], "Tùy chọn --session cần một giá trị.", " test-line"),
        (["report"], "Thiếu MÃ_LƯỢT_ĐO.", " report"),
        (["--lang=en", "report"], "TEST is missing.", " report"),
        (["status", "thua"], "Thừa tham số: thua.", " status"),
        (["demo", "--points", "0"], "--points: giá trị sai; cho phép: 1..200.", " demo"),
        (["demo", "--points", "mot"], "--points: giá trị sai; cho phép: 1..200.", " demo"),
        (["status", "--lang", "fr"], "--lang: giá trị sai; cho phép: 'vi', 'en'.", " status"),
        ([], "Thiếu tên lệnh.", ""),
    ],
)  # fmt: skip
def test_usage_errors(command: Command, arguments: list[str], sentence: str, place: str) -> None:
    """Mistakes on the command line: one sentence, where help on them is, exit code 2."""
    code, out, err = command(*arguments)
    see = "See" if "--lang=en" in arguments else "Xem"
    assert (code, out) == (2, "")
    assert _sentence(err) == f"{sentence} {see}: diemcau{place} --help"


@pytest.mark.parametrize("address", ["ftp://may-chu", "http://", "http://a:b:c", "http://a:99999"])
def test_addresses_that_are_none(command: Command, address: str) -> None:
    """An address that cannot be one: exit code 2."""
    code, _, err = command("status", "--server", address, "--lang", "en")
    assert code == 2
    assert _sentence(err) == (
        f"{address} is not the address of a server; write it like http://127.0.0.1:8080."
    )
