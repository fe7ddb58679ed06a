"""The whole project in a district: broker, server and agents as processes, the command as judge."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import psutil
import yaml

from diemcau_contract.profiles import Profile
from tests.lab import kernel, plan
from tests.lab.district import District, end_processes
from tests.lab.kernel import LabError
from tests.lab.pc import Pc

HUB = "lab"
HTTP_PORT = 8080
_BROKER_PORT = 1883
_READY_SECONDS = 60.0
_TEST_SECONDS = 150.0
_POLL_SECONDS = 0.2
_STEPPED_CLOCK = Path(__file__).parent / "stepped_clock"
_BEGUN = re.compile(r'"message": "test of \d+ points begins: .*?"test": "([^"]+)"')
_OFFSET = struct.Struct("=q")
_PROGRAMS = Path(sys.executable).parent


def missing() -> str:
    """Say what this machine lacks for the whole stack, or return an empty text."""
    lacking = [] if shutil.which("mosquitto") else ["mosquitto"]
    commands = ("diemcau", "diemcau-server", "diemcau-agent")
    lacking += [name for name in commands if not (_PROGRAMS / name).exists()]
    return kernel.missing() or (f"programs missing: {', '.join(lacking)}" if lacking else "")


def point_id(number: int) -> str:
    """Return the id of point ``number``."""
    return f"p{number:02}"


class Stack:
    """Broker, server and one agent per point, running as long as it is entered."""

    def __init__(self, points: int, profile: Profile) -> None:
        self.district = District(points)
        self.profile = profile
        self._folder = TemporaryDirectory(prefix="diemcau-lab-")
        self.path = Path(self._folder.name)
        self._agents: dict[int, subprocess.Popen[bytes]] = {}
        self._stepped: set[int] = set()
        self._pcs: dict[int, Pc] = {}
        self._log = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self.district.__enter__()
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        self.district.close()
        for pc in self._pcs.values():
            pc.close()
        self._log.close()
        self._folder.cleanup()

    def pc(self, number: int) -> Pc:
        """Return a point's PC."""
        return self._pcs[number]

    def test(self, points: int, *, capacity: bool = False) -> "Command":
        """Start ``diemcau test-line --json`` for points 1 to ``points``."""
        argv = [
            str(_PROGRAMS / "diemcau"),
            "test-line",
            *(point_id(number) for number in range(1, points + 1)),
            "--json",
            *(["--capacity"] if capacity else []),
            *("--server", f"http://127.0.0.1:{HTTP_PORT}"),
            *("--token-file", str(self.path / "token")),
        ]
        process = self.district.run_in(
            self.district.names.hub, argv, output=subprocess.PIPE, errors=subprocess.PIPE
        )
        return Command(process)

    def kill_agent(self, number: int) -> None:
        """Kill outright all that runs in a point: agent, measuring end, probes."""
        pids = kernel.output(["ip", "netns", "pids", self.district.names.point(number)])
        for pid in pids.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def restart_agent(self, number: int, *, own_clock: bool = False) -> None:
        """End a point's agent and start it again, on request with a wall clock of its own."""
        end_processes([self._agents[number]])
        self._start_agent(number, own_clock=own_clock)

    def step_clock(self, number: int, step_seconds: float) -> None:
        """Set the wall clock of an agent that was started with ``own_clock``."""
        offset = round(step_seconds * 1_000_000_000)
        with (self.path / f"clock{number}").open("r+b") as file:
            file.write(_OFFSET.pack(offset))

    def make_ready(self, points: int, keep: Sequence[int] = ()) -> None:
        """Bring back agents that have died or hold a clock of their own; wait for all.

        ``keep`` names those that may hold one.

        Raises:
            LabError: an agent stays away.
        """
        for number, agent in self._agents.items():
            if agent.poll() is not None or number in self._stepped - set(keep):
                self.restart_agent(number)
        wanted = {point_id(number) for number in range(1, points + 1)}
        self._until(lambda: wanted <= self._connected(), "agents did not connect")

    def get(self, path: str) -> Any:
        """Return the JSON that the server's API answers."""

        def ask() -> Any:
            connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=10)
            with contextlib.closing(connection):
                connection.request("GET", path)
                return json.loads(connection.getresponse().read())

        return kernel.inside(self.district.names.hub, ask)

    def running_test(self) -> dict[str, Any] | None:
        """Return the progress of the test that runs, or None."""
        begun = _BEGUN.findall((self.path / "server.log").read_text(errors="replace"))
        shown = self.get(f"/api/v1/tests/{begun[-1]}") if begun else {}
        return shown if "elapsed_seconds" in shown and "phase" in shown else None

    def _start(self) -> None:
        names = self.district.names
        broker = self.path / "mosquitto.conf"
        broker.write_text(f"listener {_BROKER_PORT} {plan.HUB_ADDRESS}\nallow_anonymous true\n")
        self._run("mosquitto", names.hub, ["mosquitto", "-c", str(broker)])
        self._write("server.yaml", self._server_document())
        ready = self.path / "ready"
        argv = [
            str(_PROGRAMS / "diemcau-server"),
            "run",
            "--config",
            str(self.path / "server.yaml"),
        ]
        server = self._run("server", names.hub, [*argv, "--ready-file", str(ready)])
        self._until(lambda: ready.exists() or server.poll() is not None, "server not ready")
        if server.poll() is not None:
            raise LabError(f"the server has ended: {self.log_tail('server')}")
        _go_first(server.pid, "hub")
        for number in names.numbers:
            self._pcs[number] = Pc(self.district, number)
            self._start_agent(number, own_clock=False)
        self.make_ready(names.points)

    def _server_document(self) -> dict[str, object]:
        points = [
            {"id": point_id(number), "name": f"Xã {number}"}
            for number in self.district.names.numbers
        ]
        return {
            "schema": "diemcau.server/1",
            "http": {"host": "127.0.0.1", "port": HTTP_PORT, "token_file": "token"},
            "broker": {"url": f"mqtt://{plan.HUB_ADDRESS}:{_BROKER_PORT}"},
            "state_directory": "state",
            "measure": {"host": plan.HUB_ADDRESS, "port": plan.MEASURE_PORT},
            "default_profile": self.profile.id,
            "hubs": [{"id": HUB, "name": "Hội trường huyện", "points": points}],
            "profiles": [self.profile.model_dump(mode="json")],
        }

    def _start_agent(self, number: int, *, own_clock: bool) -> None:
        folder = f"agent{number}"
        document = {
            "schema": "diemcau.agent/1",
            "hub": HUB,
            "point": point_id(number),
            "broker": {"url": f"mqtt://{plan.HUB_ADDRESS}:{_BROKER_PORT}"},
            "state_directory": folder,
            "devices": [],
        }
        file = self._write(f"{folder}.yaml", document)
        env: dict[str, str] = {}
        self._stepped.discard(number)
        if own_clock:
            self._stepped.add(number)
            clock = self.path / f"clock{number}"
            clock.write_bytes(_OFFSET.pack(0))
            env = {"PYTHONPATH": str(_STEPPED_CLOCK), "LAB_CLOCK_OFFSET_FILE": str(clock)}
        argv = [str(_PROGRAMS / "diemcau-agent"), "run", "--config", str(file)]
        process = self._run(folder, self.district.names.point(number), argv, env)
        self._agents[number] = process
        self._pcs[number].adopt(process.pid)

    def _run(
        self, name: str, namespace: str, argv: Sequence[str], env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        log = self._log.enter_context((self.path / f"{name}.log").open("ab"))
        return self.district.run_in(namespace, argv, env=env, output=log, errors=log)

    def log_tail(self, name: str) -> str:
        """Return the end of a program's log."""
        return (self.path / f"{name}.log").read_text(errors="replace")[-1500:]

    def _write(self, name: str, document: Mapping[str, object]) -> Path:
        file = self.path / name
        file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        return file

    def _connected(self) -> set[str]:
        rows = self.get("/api/v1/points")["points"]
        return {row["point"] for row in rows if row["agent_connected"]}

    def _until(self, is_done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not is_done():
            if time.monotonic() > deadline:
                raise LabError(f"{what} within {_READY_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)


def _go_first(parent: int, role: str) -> None:
    """Let the measuring process ``role`` of a program go before all others.

    In a district it shares no machine with the others; here it sends late whenever all are awake.
    """
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        for child in psutil.Process(parent).children():
            if child.cmdline()[-1:] == [role]:
                for thread in child.threads():
                    os.sched_setscheduler(thread.id, os.SCHED_RR, os.sched_param(1))


class Command:
    """A running ``diemcau test-line``."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def result(self) -> dict[str, Any]:
        """Wait for its end and return its JSON.

        Raises:
            LabError: it gave none, or took more than 150 s.
        """
        try:
            output, errors = self._process.communicate(timeout=_TEST_SECONDS)
        except subprocess.TimeoutExpired as error:
            end_processes([self._process])
            raise LabError(f"the test did not end within {_TEST_SECONDS:.0f} s") from error
        try:
            result: dict[str, Any] = json.loads(output)
        except json.JSONDecodeError as error:
            said = errors.decode(errors="replace").strip()[-600:]
            code = self._process.returncode
            raise LabError(f"test-line ended with {code} and no result: {said}") from error
        return result
