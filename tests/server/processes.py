"""The server as a process of its own, for the tests that start one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

PATIENCE_SECONDS = 30.0
ANY_PORTS = "http: {port: 0}\nbroker: {url: embedded, port: 0}\n"
START = (sys.executable, "-m", "diemcau_server")


def start(
    file: Path, *more: str | Path, program: Sequence[str | Path] = START
) -> "subprocess.Popen[str]":
    """Start the server on ``file``."""
    command = [*program, "run", "--config", str(file), *more]
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


def wait_healthy(address: str) -> None:
    """Wait until every part works: a server is ready before its session with the broker is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := fetch(address + "/healthz"))[0] != HTTPStatus.OK:
        if time.monotonic() > deadline:
            pytest.fail(f"not healthy: {answer}")
        time.sleep(0.05)
    assert json.loads(answer[1])["status"] == "ok"


def stopped(process: "subprocess.Popen[str]") -> str:
    """End the server by SIGTERM, which it must obey with 0 and no trace; return its log."""
    os.kill(process.pid, signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, log
    assert "Traceback" not in log
    return log
