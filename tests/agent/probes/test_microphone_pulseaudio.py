"""The microphone probe against a private PulseAudio: its numbers are those of what is played."""

from pathlib import Path

import numpy as np
import pytest

from diemcau_agent.probes.frame import run_probe
from tests.agent.probes.makers_av import ENOUGH_SECONDS, SOUND_SETTINGS, sounding_room
from tests.agent.probes.sounds import RATE_HZ


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
