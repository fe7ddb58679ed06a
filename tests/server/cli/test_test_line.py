import copy
import json
import os
import signal
import subprocess
import sys

import pytest

from diemcau_contract import result as contract_result
from diemcau_server.cli import client
from diemcau_server.web.requestid import TAKEN
from tests.server.cli import recorded as records
from tests.server.cli.conftest import Command
from tests.server.cli.recorded import ALL_READY, CUT, FAULTY, HANG, TEST, TOKEN, Recorded, progress
from tests.server.cli.terminal import on_terminal

_LINE_TEST = [sys.executable, "-m", "diemcau_server.cli", "test-line"]
FULL = [
    progress("opening", 0.4),
    progress("preflight", 1.0, "not_ready"),
    progress("rehearsal", 6.0, "not_ready"),
    ("result", FAULTY),
]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask anew at once after a cut."""
    defaults = (*client.ApiClient.__init__.__defaults__[:-1], (0.0, 0.0, 0.0))  # type: ignore[index]  # it has one
    monkeypatch.setattr(client.ApiClient.__init__, "__defaults__", defaults)


def test_table_names_every_point_in_vietnamese_order(recorded: Recorded, command: Command) -> None:
    """Rows stand in Vietnamese order with figures, device faults and verdicts."""
    recorded.streams = [FULL]
    code, out, _ = command("test-line")
    assert code == 1
    table = out.split("Ai cần làm gì")[0]
    rows = [line for line in table.splitlines() if line.strip().startswith(("Thị", "Xã"))]
    names = [row.split("  ")[0].strip() for row in rows]
    assert names == [
        "Thị trấn Đức Phong", "Xã Bom Bo", "Xã Đak Nhau", "Xã Đồng Nai", "Xã Thống Nhất",
    ]  # fmt: skip
    assert "12,3 ms" in rows[1]
    assert "6,1 %" in rows[1]
    assert "✗ chưa sẵn sàng: đường truyền riêng, chiều lên" in rows[1]
    assert "✗ camera bị che" in rows[2]
    assert "✗ chưa sẵn sàng: không liên lạc được" in rows[3]
    assert "✓ sẵn sàng" in rows[4]


def test_all_requests_of_a_command_bear_one_id(recorded: Recorded, command: Command) -> None:
    """By it the server's log tells what one command did; the next command has another."""
    for _ in range(2):
        recorded.streams = [FULL]
        command("test-line")
    first, second = recorded.request_ids[:2], recorded.request_ids[2:]
    assert len(first) == len(second) == 2
    assert len(set(first)) == len(set(second)) == 1
    assert first != second
    assert TAKEN.fullmatch(first[0])


def test_a_lower_bound_of_capacity_is_said_as_one(recorded: Recorded, command: Command) -> None:
    """In the table by ≥, by ``--explain`` with what kept it from being larger."""
    measured = copy.deepcopy(ALL_READY)
    point = measured["points"][1]
    point["line"]["capacity"] = {
        "up_bits_per_second": 8e6, "down_bits_per_second": 250e6,
        "measured_at": measured["started_at"],
    }  # fmt: skip
    for rule, value in (("up.capacity", 8e6), ("down.capacity_at_least", 250e6)):
        point["findings"].append(
            {"rule": f"line.{rule}", "status": "ok", "value": value, "limit": None,
             "unit": "bits_per_second"}
        )  # fmt: skip
    recorded.streams = [[("result", measured)]]
    code, out, _ = command("test-line", "--explain")

    assert code == 0
    assert "Xã Đak Nhau: lên 8,0 Mbit/s, xuống ≥ 250,0 Mbit/s" in out
    assert "≥: ít nhất là mức này" in out
    assert "đường truyền chiều xuống: dung lượng, ít nhất" in out
    assert "Dung lượng chiều lên: 8,0 Mbit/s; giới hạn do đường truyền" in out
    assert "Dung lượng chiều xuống: 250,0 Mbit/s; giới hạn do mức trần trong cấu hình" in out


def test_summary_says_who_must_do_what(recorded: Recorded, command: Command) -> None:
    """Each fault stands with its action under who has to act."""
    recorded.streams = [FULL]
    _, out, _ = command("test-line")
    summary = out.split("Ai cần làm gì")[1]
    commune = summary.index("Cán bộ xã (tại phòng họp):")
    technician = summary.index("Kỹ thuật viên huyện:")
    carrier = summary.index("Nhà mạng (kỹ thuật viên huyện báo):")
    assert commune < summary.index("Xã Đak Nhau: camera bị che. Bỏ vật che") < technician
    assert technician < summary.index("Xã Đồng Nai: không liên lạc được. Gọi điện") < carrier
    assert carrier < summary.index("Xã Bom Bo: đường truyền riêng, chiều lên. Báo nhà mạng")
    last = summary.strip().splitlines()[-1]
    assert last == (f"5 điểm cầu: 2 sẵn sàng, 3 chưa sẵn sàng (đo trong 22,1 giây; lượt đo {TEST})")


def test_equal_duties_are_said_once(recorded: Recorded, command: Command) -> None:
    """Points with the same cause and action share one line; other actions keep their own."""
    silent = [records.silent(f"xa-{number}", f"Xã {number}") for number in range(13)]
    other = records.point("bom-bo", "Xã Bom Bo", "own_line_up", records.LOSS_ACTION, loss=0.06)
    recorded.streams = [[("result", records.result([*silent, other]))]]
    _, out, _ = command("test-line")

    names = ", ".join(f"Xã {number}" for number in range(13))
    duties = " ".join(out.split("Ai cần làm gì")[1].split())
    assert duties.count("không liên lạc được") == 1
    assert f"- {names}: không liên lạc được. Gọi điện cho điểm cầu" in duties
    assert "- Xã Bom Bo: đường truyền riêng, chiều lên. Báo nhà mạng" in duties


def test_a_further_fault_is_told_with_its_numbers(recorded: Recorded, command: Command) -> None:
    """A drift by both numbers, another device by its name."""
    row = records.point("bom-bo", "Xã Bom Bo", "own_line_up", records.LOSS_ACTION, loss=0.06)
    row["devices"] = [
        {"kind": "camera", "role": "main", "status": "warn", "causes": ["changed"],
         "values": {"luma": 40.5, "accepted_luma": 120.0}},
        {"kind": "speaker", "role": "main", "status": "warn", "causes": ["wrong_device"],
         "values": {"used": "TV HDMI"}},
    ]  # fmt: skip
    recorded.streams = [[("result", records.result([row]))]]
    _, out, _ = command("test-line")
    duties = " ".join(out.split("Ai cần làm gì")[1].split())

    assert "40,5, trước 120,0" in duties
    assert "máy đang dùng thiết bị khác (TV HDMI). Chọn lại đúng loa" in duties


def test_the_halls_line_stands_apart(recorded: Recorded, command: Command) -> None:
    """A blank line parts it from what follows."""
    shared = copy.deepcopy(FAULTY)
    shared["hub_line"] = {"verdict": "not_ready", "cause": "hub_line_up", "up": None, "down": None}
    recorded.streams = [[("result", shared)]]
    _, out, _ = command("test-line")

    before = out.split("Ai cần làm gì")[0].splitlines()
    assert before[-1] == ""
    assert before[-2].startswith("Đường truyền hội trường: ✗ chưa sẵn sàng: ")
    assert before[-3] == ""


def test_a_halls_line_that_not_all_loaded_says_so(recorded: Recorded, command: Command) -> None:
    """With the smallest share of the plan of all that it bore, rounded down."""
    shared = copy.deepcopy(FAULTY)
    shared["hub_line"] |= {"verdict": "unknown", "cause": "unknown"}
    for row, share in zip(shared["points"], (0.958, 0.79999, 0.9, 1.2, None), strict=True):
        if share is not None:
            status = "ok" if share >= 1 else "not_applicable"
            row["findings"].append(
                {"rule": "line.up.hub_load", "status": status, "value": share, "limit": 1.0,
                 "unit": "ratio"}
            )  # fmt: skip
    recorded.streams = [[("result", shared)]]
    _, out, _ = command("test-line", "--explain")

    assert ("Đường truyền hội trường: ? chưa rõ: mới được thử với 79 % tải kế hoạch") in out
    assert "line.up.hub_load" not in out


def test_piped_lines_end_without_blanks(recorded: Recorded, command: Command) -> None:
    """What goes into a file is not filled up to the table's width."""
    recorded.streams = [FULL]
    _, out, err = command("test-line", "--explain")
    assert [line for line in (out + err).splitlines() if line != line.rstrip()] == []
    assert " Xã Bom Bo " in out


def test_points_of_a_kept_test_are_named_as_in_its_table(
    recorded: Recorded, command: Command
) -> None:
    """``report TEST 'Xã Bom Bo'`` explains bom-bo alone."""
    recorded.kept = FAULTY
    _, out, _ = command("report", TEST, "Xã Bom Bo", "--explain")
    explained = out.split(f"lượt đo {TEST})")[1]
    assert "Xã Bom Bo" in explained
    assert "Xã Đak Nhau" not in explained


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize("columns", [80, 100, 160])
def test_on_a_terminal_the_table_is_redrawn_in_place(recorded: Recorded, columns: int) -> None:
    """One frame an event with phases, figures and early verdicts, then the result alone."""
    recorded.streams = [FULL]
    code, screen = on_terminal(_LINE_TEST, {**_environment(recorded), "TERM": "xterm"}, columns)

    assert code == 1
    assert screen.frames[0][0].startswith("Phòng có loa sẽ phát hai tiếng chíp ngắn")
    opening, preflight, rehearsal = frames = [_below_the_note(one) for one in screen.frames[:3]]
    assert [frame[0].rpartition("▶ ")[2] for frame in frames] == [
        "đang vào", "chuẩn bị", "tổng duyệt",
    ]  # fmt: skip
    assert opening[1] == "đã 0 giây, còn 22 giây"
    assert rehearsal[1] == "đã 6 giây, còn 16 giây"
    bar = "██░░░" if columns >= 120 else ""
    bom_bo, dong_nai = _rows(opening)
    figures = "12,3 ms 6,1 % – –" if columns >= 100 else "6,1 % –"
    assert bom_bo.split() == f"Xã Bom Bo đang đo {bar} 50 % {figures} …".split()
    assert dong_nai.endswith("…")
    for frame in (preflight, rehearsal):
        text = " ".join(" ".join(frame).split())
        assert "✗ không liên lạc được" in text
        assert max(map(len, frame)) <= columns
    left = "\n".join(screen.lines)
    assert "đang đo" not in left
    assert "- Xã Đak Nhau: camera bị che. Bỏ vật che" in left
    assert "5 điểm cầu: 2 sẵn sàng, 3 chưa sẵn sàng" in left


def _below_the_note(frame: list[str]) -> list[str]:
    """Return what is redrawn of a frame."""
    first = next(number for number, line in enumerate(frame) if "▶" in line)
    return frame[first:]


def _rows(frame: list[str]) -> list[str]:
    return [line for line in frame if line.startswith("Xã ")]


def test_without_a_terminal_progress_is_plain_lines(recorded: Recorded, command: Command) -> None:
    """Standard error gets one line per change of step and one per early verdict, no escapes."""
    recorded.streams = [FULL]
    _, out, err = command("test-line")
    assert err.splitlines() == [
        "Phòng có loa sẽ phát hai tiếng chíp ngắn, nhỏ hơn khi nghe có người nói: xin báo trước "
        "cho các xã, hoặc thêm --silent.",
        "[  0 s] Trình tự: chuẩn bị 2 s → đường truyền rảnh 3 s → tổng duyệt 15 s",
        "[  0 s] đang vào (còn 22 giây)",
        "[  1 s] chuẩn bị (còn 21 giây)",
        "[  1 s] Xã Đồng Nai: ✗ chưa sẵn sàng: không liên lạc được",
        "[  6 s] tổng duyệt (còn 16 giây)",
    ]
    assert "\x1b" not in out + err


def test_all_ready_is_exit_code_zero(recorded: Recorded, command: Command) -> None:
    """When every point is ready nobody has anything to do."""
    recorded.streams = [[("result", ALL_READY)]]
    code, out, _ = command("test-line", "--lang", "en")
    assert code == 0
    assert "Nobody has anything to do." in out
    assert "2 points: 2 ready (measured in 22.1 s;" in out


def test_json_is_one_object_on_standard_output(recorded: Recorded, command: Command) -> None:
    """``--json`` prints exactly the contract's object, progress goes to standard error."""
    recorded.streams = [FULL]
    code, out, err = command("test-line", "--json")
    assert code == 1
    contract_result.TestResult.model_validate_json(out)
    assert json.loads(out)["schema"] == "diemcau.test/1"
    assert [one["point"] for one in json.loads(out)["points"]][:2] == ["thong-nhat", "bom-bo"]
    assert "tổng duyệt" in err


def test_explain_shows_findings_values_and_logs(recorded: Recorded, command: Command) -> None:
    """``--explain`` adds each finding in human units, device values and the probes' own logs."""
    recorded.streams = [FULL]
    _, out, _ = command("test-line", "--explain")
    explained = out.split(f"lượt đo {TEST})")[1]
    assert "đường truyền chiều lên: mất gói, 15 s xấu nhất" in explained
    assert "6,10 %" in explained
    assert "1,00 %" in explained
    assert "độ sáng trung bình (0-255): 44,5; tải máy tính: 0,25; thời gian mở: 0,03 s" in explained
    assert "Nhật ký kiểm tra camera:" in explained
    assert "open: 640x360 yuv420p" in explained


def test_choice_is_passed_on(recorded: Recorded, command: Command) -> None:
    """Points and options reach the server; what was not chosen is left to it."""
    recorded.streams = [[("result", ALL_READY)]]
    command("test-line", "bom-bo", "dak-nhau", "--session", "lop-1", "--hub", "bu-dang", "--quick")
    asked = recorded.asked[0]
    assert asked.pop("asked_by").count("@") == 1
    assert asked == {
        "points": ["bom-bo", "dak-nhau"], "session": "lop-1", "hub": "bu-dang", "quick": True,
        "capacity": False, "silent": False,
    }  # fmt: skip


def test_rooms_may_be_spared_the_sound(recorded: Recorded, command: Command) -> None:
    """Then nothing is said of it either."""
    recorded.streams = [[("result", ALL_READY)]]
    _, _, err = command("test-line", "--silent")
    assert recorded.asked[0]["silent"] is True
    assert "loa" not in err


def test_cut_stream_is_taken_up_again(recorded: Recorded, command: Command) -> None:
    """A cut in the middle of the progress does not end the test."""
    recorded.streams = [[*FULL[:2], CUT], FULL[2:]]
    code, _, err = command("test-line")
    assert code == 1
    assert "tổng duyệt (còn 16 giây)" in err


def test_result_is_fetched_when_the_test_ended_during_a_cut(
    recorded: Recorded, command: Command
) -> None:
    """A test that ended while the stream was cut is not lost."""
    recorded.streams = [[*FULL[:2], CUT]]
    recorded.kept = ALL_READY
    assert command("test-line")[0] == 0


def test_server_that_stays_away_ends_the_command(recorded: Recorded, command: Command) -> None:
    """Streams that only break off are given up with a clear sentence."""
    recorded.streams = []
    code, out, err = command("test-line")
    assert (code, out) == (3, "")
    assert err.splitlines()[1:] == [
        f"diemcau: Mất kết nối với máy chủ {recorded.address} trong lúc đo (kết nối bị ngắt). "
        "Kiểm tra máy chủ, rồi đo lại."
    ]


def test_failed_test_is_exit_code_three(recorded: Recorded, command: Command) -> None:
    """A test that the server gave up is told with the server's reason."""
    fault = records.error("measuring_unavailable", "Đầu đo đã dừng.", "The measuring end stopped.")
    recorded.streams = [[progress("opening", 0.1), ("failed", fault)]]
    code, _, err = command("test-line")
    assert code == 3
    assert err.splitlines()[-1] == "diemcau: Không đo xong được: Đầu đo đã dừng."


def test_ctrl_c_cancels_the_test_on_the_server(recorded: Recorded) -> None:
    """Ctrl-C ends the server's test too, then the command with 130 and no trace."""
    recorded.streams = [[progress("opening", 0.1), HANG]]
    code, err = _interrupted(recorded, signal.SIGINT)
    assert (code, recorded.cancelled) == (130, [TEST])
    assert err.splitlines()[-1] == "Lượt đo đã bị hủy."
    assert "Traceback" not in err


def test_sigterm_cancels_the_test_on_the_server(recorded: Recorded) -> None:
    """SIGTERM does the same and ends with 143."""
    recorded.streams = [[progress("opening", 0.1), HANG]]
    code, err = _interrupted(recorded, signal.SIGTERM)
    assert (code, recorded.cancelled) == (143, [TEST])
    assert "Traceback" not in err


def _environment(recorded: Recorded) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {
        **kept, "DIEMCAU_SERVER": recorded.address, "DIEMCAU_TOKEN": TOKEN, "LANG": "C.UTF-8",
        "LC_ALL": "",
    }  # fmt: skip


def _interrupted(recorded: Recorded, number: signal.Signals) -> tuple[int, str]:
    with subprocess.Popen(
        _LINE_TEST,
        env=_environment(recorded), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert recorded.hanging.wait(30)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    return process.returncode, err
