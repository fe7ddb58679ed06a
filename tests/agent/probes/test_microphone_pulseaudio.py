"""The microphone probe against a private PulseAudio: its numbers are those of what is played."""

from pathlib import Path

import numpy as np
import pytest

from diemcau_agent.__main__ import main
from diemcau_agent.probes.frame import run_probe
from tests.agent.probes.makers_av import ENOUGH_SECONDS, SOUND_SETTINGS, sounding_room
from tests.agent.probes.sounds import RATE_HZ
from tests.agent.processes import write_config


def _tone_bursts(_seed: int) -> np.ndarray:
    """1 kHz of amplitude 0.1, half of the time: -26.0 dBFS in all, no steady noise."""
    time_axis = np.arange(4 * RATE_HZ) / RATE_HZ
    wave = 0.1 * np.sin(2 * np.pi * 1000 * time_axis) * ((time_axis % 0.5) < 0.25)
    dither = np.random.default_rng(1).normal(0, 0.0005, time_axis.size)
    return np.asarray(wave + dither, np.float32)


def test_the_level_of_a_real_input_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tone played into the virtual microphone arrives at its level, volume and mute beside it."""
    with sounding_room({"room": _tone_bursts}, tmp_path, monkeypatch):
        result, log = run_probe("microphone", SOUND_SETTINGS["microphone"], ENOUGH_SECONDS)

    assert (result.status, result.causes) == ("ok", ()), f"{result.values}\n{log}"
    assert result.values["rms_dbfs"] == pytest.approx(-26.0, abs=1.0)
    assert result.values["volume_ratio"] == pytest.approx(1.0, abs=0.01)
    assert result.values["muted"] is False


@pytest.mark.parametrize(
    ("language", "device", "expected"),
    [
        ("vi", "ceiling_mic", (0, "  Micro  đang dùng  chương trình khác đang dùng (pacat)\n")),
        ("en", "ceiling_mic", (0, "  Microphone  in use  used by another program (pacat)\n")),
        ("vi", "Jabra", (1, "  Micro  LỖI  không thấy thiết bị\n\nViệc cần làm, theo thứ tự:\n"
                            "  1. Kiểm tra micro: cắm lại dây USB, bật nguồn thiết bị.\n"
                            "     Lý do thường gặp: Dây lỏng, thiết bị chưa bật nguồn, hoặc đã bị "
                            "mang đi nơi khác.\n")),
        ("en", "Jabra", (1, "  Microphone  BAD  device not found\n\nWhat to do, in this order:\n"
                            "  1. Check the microphone: replug its USB cable, switch it on.\n"
                            "     Likely why: A loose cable, a device without power, or it was "
                            "taken elsewhere.\n")),
    ],
)  # fmt: skip
def test_check_says_what_is_busy_and_what_is_missing(
    language: str, device: str, expected: tuple[int, str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A microphone in use asks nothing of anybody: exit code 0; a missing one does: 1."""
    source = f"{{format: system, url: {device}}}"
    config = write_config(tmp_path, 1883, f"devices: [{{kind: microphone, source: {source}}}]\n")
    with (
        sounding_room({"recorder": True}, tmp_path, monkeypatch),
        pytest.raises(SystemExit) as left,
    ):
        main(["check", "microphone", "--config", str(config), "--lang", language])

    assert (left.value.code, capsys.readouterr().out) == expected
