"""A private PulseAudio without any device, ended by its own process."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

_START_SECONDS = 20.0


class PulseServer:
    """A sound server of the test's own; devices come by ``control``."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:{folder}/native"
        self.folder = folder
        protocol = f"module-native-protocol-unix auth-anonymous=1 socket={folder}/native"
        self._process = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
             "--disallow-exit=no", f"--load={protocol}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._players: list[subprocess.Popen[bytes]] = []

    def wait(self) -> None:
        """Wait for the server's answer."""
        deadline = time.monotonic() + _START_SECONDS
        while not self.asked("info"):
            assert time.monotonic() < deadline, "PulseAudio does not answer"
            assert self._process.poll() is None, "PulseAudio ended"

    def control(self, *arguments: str) -> None:
        """Run pactl against this server."""
        subprocess.run(self._pactl(*arguments), check=True, capture_output=True)

    def asked(self, *arguments: str) -> str:
        """Return what pactl says, empty where it fails."""
        done = subprocess.run(self._pactl(*arguments), check=False, capture_output=True, text=True)
        return "" if done.returncode else done.stdout

    def play_silence(self, sink: str) -> None:
        """Let a program play to a sink until the end; returns once the server lists it."""
        with Path("/dev/zero").open("rb") as zeros:
            player = subprocess.Popen(
                ["pacat", f"--server={self.address}", "--playback", "--raw", f"--device={sink}"],
                stdin=zeros, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self._players.append(player)
        deadline = time.monotonic() + _START_SECONDS
        while not self.asked("list", "short", "sink-inputs").strip():
            assert time.monotonic() < deadline, "pacat does not play"

    def play(self, samples: np.ndarray, sink: str) -> None:
        """Play samples of 16 bit, 48 kHz, one channel, until the end of the test."""
        wave = self.folder / "wave.s16"
        wave.write_bytes(samples.astype("<i2").tobytes())
        form = ("--raw", "--rate=48000", "--channels=1", "--format=s16le")
        player = subprocess.Popen(
            ["pacat", f"--server={self.address}", "--playback", *form, f"--device={sink}",
             str(wave)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._players.append(player)

    def close(self) -> None:
        """End the players and the server."""
        for process in (*self._players, self._process):
            process.terminate()
            process.wait(10)

    def _pactl(self, *arguments: str) -> list[str]:
        return ["pactl", f"--server={self.address}", *arguments]


@contextmanager
def private_pulse(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[PulseServer]:
    """Yield a PulseAudio that the probes of this test see as the session's own."""
    if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
        pytest.skip("pulseaudio and pulseaudio-utils are not installed")
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        patch.setenv(name, str(folder))
    server = PulseServer(folder)
    try:
        server.wait()
        patch.setenv("PULSE_SERVER", server.address)
        yield server
    finally:
        server.close()
