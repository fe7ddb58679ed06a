import json
from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from diemcau_server.cli.answers import Board
from diemcau_server.cli.board import print_board
from diemcau_server.speech.language import speech
from tests.server.cli.conftest import Command
from tests.server.cli.recorded import FAULTY, TEST, Recorded

BOARD = {
    "points": [
        {"hub": "bu-dang", "point": "dong-nai", "name": "Xã Đồng Nai", "state": "never_seen",
         "verdict": None, "cause": None, "action": None, "agent_connected": False,
         "last_report_at": None, "line": None, "devices": [], "host": None},
        {"hub": "bu-dang", "point": "bom-bo", "name": "Xã Bom Bo", "state": "ready",
         "verdict": "ready", "cause": None, "action": None, "agent_connected": True,
         "last_report_at": "2026-03-14T00:29:00Z",
         "line": {"rtt_p50_seconds": 0.0123, "loss_ratio_up": 0.0, "loss_ratio_down": 0.001},
         "devices": [{"kind": "camera", "role": "main", "status": "ok", "causes": []}]},
    ]
}  # fmt: skip


def test_board_shows_state_figures_and_age() -> None:
    """Each point has its state, its line and the age of its last report."""
    console = Console(file=StringIO(), width=120, markup=False)
    now = datetime(2026, 3, 14, 0, 31, 30, tzinfo=UTC)
    print_board(Board.model_validate(BOARD), console, speech("vi"), now)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    rows = [line.strip() for line in text.splitlines() if line.strip().startswith("Xã")]
    assert " ".join(rows[0].split()) == (
        "Xã Bom Bo ✓ sẵn sàng 12,3 ms 0,0 % 0,1 % ✓ tốt 2 phút trước"
    )
    assert " ".join(rows[1].split()) == "Xã Đồng Nai ? chưa từng thấy – – – – chưa có"
    assert text.strip().splitlines()[-1] == "2 điểm cầu: 1 sẵn sàng, 1 chưa từng thấy"


def test_status_as_json_is_the_servers_own(recorded: Recorded, command: Command) -> None:
    """``status --json`` passes the board on as it came."""
    recorded.board = BOARD
    code, out, err = command("status", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == BOARD


def test_report_shows_a_kept_test(recorded: Recorded, command: Command) -> None:
    """A kept test looks as at its end, with the same exit code."""
    recorded.kept = FAULTY
    code, out, _ = command("report", TEST)
    assert code == 1
    assert "5 điểm cầu: 2 sẵn sàng, 3 chưa sẵn sàng" in out


def test_report_explains_chosen_points(recorded: Recorded, command: Command) -> None:
    """``report TEST POINT --explain`` explains that point alone."""
    recorded.kept = FAULTY
    _, out, _ = command("report", TEST, "dak-nhau", "--explain", "--lang", "en")
    explained = out.split(f"test {TEST})")[1]
    assert "Xã Đak Nhau (dak-nhau)" in explained
    assert "Xã Bom Bo" not in explained


def test_report_explains_no_stranger(recorded: Recorded, command: Command) -> None:
    """A point that was not in the test is refused with its name."""
    recorded.kept = FAULTY
    code, _, err = command("report", TEST, "phu-son", "--explain", "--lang", "en")
    assert (code, err) == (2, f"diemcau: Point phu-son was not in test {TEST}.\n")


def test_report_of_a_running_test(command: Command) -> None:
    """A test that still runs has no report yet."""
    code, _, err = command("report", TEST)
    assert (code, err) == (3, f"diemcau: Lượt đo {TEST} chưa xong.\n")


def test_report_of_no_test(command: Command) -> None:
    """An id that names no test is a mistake on the command line."""
    code, _, err = command("report", "x")
    assert (code, err) == (2, "diemcau: Không có lượt đo 'x'.\n")
