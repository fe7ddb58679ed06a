import ast
import re
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from babel.messages import mofile, pofile
from jinja2 import Environment, nodes
from rich.console import Console

from diemcau_contract.causes import Cause
from diemcau_contract.messages import Value
from diemcau_contract.result import DeviceLine, PointResult
from diemcau_contract.result import TestResult as Result
from diemcau_contract.words import DeviceKind, Status
from diemcau_server import __version__
from diemcau_server.cli.answers import Progress, Started
from diemcau_server.cli.event_stream import MAX_EVENT_BYTES, Event, EventParser, EventTooLargeError
from diemcau_server.cli.progress import progress_view
from diemcau_server.cli.result_table import print_result, verdict_and_cause
from diemcau_server.speech.collation import vietnamese_key
from diemcau_server.speech.language import LOCALE_FOLDER, speech
from diemcau_server.speech.wording import device_words
from tests.server.cli.conftest import Command
from tests.server.cli.recorded import point, progress, result

PACKAGE = LOCALE_FOLDER.parent
CATALOGUE = LOCALE_FOLDER / "vi" / "LC_MESSAGES"


def _said_in_code() -> set[str]:
    """Every message id of code and templates, as Python and Jinja themselves read them."""
    found: set[str] = set()
    folders = (PACKAGE / name for name in ("cli", "demo", "district", "speech", "web"))
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in ("say", "mark", "count"):
                literals = [one for one in node.args[:2] if isinstance(one, ast.Constant)]
                wanted = literals[:1] if name != "count" else literals
                found |= {one.value for one in wanted if isinstance(one.value, str)}
    for file in (PACKAGE / "web/templates").glob("*.html"):
        for call in (
            Environment(autoescape=True).parse(file.read_text("utf-8")).find_all(nodes.Call)
        ):
            if isinstance(call.node, nodes.Name) and call.node.name == "say":
                found.add(call.args[0].as_const())
    return found


def _all_forms(text: object) -> tuple[str, ...]:
    """Return the forms of a message: one, or singular and plural."""
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text or ""),)


def test_every_sentence_is_translated() -> None:
    """The catalogue holds all message ids of the code, each translated, and no others."""
    with (CATALOGUE / "diemcau.po").open("rb") as file:
        catalogue = pofile.read_po(file)
    listed: set[str] = set()
    for message in catalogue:
        if message.id:
            ids, words = _all_forms(message.id), _all_forms(message.string)
            assert all(words), message.id
            assert not message.fuzzy, message.id
            places = {place for one in ids for place in re.findall(r"{\w+}", one)}
            assert all(set(re.findall(r"{\w+}", word)) == places for word in words), message.id
            listed |= set(ids)
    assert listed == _said_in_code()


def test_compiled_catalogue_is_that_of_the_text() -> None:
    """The .mo file is the .po file, compiled."""
    with (CATALOGUE / "diemcau.po").open("rb") as file:
        compiled = BytesIO()
        mofile.write_mo(compiled, pofile.read_po(file))
    assert (CATALOGUE / "diemcau.mo").read_bytes() == compiled.getvalue()


def test_version(command: Command) -> None:
    """--version prints name and version and ends with 0, without any command."""
    assert command("--version") == (0, f"diemcau {__version__}\n", "")


@pytest.mark.parametrize(
    ("locale", "headline"), [("C.UTF-8", "Cách dùng:"), ("en_US.UTF-8", "Usage:")]
)
def test_language(
    locale: str, headline: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vietnamese where nothing asks for English."""
    monkeypatch.setenv("LANG", locale)
    code, out, _ = command("--help")
    assert (code, out.split(" diemcau")[0]) == (0, headline)


def test_help_holds_no_english(command: Command) -> None:
    """Also what typer itself puts into help is Vietnamese: placeholders, defaults, ranges."""
    assert command("--help")[1].startswith("Cách dùng: diemcau [TÙY CHỌN] LỆNH [THAM SỐ]...\n")
    _, demo, _ = command("demo", "--help")
    assert "--points N      Số điểm cầu  [mặc định: 16; từ 1 đến 200]" in demo
    _, report, _ = command("report", "--help")
    assert "Cách dùng: diemcau report [TÙY CHỌN] {MÃ_LƯỢT_ĐO} [ĐIỂM]...\n" in report
    assert "\n  MÃ_LƯỢT_ĐO  Mã lượt đo  [bắt buộc]\n  ĐIỂM        Điểm cầu" in report
    assert command("init", "--help")[1].startswith(
        "Cách dùng: diemcau init [TÙY CHỌN] {TÊN} {THƯ_MỤC}\n"
    )


def test_english_help_keeps_its_own_words(command: Command) -> None:
    """The same in English."""
    _, demo, _ = command("--lang", "en", "demo", "--help")
    assert demo.startswith("Usage: diemcau demo [OPTIONS]\n")
    assert "--points N      How many points  [default: 16; 1 to 200]" in demo


def test_vietnamese_order() -> None:
    """Letters come before tones, đ after d, numbers by their value."""
    ordered = [
        "Thị trấn Đức Phong", "Xã Bình Minh", "Xã Bom Bo", "Xã Dak", "Xã Đak Nhau", "Xã Đăng Hà",
        "Xã Đoàn Kết", "Xã Đồng Nai", "Xã Đức Liễu", "Xã Đường 9", "Xã Đường 10", "Xã Minh Hưng",
        "Xã Nghĩa Bình", "Xã Nghĩa Trung", "Xã Phú Sơn", "Xã Phước Sơn", "Xã Thọ Sơn",
        "Xã Thống Nhất",
    ]  # fmt: skip
    shuffled = [*ordered[9:], *ordered[:9]]
    assert sorted(shuffled, key=vietnamese_key) == ordered
    tones = ["ma", "mà", "mả", "mã", "má", "mạ", "mă", "mâ"]
    assert sorted([*tones[4:], *tones[:4]], key=vietnamese_key) == tones


def test_events_in_any_pieces() -> None:
    """Events come out whole however the bytes are cut; comments and unfinished ones do not."""
    text = 'event: progress\r\ndata: {"ồ": 1}\r\n\r\n: ping\n\ndata: a\ndata: b\n\nevent: cut\n'
    wanted = [Event("progress", '{"ồ": 1}'), Event("message", "a\nb")]
    content = text.encode()
    for size in (1, 2, 7, len(content)):
        parser = EventParser()
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        assert [event for piece in pieces for event in parser.feed(piece)] == wanted


def test_endless_event_is_refused() -> None:
    """An event without end does not fill the memory."""
    parser = EventParser()
    parser.feed(b"x" * MAX_EVENT_BYTES)
    with pytest.raises(EventTooLargeError):
        parser.feed(b"x")


def _terminal(width: int) -> Console:
    return Console(
        file=StringIO(), force_terminal=True, width=width, height=40, color_system=None,
        markup=False, highlight=False, legacy_windows=False, _environ={},
    )  # fmt: skip


def test_live_table_shows_steps_time_and_rows() -> None:
    """On a terminal: steps in their order, elapsed and remaining seconds, one row a point."""
    console = _terminal(120)
    started = Started.model_validate(
        {"test": "t", "hub": "h", "points": ["bom-bo"], "profile": "p", "steps": [
            {"kind": "preflight", "duration_seconds": 2},
            *[{"kind": "groups", "duration_seconds": 3}] * 4,
            {"kind": "rehearsal", "duration_seconds": 15}]}
    )  # fmt: skip
    with progress_view(console, started, speech("vi")) as view:
        shown = progress("groups", 6.0, "not_ready")[1] | {"step": 2}
        view.show(Progress.model_validate(shown))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    assert "✓ chuẩn bị 2 s  ▶ theo nhóm 12 s (2/4)  ○ tổng duyệt 15 s" in text
    assert "đã 6 giây, còn 16 giây" in text
    row = next(line for line in text.splitlines() if "Xã Bom Bo" in line)
    assert "đang đo ██░░░  50 %" in row
    assert "12,3 ms" in row
    assert "✗ không liên lạc được" in text


def test_a_narrow_terminal_breaks_no_step_and_cuts_no_verdict() -> None:
    """Steps go on in a further line as a whole; the bars give way to what is said of points."""
    console = _terminal(100)
    started = Started.model_validate({"test": "t", "hub": "h", "points": [], "profile": "p"})
    shown = progress("judging", 20.0, "not_ready")[1]
    shown["steps"] = [
        {"kind": kind, "duration_seconds": 10}
        for kind in ("preflight", "idle", "groups", "rehearsal", "margin")
    ]
    with progress_view(console, started, speech("vi")) as view:
        view.show(Progress.model_validate(shown))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # the StringIO above
    assert "▶ đang kết luận" in [line.strip() for line in lines]
    row = next(line for line in lines if "Xã Bom Bo" in line)
    assert "đang đo  50 %" in row
    row = next(line for line in lines if "Xã Đồng Nai" in line)
    assert "không trả lời" in row
    assert "100 %" not in row
    assert "…" not in row


def test_a_terminal_of_eighty_columns_names_devices_only_where_they_are_faulty() -> None:
    """There the verdict's column is the only one for words: a good device is no verdict."""
    console = _terminal(80)
    started = Started.model_validate({"test": "t", "hub": "h", "points": [], "profile": "p"})
    shown = progress("rehearsal", 20.0)[1]
    good, covered = shown["points"]
    good["devices"] = [{"kind": "camera", "status": "ok"}]
    covered["devices"] = [{"kind": "camera", "status": "bad", "causes": ["covered"]}]
    with progress_view(console, started, speech("vi")) as view:
        view.show(Progress.model_validate(shown))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # the StringIO above
    rows = [" ".join(line.split()) for line in lines if line.startswith("Xã")]
    assert rows[:2] == [
        "Xã Bom Bo đang đo 50 % 6,1 % – …",
        "Xã Đồng Nai không trả lời – – ✗ camera bị che",
    ]


def _seen(kind: str, status: str, **values: Value) -> DeviceLine:
    causes = {"in_use": (Cause.BUSY,), "warn": (Cause.WRONG_DEVICE,)}.get(status, ())
    return DeviceLine(
        kind=DeviceKind(kind), role="main", status=Status(status), causes=causes, values=values
    )


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([_seen("camera", "in_use", held_by="zoom.exe"), _seen("speaker", "ok")],
         "• in use (zoom.exe)"),
        ([_seen("camera", "in_use", held_by="zoom"), _seen("microphone", "in_use", held_by="zoom")],
         "• in use (zoom)"),
        ([_seen("camera", "in_use", held_by="obs"), _seen("microphone", "in_use", held_by="zoom")],
         "• in use (obs, zoom)"),
        ([_seen("codec", "in_use", held_by="call")], "• in use"),
        ([_seen("camera", "in_use")], "• in use"),
        ([_seen("camera", "in_use", held_by="zoom"), _seen("speaker", "warn", used="TV")],
         "! speaker: another device is used (TV)"),
    ],
)  # fmt: skip
def test_a_cell_of_devices_names_who_has_them(devices: list[DeviceLine], said: str) -> None:
    """Each program once; a call of the codec is no program."""
    assert device_words(devices, speech("en")) == said


def test_catalogue_folder_is_in_the_package() -> None:
    """The catalogue is found from the code, wherever that is installed."""
    assert Path(LOCALE_FOLDER, "vi", "LC_MESSAGES", "diemcau.mo").is_file()


def test_a_hub_that_could_not_measure_is_named_in_the_row() -> None:
    """The closed list has no word for it, and "cause unknown" would be less than is known."""
    findings = [
        {"rule": "test.hub.cpu", "status": "unknown", "value": 1.0, "limit": 0.95, "unit": "ratio"}
    ]
    row = point("bom-bo", "Xã Bom Bo", "unknown") | {"verdict": "unknown", "findings": findings}
    said = [verdict_and_cause(PointResult.model_validate(row), speech(one)) for one in ("vi", "en")]

    assert said[0].endswith(": máy chủ quá bận")
    assert said[1].endswith(": server too busy")


def test_a_capacity_that_was_asked_for_and_is_not_there_is_named() -> None:
    """A broker that went away costs the figure, not silently."""
    from_file = Result.model_validate(result([point("bom-bo", "Xã Bom Bo")]))
    shown = StringIO()
    print_result(from_file, Console(file=shown, width=120), speech("vi"), asked_for_capacity=True)

    assert "Chưa đo được: Xã Bom Bo; lý do có trong nhật ký máy chủ." in shown.getvalue()
