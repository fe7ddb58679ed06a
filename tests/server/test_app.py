"""The server as a process: it starts whole, tells where it is, and stops clean."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import aiomqtt
import pytest

from diemcau_contract.codec import decode_down
from diemcau_contract.messages import Ack, Settings
from diemcau_contract.topics import Down, all_down
from diemcau_server.link import BrokerAddress
from tests.server.district import FILE
from tests.server.reports import TOPIC, payload, report

PATIENCE_SECONDS = 30.0
ANY_PORTS = "http: {port: 0}\nbroker: {url: embedded, port: 0}\n"


def start(file: Path, *more: str) -> "subprocess.Popen[str]":
    """Start the server on ``file``."""
    command = [sys.executable, "-m", "diemcau_server", "run", "--config", str(file), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_ready(file: Path, process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return what the ready file says, once it is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists():
            ready: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return ready
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"not ready: {process.communicate()[1]}")


def fetch(address: str) -> tuple[int, bytes]:
    """Return status and body."""
    try:
        with urlopen(address, timeout=PATIENCE_SECONDS) as answer:  # our own server
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[dict[str, Any], "subprocess.Popen[str]"]]:
    """A server on free ports with its own embedded broker."""
    file = tmp_path / "district.yaml"
    file.write_text(FILE + ANY_PORTS, encoding="utf-8")
    process = start(file, "--ready-file", str(tmp_path / "ready.json"))
    yield wait_ready(tmp_path / "ready.json", process), process
    if process.poll() is None:
        process.kill()
        process.communicate()


async def converse(broker: str) -> tuple[Settings, Ack]:
    """Be a point: send a report, return the settings and the acknowledgement that come."""
    address = BrokerAddress.of(broker)
    got: dict[str, Any] = {}
    async with aiomqtt.Client(address.host, address.port) as point:
        await point.subscribe(all_down("bu-dang", "bom-bo"), qos=1)
        await point.publish(
            TOPIC.format(point="bom-bo"), payload(report(1, taken_at=datetime.now(UTC))), qos=1
        )
        hello = {
            "schema": "diemcau.hello/1", "hub": "bu-dang", "point": "bom-bo",
            "boot_id": "0123456789abcdef", "connection": 1, "online": True, "version": "0",
        }  # fmt: skip
        await point.publish("diemcau/v1/bu-dang/bom-bo/up/hello", json.dumps(hello), qos=1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for message in point.messages:
                kind = str(message.topic).rsplit("/", 1)[1]
                assert isinstance(message.payload, bytes)
                got[kind] = decode_down(Down(kind), message.payload)
                if len(got) == 2:
                    break
    return got["settings"], got["ack"]


def test_a_server_starts_serves_and_stops(
    running: tuple[dict[str, Any], "subprocess.Popen[str]"],
) -> None:
    """Health, settings, acknowledgement, metrics; then SIGTERM ends it with 0 and no trace."""
    ready, process = running
    assert Path(ready["token_file"]).stat().st_mode & 0o777 == 0o600
    settings, ack = asyncio.run(converse(ready["broker"]))
    assert settings.measure is not None
    assert settings.measure.port == ready["measure_port"]
    assert ack.ranges == ((1, 1),)
    status, body = fetch(ready["http"] + "/healthz")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    status, text = fetch(ready["http"] + "/metrics")
    assert status == 200
    assert b'diemcau_ingest_messages_total{result="accepted"} 1.0' in text
    promtool = shutil.which("promtool")
    if promtool is not None:
        check = [promtool, "check", "metrics"]
        done = subprocess.run(check, input=text, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    os.kill(process.pid, signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert "Traceback" not in log
    assert log.splitlines()[-1].endswith("stopped")


def test_a_taken_port_is_told_in_one_line(
    running: tuple[dict[str, Any], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    """A second server on the same HTTP port ends with 1 and says which port, without a trace."""
    port = running[0]["http"].rsplit(":", 1)[1]
    other = tmp_path / "other"
    other.mkdir()
    file = other / "district.yaml"
    file.write_text(FILE + ANY_PORTS.replace("{port: 0}", f"{{port: {port}}}"), encoding="utf-8")
    second = start(file)
    _, log = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert "Traceback" not in log
    assert log.splitlines()[-1].startswith(
        f"Máy chủ không chạy được: không mở được cổng 127.0.0.1:{port}: "
    )
