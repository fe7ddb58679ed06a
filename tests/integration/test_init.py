"""``diemcau init`` in an empty folder, and a district started by exactly what it prints."""

import asyncio
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from diemcau_contract.topics import Up, all_up, up
from tests.integration.district import free_port, wait_until

NAMES = """\
schema: diemcau.names/1
hub: {{id: bu-dang, name: Hội trường Huyện ủy}}
address: 127.0.0.1
ports: {{http: {http}, broker: {broker}, measure: {measure}}}
devices:
  - {{kind: microphone, source: {{format: lavfi, url: "anoisesrc=amplitude=0.02:color=pink"}}}}
points: [Xã Bom Bo, {{id: dak-nhau, name: Xã Đak Nhau}}]
"""
PROGRAMS = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"))
ENVIRONMENT = {**os.environ, "PATH": PROGRAMS, "LANG": "C.UTF-8"}

pytestmark = [
    pytest.mark.integration,
    pytest.mark.alone,
    pytest.mark.skipif(
        shutil.which("mosquitto", path=PROGRAMS) is None, reason="mosquitto is not installed"
    ),
]


def free_udp_port() -> int:
    """Return a UDP port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Started:
    """A district that ``init`` wrote, with the commands that it printed."""

    folder: Path
    ports: dict[str, int]
    commands: list[str]
    logs: Path
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def command(self, *words: str) -> str:
        """Return the one printed command with all these words, of those for this shell."""
        own = (one for one in self.commands if not one.startswith("sudo "))
        (found,) = (one for one in own if all(word in one for word in words))
        return found

    def copied_to_its_pc(self, room: str) -> Path:
        """Copy a room's folder as one is told to, and take it away here; return the PC's home."""
        home = self.logs / "pc"
        shutil.copytree(self.folder / "agents" / room, home / "diemcau")
        shutil.rmtree(self.folder / "agents" / room)
        return home

    def start(self, name: str, command: str, home: Path | None = None) -> None:
        """Start a command as a shell would, in a process group of its own."""
        own = {} if home is None else {"HOME": str(home)}
        with (self.logs / f"{name}.log").open("wb") as sink:
            self.running[name] = subprocess.Popen(
                ["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                env={**ENVIRONMENT, **own}, start_new_session=True,
            )  # fmt: skip

    def stop(self, *names: str) -> None:
        """End what was started here, by the id of its own group."""
        for name in names or tuple(reversed(self.running)):
            process = self.running.pop(name)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=20)

    def log(self, name: str) -> str:
        """Return what a part has said."""
        return (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Run a printed command to its end."""
        return subprocess.run(
            shlex.split(command), env=ENVIRONMENT, capture_output=True, encoding="utf-8",
            check=False, timeout=90,
        )  # fmt: skip

    def listens(self) -> bool:
        """Say whether the broker takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports["broker"])) == 0

    def board(self) -> dict[str, dict[str, Any]]:
        """Return what the server knows of every point; nothing while it does not answer."""
        url = f"http://127.0.0.1:{self.ports['http']}/api/v1/points"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return {row["point"]: row for row in json.load(answer)["points"]}
        except OSError:
            return {}

    def wait_for_room(self, key: str) -> None:
        """Wait until the server says ``key`` of the first room."""
        wait_until(f"{key} of the room", lambda: bool(self.board().get("xa-bom-bo", {}).get(key)))

    def secrets(self) -> list[str]:
        """Return every secret of the set."""
        files = [
            *self.folder.rglob("token"), *self.logs.rglob("*-password"),
        ]  # fmt: skip
        texts = [file.read_text(encoding="utf-8").strip() for file in files]
        return [text for text in texts if text]  # that of the mail server is yet to be written

    def account(self, home: Path, name: str) -> aiomqtt.Client:
        """Return a client that enters the broker by an account's written password."""
        password = (home / "broker-password").read_text(encoding="utf-8").strip()
        return aiomqtt.Client("127.0.0.1", self.ports["broker"], username=name, password=password)


@contextmanager
def written(tmp_path: Path) -> Iterator[Started]:
    """Write a district on free ports; end whatever was started in it."""
    ports = {"http": free_port(), "broker": free_port(), "measure": free_udp_port()}
    names, folder = tmp_path / "names.yaml", tmp_path / "huyen-Bu-Dang"
    names.write_text(NAMES.format(**ports), encoding="utf-8")
    done = subprocess.run(
        ["diemcau", "init", str(names), str(folder)], env=ENVIRONMENT, capture_output=True,
        encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    district = Started(
        folder, ports, [line[4:] for line in lines if line.startswith("    ")], tmp_path
    )
    assert not [secret for secret in district.secrets() if secret in done.stdout]
    try:
        yield district
    finally:
        district.stop()


def objects(log: str) -> list[dict[str, Any]]:
    """Return the lines of a log for programs; a line that is none fails."""
    return [json.loads(line) for line in log.splitlines()]


async def heard_of(district: Started, pc: Path, topics: Sequence[str]) -> list[str]:
    """Publish on ``topics`` as the first room; return which of them the server's account hears."""
    async with (
        district.account(district.folder / "server", "diemcau-server") as server,
        district.account(pc / "diemcau", "bu-dang.xa-bom-bo") as room,
    ):
        await server.subscribe(all_up(), qos=1)
        await server.subscribe("diemcau/v1/+/+/down/+", qos=1)
        for topic in topics:
            await room.publish(topic, b"forged", qos=1)
        heard = []
        async with asyncio.timeout(20):
            async for message in server.messages:
                if message.payload == b"forged":
                    heard.append(str(message.topic))
                    if heard[-1] == topics[-1]:
                        return heard
    return heard


def after_a_verbose_start(district: Started, server: str, agent: str, pc: Path) -> str:
    """Start both anew with every detail logged, test the room, end both; return the test's id."""
    district.stop("agent", "server")
    district.start("server", server + " --verbose")
    # A birth message that comes before the server listens is not kept for it.
    wait_until("the server has a session", lambda: "session with" in district.log("server"))
    district.start("agent", agent + " --verbose", pc)
    district.wait_for_room("agent_connected")
    shown = district.run(district.command("test-line") + " --quick --json xa-bom-bo")
    district.stop("agent", "server")
    return str(json.loads(shown.stdout)["test"])


def test_a_district_starts_by_the_printed_commands_and_keeps_its_rooms_apart(
    tmp_path: Path,
) -> None:
    """Broker, server and an agent meet and report; no room speaks for another; logs tell a test."""
    with written(tmp_path) as district:
        district.start("broker", district.command("mosquitto -c"))
        wait_until("the broker listens", district.listens)
        server = district.command("diemcau-server run")
        agent, pc = district.command("diemcau-agent run"), district.copied_to_its_pc("xa-bom-bo")
        district.start("server", server)
        district.start("agent", agent, pc)
        district.wait_for_room("last_report_at")
        assert district.board()["dak-nhau"]["state"] == "never_seen"

        # The last is the room's own: what was forbidden would have come before it.
        own = up("bu-dang", "xa-bom-bo", Up.RESULT)
        forbidden = [
            up("bu-dang", "dak-nhau", Up.REPORT), up("bu-dang", "dak-nhau", Up.HELLO),
            "diemcau/v1/bu-dang/dak-nhau/down/command", "diemcau/v1/bu-dang/xa-bom-bo/down/ack",
        ]  # fmt: skip
        assert asyncio.run(heard_of(district, pc, [*forbidden, own])) == [own]

        looked = json.loads(district.run(district.command("diemcau doctor") + " --json").stdout)
        results = {need["key"]: need["result"] for need in looked["needs"]}
        assert results.pop("clock") in {"pass", "fail", "unknown"}
        assert set(results.values()) == {"pass"}, results
        assert {
            "http_port", "server", "broker", "broker_hearing", "broker_acl", "broker_anonymous",
        } <= set(results)  # fmt: skip

        test = after_a_verbose_start(district, server, agent, pc)
        for part, least in (("server", {"test of 1 points begins", "test ended"}),
                            ("agent", {"test accepted", "test opened"})):  # fmt: skip
            said = objects(district.log(part))
            events = {one["message"].split(":")[0] for one in said if one.get("test") == test}
            assert least <= events, said
            assert part == "agent" or {one["level"] for one in said} >= {"debug", "info"}
        (begun,) = (one for one in objects(district.log("server")) if "begins" in one["message"])
        assert begun["request"]
        for name in ("broker", "server", "agent"):
            assert not [secret for secret in district.secrets() if secret in district.log(name)]
