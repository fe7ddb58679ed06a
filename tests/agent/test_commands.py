import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from diemcau_agent.__main__ import main
from diemcau_agent.devices import ExpectedDevice, inventory
from diemcau_agent.devicewatch import merged
from diemcau_agent.linkfaults import LinkFault
from diemcau_agent.rows import device_row
from diemcau_agent.statusfile import (
    FILE_NAME,
    AgentStatus,
    LineStatus,
    LinkStatus,
    Sentence,
    own_start,
    read_status,
    write_status,
)
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Status
from tests.agent.processes import write_config
from tests.agent.statuses import NOW, STAMP, device, room


def told(
    folder: Path, capsys: pytest.CaptureFixture[str], status: AgentStatus | None, *more: str
) -> tuple[object, str]:
    """Run the status command; return exit code and text."""
    if status is not None:
        write_status(folder / "state", status)
    with pytest.raises(SystemExit) as left:
        main(["status", "--config", str(write_config(folder, 1883)), *(more or ("--lang", "vi"))])
    return left.value.code, capsys.readouterr().out


def test_a_room_that_is_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All well: ready, the figures of the line, exit code 0."""
    code, text = told(tmp_path, capsys, room())
    assert code == 0
    assert text.splitlines()[0] == "bu-dang/bom-bo: SẴN SÀNG"
    assert "trễ 12,3 ms, mất gói chiều lên 0,0 %, mất gói chiều xuống 0,0 %" in text


def test_line_and_pc_are_explained_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each number of what has no device of its own, those with a limit beside it."""
    write_status(tmp_path / "state", room())
    config = str(write_config(tmp_path, 1883))
    with pytest.raises(SystemExit):
        main(["check", "line", "host", "--explain", "--config", config, "--lang", "vi"])
    text = capsys.readouterr().out

    assert re.search(r"--- line\n(.*\n)*  trễ khứ hồi, trung vị +12,3 ms\n", text)
    assert re.search(r"  mất gói chiều lên +0,0 % .*: trên 1,0 %\n", text)
    assert re.search(r"--- host\n(.*\n)*  ổ đĩa còn trống +[0-9,]+ GB .*: dưới 2,0 GB\n", text)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("vi", ("CHƯA RÕ", "  Camera  chưa rõ  có cắm, chưa thử; muốn thử: diemcau-agent check")),
        ("en", ("UNKNOWN", "  Camera  unknown  there, not tried yet; to try: diemcau-agent check")),
    ],
)
def test_a_device_that_is_only_plugged_in_is_not_called_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, expected: tuple[str, str]
) -> None:
    """A covered camera is there as well: only its signal makes a room ready."""
    (there,) = inventory([ExpectedDevice("camera", "main", {"format": "lavfi", "url": "x"})])
    code, text = told(tmp_path, capsys, room(devices=(there,)), "--lang", language)
    rows = [" ".join(line.split()) for line in text.splitlines()]
    verdict, row = expected
    assert code == 1
    assert rows[0] == f"bu-dang/bom-bo: {verdict}"
    assert " ".join(row.split()) in rows


def test_what_to_touch_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad things come before warnings, each with its action; exit code 1."""
    status = room(
        host=HostState(status=Status.WARN, causes=(Cause.ON_BATTERY,)),
        devices=(
            device(Status.OK, kind=DeviceKind.MICROPHONE),
            device(Status.BAD, Cause.MISSING),
        ),
    )
    code, text = told(tmp_path, capsys, status)
    assert code == 1
    assert text.splitlines()[0] == "bu-dang/bom-bo: CHƯA SẴN SÀNG"
    assert text.splitlines()[-4:] == [
        "  1. Kiểm tra camera: cắm lại dây USB, bật nguồn thiết bị.",
        "     Lý do thường gặp: Dây lỏng, thiết bị chưa bật nguồn, hoặc đã bị mang đi nơi khác.",
        "  2. Cắm sạc cho máy tính.",
        "     Lý do thường gặp: Chưa cắm sạc hoặc mất điện.",
    ]


def test_who_uses_a_device_and_which_one_is_used_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named beside the cause; in use asks nothing of anybody, the wrong device does."""
    used = device(Status.WARN, Cause.WRONG_DEVICE, kind=DeviceKind.SPEAKER)
    busy = device(Status.IN_USE, Cause.BUSY, kind=DeviceKind.MICROPHONE)
    status = room(
        devices=(
            busy.model_copy(update={"values": {"held_by": "zoom"}}),
            used.model_copy(update={"values": {"used": "Samsung TV"}}),
        )
    )
    code, text = told(tmp_path, capsys, status)

    assert code == 0
    assert "chương trình khác đang dùng (zoom)" in text
    assert "máy đang dùng thiết bị khác (Samsung TV)" in text
    assert "1. Chọn lại đúng loa trong cài đặt của máy" in text
    assert "2." not in text.rpartition("Việc cần làm")[2]


def test_rows_follow_the_handbook_and_carry_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Link, line and PC before the devices; for programs each row has its causes as codes."""
    status = room(
        host=HostState(status=Status.WARN, causes=(Cause.SLEEP_TIMER, Cause.ON_BATTERY)),
        devices=(device(Status.BAD, Cause.BLACK, Cause.LOW_FPS),),
    )
    _, text = told(tmp_path, capsys, status, "--json")
    rows = json.loads(text)["rows"]

    assert [row["key"] for row in rows] == ["link", "line", "host", "camera.main"]
    assert [row["causes"] for row in rows[2:]] == [
        ["sleep_timer", "on_battery"],
        ["black", "low_fps"],
    ]
    assert rows[3]["why"]["vi"].startswith("Nắp camera đóng")


def test_in_english(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same in English where it is asked for."""
    code, text = told(
        tmp_path, capsys, room(devices=(device(Status.BAD, Cause.BLACK),)), "--lang", "en"
    )
    assert code == 1
    assert "NOT READY" in text
    assert "1. Open the camera's lens cap or shutter" in text


def test_without_contact_the_line_is_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No session: its problem in words, and no row for a line nobody measures now."""
    link = LinkStatus(connected=False, problem=Sentence(vi="máy chủ không trả lời", en="silent"))
    code, text = told(tmp_path, capsys, room(link=link))
    assert code == 1
    assert "máy chủ không trả lời" in text
    assert "Đường truyền" not in text


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"link": LinkStatus(connected=False)}, {"link": "connecting"}),
        ({"link": LinkStatus(connected=False, fault=LinkFault.LOGIN_REFUSED,
                             problem=Sentence(vi="từ chối", en="refused"))},
         {"link": "login_refused"}),
        ({"line": LineStatus()}, {"line": "not_measured"}),
        ({"devices": (DeviceResult(kind=DeviceKind.CAMERA, status=Status.OK,
                                   values={"untried": True}),)},
         {"camera.main": "untried"}),
        ({"devices": (DeviceResult(kind=DeviceKind.CAMERA, status=Status.UNKNOWN,
                                   values={"holders_hidden": True}),)},
         {"camera.main": "holders_hidden"}),
        ({}, {}),
    ],
)  # fmt: skip
def test_programs_are_told_by_codes(
    changes: dict[str, object], codes: dict[str, str],
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Where no cause of the closed list says it, ``code`` does: no sentence stands alone."""
    _, text = told(tmp_path, capsys, room(**changes), "--json")
    rows = json.loads(text)["rows"]

    assert {row["key"]: row["code"] for row in rows if row["code"]} == codes
    for row in rows:
        assert row["status"] == "ok" or row["causes"] or row["code"]


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_codec_in_a_call_is_said_to_be_in_one(language: str) -> None:
    """Not used by another program that is named "call"."""
    values = {"held_by": "call"}
    row = device_row(
        DeviceResult(
            kind=DeviceKind.CODEC, status=Status.IN_USE, causes=(Cause.BUSY,), values=values
        )
    )

    said = {"vi": "đang trong cuộc gọi", "en": "in a call"}
    assert (row.detail.vi if language == "vi" else row.detail.en) == said[language]


@pytest.mark.parametrize(
    "changes",
    [
        {"written_at": NOW - timedelta(minutes=10)},
        {"process_started_at": 1.0},
        {"stopped": True},
    ],
)
def test_a_stale_file_is_no_status(
    changes: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too old, of another process, or of a stopped agent: it does not run, exit code 3."""
    code, text = told(tmp_path, capsys, room(**changes))
    assert code == 3
    assert text.splitlines()[1] == (
        "phần mềm diemcau chưa chạy: bật lại máy tính, hoặc gọi kỹ thuật viên của huyện."
    )


def test_no_file_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An agent that never ran does not run."""
    code, text = told(tmp_path, capsys, None)
    assert code == 3
    assert "phần mềm diemcau chưa chạy" in text


def test_half_a_status_file_is_none(tmp_path: Path) -> None:
    """A file that is no status of this version is not read."""
    (tmp_path / FILE_NAME).write_text('{"schema": "other"', encoding="utf-8")
    assert read_status(tmp_path) is None


def test_an_unknown_probe_names_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check camra: exit code 2 and the probe that was meant."""
    config = write_config(tmp_path, 1883)
    with pytest.raises(SystemExit) as left:
        main(["check", "camra", "--config", str(config), "--lang", "vi"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said == "lỗi: không có phép kiểm tra 'camra'; gần nhất: camera, network-camera\n"


def test_check_opens_the_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check camera looks at real frames; a missing one is named with its action; exit code 1."""
    good = "testsrc2=size=640x360:rate=30,realtime"
    devices = (
        "devices:\n"
        f"- {{kind: camera, source: {{format: lavfi, url: '{good}'}}}}\n"
        "- {kind: camera, role: side, source: {format: v4l2, url: /dev/video-none}}\n"
    )
    config = write_config(tmp_path, 1883, devices)
    with pytest.raises(SystemExit) as left:
        main(["check", "camera", "--config", str(config), "--lang", "vi", "--explain"])
    assert left.value.code == 1
    text = capsys.readouterr().out
    assert text.splitlines()[0].split() == ["Camera", "tốt"]
    assert "không thấy thiết bị" in text
    assert "--- camera.side" in text
    assert re.search(
        r"^ +độ sáng trung bình \(0-255\) +\d+,\d  hình đen: dưới 24,0", text, re.MULTILINE
    )


@pytest.mark.parametrize(
    ("worked_seconds", "measured", "told"),
    [(60, timedelta(0), {"clock_off", "cpu_busy"}), (10, timedelta(0), {"clock_off"}),
     (60, timedelta(minutes=5), {"cpu_busy"})],
)  # fmt: skip
def test_check_host_asks_the_running_agent_for_what_takes_time(
    worked_seconds: int, measured: timedelta, told: set[str],
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Clock drift and load: fresh only, and no load of an agent that has just begun."""
    _, started = own_start()
    written = max(datetime.now(UTC), datetime.fromtimestamp(started + worked_seconds, UTC))
    if worked_seconds < 30:
        written = datetime.fromtimestamp(started + worked_seconds, UTC)
    drifted = replace(STAMP, clock_offset_seconds=3.0)
    line = LineStatus(port=8620, statistics=drifted, measured_at=written - measured)
    host = HostState(status=Status.OK, cpu_ratio=0.95)
    interval = 3600.0 if measured == timedelta(0) else 30.0
    status = room(written_at=written, line=line, host=host, interval_seconds=interval)
    write_status(tmp_path / "state", status)
    config = write_config(tmp_path, 1883)
    with pytest.raises(SystemExit):
        main(["check", "host", "--config", str(config), "--json"])
    (row,) = json.loads(capsys.readouterr().out)["rows"]

    assert set(row["causes"]) & {"clock_off", "cpu_busy"} == told


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("vi", "  Camera  LỖI  không thấy thiết bị\n\nViệc cần làm, theo thứ tự:\n"
               "  1. Kiểm tra camera: cắm lại dây USB, bật nguồn thiết bị.\n"
               "     Lý do thường gặp: Dây lỏng, thiết bị chưa bật nguồn, hoặc đã bị mang đi nơi "
               "khác.\n"),
        ("en", "  Camera  BAD  device not found\n\nWhat to do, in this order:\n"
               "  1. Check the camera: replug its USB cable, switch it on.\n"
               "     Likely why: A loose cable, a device without power, or it was taken "
               "elsewhere.\n"),
    ],
)  # fmt: skip
def test_check_says_what_to_do_for_a_missing_camera(
    language: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The device's path is not there: one bad row, one action; exit code 1."""
    devices = "devices: [{kind: camera, source: {format: v4l2, url: /dev/video-none}}]\n"
    config = write_config(tmp_path, 1883, devices)
    with pytest.raises(SystemExit) as left:
        main(["check", "camera", "--config", str(config), "--lang", language])

    assert (left.value.code, capsys.readouterr().out) == (1, said)


def test_a_gone_device_is_gone_and_a_found_one_keeps_its_look() -> None:
    """Presence wins over an old look, an old look over mere presence, but not its "missing"."""
    gone = device(Status.BAD, Cause.MISSING)
    here = device(Status.OK).model_copy(update={"values": {"untried": True}})
    black = device(Status.BAD, Cause.BLACK)
    key = (here.kind, here.role)
    assert merged(here, {key: black}) is black
    assert merged(gone, {key: black}) is gone
    assert merged(here, {key: gone}) is here
    assert merged(here, {}) is here
