"""Probes that do what a probe must not, to be run in a child process by name."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from diemcau_agent.probes.result import ProbeResult


def hang(_settings: Mapping[str, object]) -> ProbeResult:
    """Never come back."""
    time.sleep(600)
    return ProbeResult("ok")


def abort(_settings: Mapping[str, object]) -> ProbeResult:
    """Die as a driver's bug does."""
    os.abort()


def raise_error(_settings: Mapping[str, object]) -> ProbeResult:
    """Fail with an address that bears a login in its message."""
    raise RuntimeError("cannot open rtsp://admin:secret@10.0.0.9/main")


def say(settings: Mapping[str, object]) -> ProbeResult:
    """Print a text to standard error."""
    sys.stderr.write(f"{settings['text']}\n")
    return ProbeResult("ok")


def chatter(settings: Mapping[str, object]) -> ProbeResult:
    """Print to standard output, as C libraries do, and still answer."""
    sys.stdout.write("ALSA lib: noise\n")
    os.write(1, b"more noise\n")
    sys.stdout.flush()
    return ProbeResult("ok", (), {"nice": os.nice(0), "echo": str(settings["echo"])})


def invent_cause(_settings: Mapping[str, object]) -> ProbeResult:
    """Answer with a word outside the closed list."""
    return ProbeResult("bad", ("gremlins",))


def long_answer(_settings: Mapping[str, object]) -> ProbeResult:
    """Answer with more text than may leave a room."""
    return ProbeResult("ok", (), {"text": "x" * 5000})


def keep_picture(settings: Mapping[str, object]) -> ProbeResult:
    """Leave a picture behind."""
    (Path(str(settings["folder"])) / "picture.png").write_bytes(b"a face")
    return ProbeResult("ok")


def phone_home(_settings: Mapping[str, object]) -> ProbeResult:
    """Send a picture to somebody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a face", ("127.0.0.1", 9))
    return ProbeResult("ok")


def start_program(_settings: Mapping[str, object]) -> ProbeResult:
    """Let another program do it."""
    subprocess.run(["/bin/true"], check=True)
    return ProbeResult("ok")


def open_door(_settings: Mapping[str, object]) -> ProbeResult:
    """Wait for somebody to come and look."""
    with socket.create_server(("127.0.0.1", 0)):
        return ProbeResult("ok")
