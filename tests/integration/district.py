"""A small district of real processes: Mosquitto, server, agents, each ended by its own id."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml

from tests.certificates import certify

START_SECONDS = 60
"""A limit for tests that hang, not a figure: two busy cores start three agents in about 5 s."""
COMMAND_SECONDS = 120
"""As above: a test of three points takes 40 s."""
POLL_SECONDS = 0.2
"""A look costs the machine that is looked at: no more of them than a person would notice."""

ROOM = [
    {
        "kind": "camera",
        "role": "main",
        "source": {
            "format": "lavfi",
            "url": "testsrc2=size=640x360:rate=15,noise=alls=4:allf=t,realtime",
        },
    },
    {
        "kind": "microphone",
        "role": "main",
        "source": {"format": "lavfi", "url": "anoisesrc=amplitude=0.02:color=pink:seed=7"},
    },
]

PAST_SESSION = {
    "id": "lop-1",
    "hub": "bu-dang",
    "name": "Lớp 1",
    "form": "line",
    "profile": "small",
    "start": "2020-03-14T07:30:00",  # never the coming one
    "end": "2020-03-14T11:00:00",
}


def wait_until(what: str, done: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Poll ``done`` until it holds; fail with ``what`` when it never does."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain: {what}")
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    """Return a TCP port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command has ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def ended(process: "subprocess.Popen[str]") -> Ended:
    """Wait for the end of a command."""
    try:
        out, err = process.communicate(timeout=COMMAND_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    return Ended(process.returncode, out, err)


@dataclass
class Part:
    """One process of the district, with its log on disk."""

    name: str
    argv: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, appending to its log."""
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send ``how`` to this very process, wait for its end, return its exit code."""
        process = self.process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"{self.name} did not end on {how.name}:\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


@dataclass
class District:
    """Broker, server and agents with their files in one folder."""

    folder: Path
    points: Sequence[str]
    report_interval_seconds: float = 1
    silent_after_seconds: float = 90
    sessions: list[dict[str, Any]] = field(default_factory=lambda: [PAST_SESSION])
    ndt7: bool = False
    measure: dict[str, Any] = field(default_factory=dict)
    """More keys of the server's section ``measure``."""
    devices: list[dict[str, Any]] = field(default_factory=lambda: ROOM)
    parts: dict[str, Part] = field(default_factory=dict)
    broker_port: int = field(default_factory=free_port)
    agents_broker_port: int | None = None
    """Where agents find the broker, if not at its own port: a wire that can be cut."""
    tls_port: int | None = None
    """Where the server enters the broker by TLS, by an own authority; agents go in plain."""
    http_port: int = field(default_factory=free_port)
    measure_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def token_file(self) -> Path:
        """The file that the server writes its token to."""
        return self.folder / "token"

    def part(self, name: str, argv: list[str]) -> Part:
        """Add a process and start it."""
        self.parts[name] = Part(name, argv, self.folder / f"{name}.log")
        self.parts[name].start()
        return self.parts[name]

    def start_broker(self) -> None:
        """Start Mosquitto on a free port of loopback."""
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed")
        config = self.folder / "mosquitto.conf"
        lines = [f"listener {self.broker_port} 127.0.0.1", "allow_anonymous true",
                 "persistence false"]  # fmt: skip
        if self.tls_port is not None:
            certify(self.folder)
            lines += [
                "user root", f"listener {self.tls_port} 127.0.0.1",
                f"certfile {self.folder / 'broker.pem'}", f"keyfile {self.folder / 'broker.key'}",
            ]  # fmt: skip
        config.write_text("\n".join(lines) + "\n")
        self.part("mosquitto", [program, "-c", str(config)])
        wait_until("broker listens", lambda: _listens(self.broker_port))

    def start_server(self) -> None:
        """Write the server's file and start it."""
        config = self.folder / "server.yaml"
        config.write_text(yaml.safe_dump(self._server_config(), allow_unicode=True))
        ready = self.folder / "ready.json"
        argv = [sys.executable, "-m", "diemcau_server", "run", "--config", str(config)]
        self.part("server", [*argv, "--ready-file", str(ready)])
        self.wait_for_server()

    def wait_for_server(self) -> None:
        """Wait until the server answers on its port."""
        wait_until(f"server answers\n{self.parts['server'].tail()}", self._healthy)

    def start_agent(self, point: str, **changes: Any) -> None:
        """Write an agent's file, with ``changes`` of its sections, and start it."""
        home = self.folder / point
        home.mkdir(exist_ok=True)
        config = home / "agent.yaml"
        content = {
            "schema": "diemcau.agent/1",
            "hub": "bu-dang",
            "point": point,
            "broker": {"url": f"mqtt://127.0.0.1:{self.agents_broker_port or self.broker_port}"},
            "state_directory": str(home / "state"),
            "devices": self.devices,
            **changes,
        }
        config.write_text(yaml.safe_dump(content, allow_unicode=True))
        self.part(point, [sys.executable, "-m", "diemcau_agent", "run", "--config", str(config)])

    def get(self, path: str) -> Any:
        """GET ``path`` of the server; JSON where it is JSON, else text."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            text = answer.read().decode()
            is_json = answer.headers.get_content_type() == "application/json"
        return json.loads(text) if is_json else text

    def running_test(self) -> dict[str, Any]:
        """Ask the API for a test while one runs; return what its refusal says of that one."""
        order = urllib.request.Request(
            self.url + "/api/v1/tests",
            data=b"{}",
            headers={"Authorization": f"Bearer {self.token_file.read_text().strip()}"},
        )
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(order, timeout=10)
        with refused.value:
            content: dict[str, Any] = json.loads(refused.value.read())["error"]
        assert (refused.value.code, content["code"]) == (409, "test_running")
        return content

    def states(self) -> dict[str, str]:
        """Return the state of every point by the server's API."""
        return {row["point"]: row["state"] for row in self.get("/api/v1/points")["points"]}

    def wait_for_reports(self) -> None:
        """Wait until every point has reported."""
        logs = [self.parts[point].tail() for point in self.points]
        wait_until(
            "every point has reported\n" + "\n".join(logs),
            lambda: all(
                row["last_report_at"] is not None for row in self.get("/api/v1/points")["points"]
            ),
        )

    def command_line(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """Return how to run the technician's command: what to start, and its environment."""
        argv = [sys.executable, "-c", "from diemcau_server.entry import technician; technician()"]
        environment = {
            **os.environ, "DIEMCAU_SERVER": self.url, "LANG": "C.UTF-8", "TZ": "<+07>-7",
            "PYTHONIOENCODING": "utf-8",
        }  # fmt: skip
        token = ["--token-file", str(self.token_file)]
        return [*argv, arguments[0], *token, *arguments[1:]], environment

    def begun(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the technician's command against this district."""
        argv, environment = self.command_line(*arguments)
        return subprocess.Popen(
            argv, env=environment, encoding="utf-8", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def command(self, *arguments: str) -> Ended:
        """Run the technician's command against this district."""
        return ended(self.begun(*arguments))

    def report_keys(self) -> list[tuple[str, str, int]]:
        """Return the key of every report in the server's store."""
        path = self.folder / "state" / "diemcau.sqlite"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
            rows = store.execute("SELECT point, boot_id, seq FROM reports").fetchall()
        return [(point, boot_id, seq) for point, boot_id, seq in rows]

    def stop(self) -> None:
        """End everything, agents first."""
        for part in reversed(list(self.parts.values())):
            process = part.process
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _healthy(self) -> bool:
        try:
            return bool(self.get("/healthz")["status"])
        except OSError:
            return False

    def _servers_broker(self) -> dict[str, str]:
        if self.tls_port is None:
            return {"url": f"mqtt://127.0.0.1:{self.broker_port}"}
        return {"url": f"mqtts://127.0.0.1:{self.tls_port}", "ca_file": "ca.pem"}

    def _server_config(self) -> dict[str, Any]:
        plan = {
            "audio_bits_per_second": 64_000,
            "video_bits_per_second": 400_000,
            "frames_per_second": 30,
        }
        return {
            "schema": "diemcau.server/1",
            "timezone": "Asia/Ho_Chi_Minh",
            "http": {
                "host": "127.0.0.1",
                "port": self.http_port,
                "token_file": "token",
                "ndt7": self.ndt7,
            },
            "broker": self._servers_broker(),
            "store": {"url": "sqlite:///diemcau.sqlite"},
            "state_directory": "state",
            "measure": {"host": "127.0.0.1", "port": self.measure_port} | self.measure,
            "report_interval_seconds": self.report_interval_seconds,
            "silent_after_seconds": self.silent_after_seconds,
            "default_profile": "small",
            "hubs": [
                {
                    "id": "bu-dang",
                    "name": "Hội trường Huyện ủy",
                    "points": [{"id": point, "name": f"Xã {point}"} for point in self.points],
                }
            ],
            "sessions": self.sessions,
            "profiles": [{"id": "small", "name": "Small", "up": plan, "down": plan}],
        }


@contextmanager
def running_district(folder: Path, points: Sequence[str], **changes: Any) -> Iterator[District]:
    """Start broker, server and one agent a point; end them all whatever happens."""
    district = District(folder, points, **changes)
    try:
        district.start_broker()
        district.start_server()
        for point in points:
            district.start_agent(point)
        district.wait_for_reports()
        yield district
    finally:
        district.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
