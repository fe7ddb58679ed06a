"""A real Mosquitto on a free loopback port, ended by its process id."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_START_SECONDS = 10.0


def mosquitto_program() -> str | None:
    """Return the path of mosquitto; Debian keeps it out of a user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Mosquitto:
    """One broker; ``settings`` are further lines of its file."""

    program: str
    directory: Path
    settings: tuple[str, ...] = ("allow_anonymous true",)
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        file = self.directory / f"mosquitto-{self.port}.conf"
        lines = (f"listener {self.port} 127.0.0.1", "persistence false", *self.settings)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process = subprocess.Popen(
            [self.program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        pytest.fail("mosquitto does not listen")

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


@contextmanager
def running_mosquitto(directory: Path, *settings: str) -> Iterator[Mosquitto]:
    """Yield a broker with these lines in its file; the test is skipped where there is none."""
    program = mosquitto_program()
    if program is None:
        pytest.skip("mosquitto is not installed")
    running = Mosquitto(program, directory, settings)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker that lets everybody in."""
    with running_mosquitto(tmp_path, "allow_anonymous true") as running:
        yield running
