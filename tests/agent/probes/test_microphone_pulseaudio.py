"""The microphone probe against a private PulseAudio with virtual devices."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from diemcau_agent.probes.frame import run_probe
from tests.agent.probes.peers.pulse import PulseServer, private_pulse

LIMIT_SECONDS = 60.0


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseServer]:
    """A sound server of the test's own, with one virtual microphone and what is fed to it."""
    with private_pulse(tmp_path, monkeypatch) as server:
        server.control("load-module", "module-null-sink", "sink_name=feed")
        server.control(
            "load-module", "module-remap-source", "source_name=ceiling_mic", "master=feed.monitor"
        )
        yield server


def _tone_bursts(seconds: int = 60) -> np.ndarray:
    """1 kHz of amplitude 0.1, half of the time: -26.0 dBFS in all, no steady noise."""
    time_axis = np.arange(seconds * 48_000) / 48_000
    gate = (time_axis % 0.5) < 0.25
    wave = 0.1 * np.sin(2 * np.pi * 1000 * time_axis) * gate
    dither = np.random.default_rng(1).normal(0, 0.0005, time_axis.size)
    return np.asarray((wave + dither) * 32767)


SYSTEM = {"format": "system", "device": "ceiling_mic", "seconds": 2.0}


def test_the_level_of_a_real_input_is_read(pulse: PulseServer) -> None:
    """A tone played into the virtual microphone arrives at its level."""
    pulse.play(_tone_bursts(), "feed")
    result, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
    assert (result.status, result.causes) == ("ok", ()), f"{result.values}\n{log}"
    assert result.values["rms_dbfs"] == pytest.approx(-26.0, abs=1.0)
    assert result.values["volume_ratio"] == pytest.approx(1.0, abs=0.01)


def test_mute_and_volume_are_told_without_listening(pulse: PulseServer) -> None:
    """A muted or turned-down input is a cause of its own, told before anything is opened."""
    pulse.control("set-source-mute", "ceiling_mic", "1")
    muted, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
    assert (muted.status, muted.causes) == ("bad", ("muted",)), log
    pulse.control("set-source-mute", "ceiling_mic", "0")
    pulse.control("set-source-volume", "ceiling_mic", "0")
    silent, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
    assert (silent.status, silent.causes) == ("bad", ("volume_zero",)), log


@pytest.mark.usefixtures("pulse")
def test_an_input_without_signal_is_digital_silence() -> None:
    """Nothing feeds the microphone: zeros, not a quiet room."""
    result, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
    assert (result.status, result.causes) == ("bad", ("digital_silence",)), log


def test_an_input_that_somebody_records_is_in_use(pulse: PulseServer) -> None:
    """Another program's recording is grey, with its name, and is not listened to."""
    recorder = subprocess.Popen(
        ["parec", f"--server={pulse.address}", "--device=ceiling_mic", "--raw"],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        result, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
        while result.status != "in_use" and time.monotonic() < deadline:
            result, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
    finally:
        recorder.terminate()
        recorder.wait(10)
    assert (result.status, result.causes) == ("in_use", ("busy",)), log
    assert "pa" in str(result.values["held_by"])


def test_a_missing_input_is_told_from_a_missing_server(
    pulse: PulseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such microphone is bad; no sound system in this session is unknown."""
    missing, log = run_probe("microphone", {"format": "system", "device": "Jabra"}, LIMIT_SECONDS)
    assert (missing.status, missing.causes) == ("bad", ("missing",)), log
    monkeypatch.setenv("PULSE_SERVER", f"unix:{pulse.folder}/nobody")
    down, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
    assert (down.status, down.causes) == ("unknown", ("unreachable",)), log
