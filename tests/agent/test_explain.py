"""The numbers of a probe in words, and the question before a sound."""

import io
import sys
from pathlib import Path

import pytest

from diemcau_agent.__main__ import main
from diemcau_agent.baseline import read_baseline
from diemcau_agent.explain import explained
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult
from diemcau_contract.value_words import VALUES
from diemcau_contract.words import DeviceKind, Status

DARK = DeviceResult(
    kind=DeviceKind.CAMERA, status=Status.WARN, causes=(Cause.DARK,),
    values={"luma": 21.25, "idle_colour": False, "frames_per_second": None, "new_value": 1.5},
)  # fmt: skip


def test_a_number_stands_beside_its_limits() -> None:
    """In Vietnamese, with the decimal comma; the cause with its code and why."""
    text = "\n".join(explained(DARK, {}, "vi"))

    assert "21,2  hình đen: dưới 24,0; hình quá tối: dưới 30,0" in text
    assert "không" in text
    assert "→ hình quá tối (dark): " in text


def test_limits_of_the_file_are_those_that_are_shown() -> None:
    """And in English; a value without a word is shown by its code."""
    text = "\n".join(explained(DARK, {"limits": {"dark_luma": 20.0}}, "en"))

    assert "21.2  black picture: below 24.0; too dark: below 20.0" in text
    assert "new_value" in text


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
    _run(["check", "speaker", *flags], head + SPEAKER + SYSTEM, tmp_path)
    said = capsys.readouterr()

    assert ("Phát được không?" in said.err.replace("\n", " ")) is asked
    assert ("Loa" in said.out) is played
