"""The numbers of a probe in words, and the question before a sound."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from diemcau_agent.__main__ import main
from diemcau_agent.baseline import read_baseline
from diemcau_agent.explain import (
    RULES,
    explained,
    explained_host,
    explained_line,
    host_values,
)
from diemcau_agent.probes.line import judged_line, line_values
from diemcau_agent.statusfile import LineStatus
from diemcau_contract.causes import WORDING, Cause
from diemcau_contract.measurements import Quantiles, StampStatistics
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.value_words import VALUES
from diemcau_contract.words import DeviceKind, Status

DARK = DeviceResult(
    kind=DeviceKind.CAMERA, status=Status.WARN, causes=(Cause.DARK,),
    values={"luma": 21.25, "idle_colour": False, "frames_per_second": None, "new_value": 1.5},
)  # fmt: skip


STAMP = StampStatistics(
    packets_sent=60, packets_received=58, loss_ratio_up=0.025, loss_ratio_down=0.0,
    rtt_seconds=Quantiles(p50=0.0123, p95=0.02), queue_delay_up_seconds=None,
    queue_delay_down_seconds=None, clock_offset_seconds=0.0, clock_offset_bound_seconds=0.006,
)  # fmt: skip


def test_a_number_stands_beside_its_limits() -> None:
    """In Vietnamese, with the decimal comma; the cause with its code and why."""
    text = "\n".join(explained(DARK, {}, "vi"))

    assert (
        "21,2  hình đen: dưới 24,0 (khi độ sắc nét của đường viền dưới 1,2); hình đen: dưới 24,0 "
        "(khi độ sắc nét của đường viền dưới 4,0 và độ lệch sáng tối dưới 2,0); hình quá tối: "
        "dưới 30,0"
    ) in text
    assert "không" in text
    assert "→ hình quá tối (dark): " in text


def test_limits_of_the_file_are_those_that_are_shown() -> None:
    """And in English; a value without a word is shown by its code."""
    text = "\n".join(explained(DARK, {"limits": {"dark_luma": 20.0}}, "en"))

    assert "too dark: below 20.0" in text
    assert "new_value" in text


def test_a_limit_with_conditions_is_told_with_them() -> None:
    """A smooth picture is covered only where it is even, and not dark."""
    smooth = DARK.model_copy(update={"values": {"gradient": 2.5}})
    text = "\n".join(explained(smooth, {}, "en"))

    assert (
        "camera covered: below 1.2 (where mean brightness above 24.0); camera covered: "
        "below 4.0 (where spread of brightness below 12.0 and mean brightness above 30.0)"
    ) in text.replace(WORDING[Cause.COVERED].name.en, "camera covered")


def test_what_was_asked_of_a_camera_is_a_limit() -> None:
    """Size and rate, as the agent's file has them, beside the rate that is bad for any."""
    wide = DARK.model_copy(update={"values": {"width": 640, "frames_per_second": 18.0}})
    text = "\n".join(explained(wide, {"width": 1280, "frames_per_second": 30}, "en"))

    assert "other than 1280 px" in text
    assert "below 10.0" in text
    assert "below 24.0" in text


def test_the_line_is_explained_by_its_numbers() -> None:
    """Loss in per cent beside its limit, delays in milliseconds; nothing measured is a dash."""
    text = "\n".join(explained_line(line_values(STAMP), (Cause.OWN_LINE_UP,), "vi"))

    assert re.search(r"mất gói chiều lên +2,5 % .*: trên 1,0 %", text)
    assert re.search(r"trễ khứ hồi, trung vị +12,3 ms", text)
    assert re.search(r"gói lớn nhất đi qua được +-", text)
    assert "(own_line_up): " in text


def test_the_pc_is_explained_by_its_numbers() -> None:
    """The free disk in GB beside its limit, and what else is known in words."""
    host = HostState(
        status=Status.WARN, causes=(Cause.DISK_LOW,), disk_free_bytes=1_500_000_000,
        cpu_ratio=0.25, medium="cable", interface_bits_per_second=1e9, on_mains=True,
    )  # fmt: skip
    text = "\n".join(explained_host(host, "en"))

    assert re.search(r"free on the disk +1.5 GB .*: below 2.0 GB", text)
    assert re.search(r"speed of the network port +1000 Mbit/s", text)
    assert re.search(r"on mains power +yes", text)
    assert "(disk_low): " in text


def test_every_number_of_line_and_pc_has_words() -> None:
    """What --explain shows is read by people."""
    found = judged_line(LineStatus(port=8620, statistics=STAMP))

    assert {*host_values(HostState()), *found.values} <= set(VALUES)


def test_every_limit_is_one_of_the_profile() -> None:
    """Each rule is shown for some kind of device: no name in it is misspelt."""
    judged = [value for _, (value, _, _), *_ in RULES]
    shown = "\n".join(
        line
        for kind in (DeviceKind.CAMERA, DeviceKind.MICROPHONE, DeviceKind.SPEAKER)
        for line in explained(
            DeviceResult(kind=kind, status=Status.OK, values=dict.fromkeys(judged, 1.0)), {}, "en"
        )
    )
    causes = {cause for cause, *_ in RULES}

    assert {cause for cause in causes if WORDING[Cause(cause)].name.en not in shown} == set()


def test_every_value_has_words_in_both_languages() -> None:
    """A label of its own in each, no doubles."""
    labels = [shown.label for shown in VALUES.values()]

    assert all(label.vi and label.en for label in labels)
    assert len({label.vi for label in labels}) == len({label.en for label in labels}) == len(labels)


ROOM = """
schema: diemcau.agent/1
hub: bu-dang
point: bom-bo
broker: {url: "mqtt://127.0.0.1"}
state_directory: state
devices:
- {kind: microphone, source: {format: lavfi, url: "anoisesrc=amplitude=0.02:color=pink"}}
- {kind: camera, source: {format: v4l2, url: /dev/video-none}}
"""
SPEAKER = "- {kind: speaker, source: {format: system, url: no-such-speaker}}\n"
SYSTEM = "- {kind: microphone, source: {format: system}}\n"


def _run(arguments: list[str], room: str, folder: Path) -> int:
    file = folder / "agent.yaml"
    file.write_text(room, encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--config", str(file), "--lang", "vi"])
    return int(str(left.value.code))


def test_accept_keeps_what_works_and_says_what_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1: something could not be accepted; alone, the rest is accepted with 0."""
    assert _run(["accept"], ROOM, tmp_path) == 1
    said = capsys.readouterr().err
    assert "Đã ghi nhận: micro\n" in said
    assert "Chưa ghi nhận (sửa hoặc thử lại trước): camera\n" in said
    assert set(read_baseline(tmp_path / "state").devices) == {"microphone.main"}
    assert _run(["accept", "microphone"], ROOM, tmp_path) == 0


class _Keyboard(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


@pytest.mark.parametrize(
    ("typed", "flags", "asked", "played"),
    [
        ("k\n", [], True, False),
        ("", [], True, False),
        ("\n", [], True, True),
        ("c\n", [], True, True),
        ("k\n", ["--yes"], False, True),
    ],
)
def test_people_are_asked_before_a_sound(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    flags: list[str],
    *,
    asked: bool,
    played: bool,
) -> None:
    """No is no: the speaker is left out; --yes does not ask."""
    monkeypatch.setattr(sys, "stdin", _Keyboard(typed))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")
    head, _, _ = ROOM.partition("- {kind")
    code = _run(["check", "speaker", *flags], head + SPEAKER + SYSTEM, tmp_path)
    said = capsys.readouterr()

    assert ("Phát được không?" in said.err.replace("\n", " ")) is asked
    assert ("không phát theo yêu cầu" in said.out) is not played
    assert code == 1


@pytest.mark.parametrize("command", ["check", "accept"])
def test_what_is_named_and_not_in_the_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Not a silent success: a row that says so, a code for programs, exit code 1."""
    assert _run([command, "codec", "microphone"], ROOM, tmp_path) == 1
    assert re.search(r"không kiểm tra +không có trong tệp cấu hình\n", capsys.readouterr().out)
    assert _run([command, "network-camera", "--json"], ROOM, tmp_path) == 1
    content = json.loads(capsys.readouterr().out)
    assert [(row["key"], row["status"], row["code"]) for row in content["rows"]] == [
        ("network-camera", "not_applicable", "not_in_file")
    ]


def test_what_is_not_named_need_not_be_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A room without a codec is no fault; who is asked says no, and the rest counts."""
    only, _, _ = ROOM.partition("- {kind: camera")
    _run(["check"], only, tmp_path)

    assert "không có trong tệp cấu hình" not in capsys.readouterr().out
