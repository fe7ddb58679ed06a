"""The microphone probe against a private PulseAudio with virtual devices."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from diemcau_agent.probes.frame import run_probe

LIMIT_SECONDS = 60.0


class PrivatePulse:
    """A sound server of the test's own, with one virtual microphone and what is fed to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server = f"unix:{directory}/native"
        modules = (
            f"module-native-protocol-unix auth-anonymous=1 socket={directory}/native",
            "module-null-sink sink_name=feed",
            "module-remap-source source_name=ceiling_mic master=feed.monitor",
        )
        self._process = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
             "--disallow-exit=no", *(f"--load={module}" for module in modules)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._players: list[subprocess.Popen[bytes]] = []

    def wait(self) -> None:
        """Wait for the server's answer."""
        deadline = time.monotonic() + 20
        while subprocess.run(self._pactl("info"), capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "PulseAudio does not answer"
            assert self._process.poll() is None, "PulseAudio ended"

    def control(self, *arguments: str) -> None:
        """Run pactl against this server."""
        subprocess.run(self._pactl(*arguments), check=True, capture_output=True)

    def play(self, samples: np.ndarray) -> None:
        """Feed samples of 16 bit, 48 kHz, to the microphone until the end of the test."""
        wave = self.directory / "wave.s16"
        wave.write_bytes(samples.astype("<i2").tobytes())
        self._players.append(
            subprocess.Popen(
                [
                    "pacat",
                    f"--server={self.server}",
                    "--playback",
                    "--raw",
                    "--rate=48000",
                    "--channels=1",
                    "--format=s16le",
                    "--device=feed",
                    str(wave),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def close(self) -> None:
        """End the players and the server."""
        for process in (*self._players, self._process):
            process.terminate()
            process.wait(10)

    def _pactl(self, *arguments: str) -> list[str]:
        return ["pactl", f"--server={self.server}", *arguments]


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivatePulse]:
    """A private PulseAudio that the probes of this test see as the session's own."""
    if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
        pytest.skip("pulseaudio and pulseaudio-utils are not installed")
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    server = PrivatePulse(tmp_path)
    try:
        server.wait()
        monkeypatch.setenv("PULSE_SERVER", server.server)
        yield server
    finally:
        server.close()


def _tone_bursts(seconds: int = 60) -> np.ndarray:
    """1 kHz of amplitude 0.1, half of the time: -26.0 dBFS in all, no steady noise."""
    time_axis = np.arange(seconds * 48_000) / 48_000
    gate = (time_axis % 0.5) < 0.25
    wave = 0.1 * np.sin(2 * np.pi * 1000 * time_axis) * gate
    dither = np.random.default_rng(1).normal(0, 0.0005, time_axis.size)
    return np.asarray((wave + dither) * 32767)


SYSTEM = {"format": "system", "device": "ceiling_mic", "seconds": 2.0}


def test_the_level_of_a_real_input_is_read(pulse: PrivatePulse) -> None:
    """A tone played into the virtual microphone arrives at its level."""
    pulse.play(_tone_bursts())
    result, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
    assert (result.status, result.causes) == ("ok", ()), f"{result.values}\n{log}"
    assert result.values["rms_dbfs"] == pytest.approx(-26.0, abs=1.0)
    assert result.values["volume_ratio"] == pytest.approx(1.0, abs=0.01)


def test_mute_and_volume_are_told_without_listening(pulse: PrivatePulse) -> None:
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


def test_an_input_that_somebody_records_is_in_use(pulse: PrivatePulse) -> None:
    """Another program's recording is grey, with its name, and is not listened to."""
    recorder = subprocess.Popen(
        ["parec", f"--server={pulse.server}", "--device=ceiling_mic", "--raw"],
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
    pulse: PrivatePulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such microphone is bad; no sound system in this session is unknown."""
    missing, log = run_probe("microphone", {"format": "system", "device": "Jabra"}, LIMIT_SECONDS)
    assert (missing.status, missing.causes) == ("bad", ("missing",)), log
    monkeypatch.setenv("PULSE_SERVER", f"unix:{pulse.directory}/nobody")
    down, log = run_probe("microphone", SYSTEM, LIMIT_SECONDS)
    assert (down.status, down.causes) == ("unknown", ("unreachable",)), log
