"""``diemcau demo`` as a user runs it: it finds what it hid, and nothing of it stays."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.integration.district import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(400)]
HIDDEN = {
    "Xã Bom Bo": "✗ not ready: own line, up",
    "Xã Đak Nhau": "✗ not ready: camera covered",
    "Xã Thọ Sơn": "✗ not ready: microphone gives no signal",
    "Xã Đồng Nai": "? not known: no contact",
    "Xã Phước Sơn": "✗ not ready: camera: frozen picture",
}
"""What the storyline hides, as the table must tell it."""
END_SECONDS = 300
"""A limit for a demo that hangs, not a figure: it may wait a minute for a calm machine."""
PROGRAM = (
    # A shell's background job ignores Ctrl-C, and so would all that pytest starts there.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from diemcau_server.cli.main import main; main()"
)


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo with a folder for temporary files of its own."""

    process: subprocess.Popen[bytes]
    temporary: Path
    out: Path
    err: Path

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return exit code, standard output and standard error."""
        code = self.process.wait(timeout=END_SECONDS)
        return code, self.out.read_text("utf-8"), self.err.read_text("utf-8")

    def wait_for(self, words: str) -> None:
        """Wait until the demo has said ``words``; one that ends before fails the test."""
        wait_until(
            f"the demo says {words!r}, or has ended",
            lambda: words in self.said() or self.process.poll() is not None,
            END_SECONDS,
        )
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        """Return all that it has said so far."""
        return self.out.read_text("utf-8") + self.err.read_text("utf-8")

    def processes(self) -> list[psutil.Process]:
        """Return all processes that work for this demo, itself too."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = [*process.cmdline(), *process.environ().values()]
                if any(str(self.temporary) in word for word in words):
                    found.append(process)
        return found

    def ports(self) -> set[int]:
        """Return the TCP ports that it listens on."""
        ports = set()
        for process in self.processes():
            with suppress(psutil.Error):
                ports |= {
                    one.laddr.port
                    for one in process.net_connections("tcp")
                    if one.status == psutil.CONN_LISTEN
                }
        return ports


@contextmanager
def running_demo(folder: Path, *options: str) -> Iterator[Demo]:
    """Start the demo; end it, and by its own rules all that it started, whatever happens."""
    temporary, out, err = folder / "temporary", folder / "out", folder / "err"
    temporary.mkdir()
    environment = {
        **os.environ, "TMPDIR": str(temporary), "COLUMNS": "200", "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    with out.open("wb") as out_sink, err.open("wb") as err_sink:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "demo", *options, "--lang", "en"],
            env=environment, stdin=subprocess.DEVNULL, stdout=out_sink, stderr=err_sink,
        )  # fmt: skip
    try:
        yield Demo(process, temporary, out, err)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)


def assert_nothing_left(demo: Demo, ports: set[int]) -> None:
    """Neither a file nor a process of the demo is there any more, nor listens one of its ports."""
    assert list(demo.temporary.iterdir()) == []
    assert [process.cmdline() for process in demo.processes()] == []
    assert len(ports) >= 2, "the server and its broker listened"
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} still listens"


def test_sixteen_rooms_are_told_as_the_storyline_has_them(tmp_path: Path) -> None:
    """``demo --once``: one row a room, each fault with its cause, exit code 0, nothing left."""
    with running_demo(tmp_path, "--once") as demo:
        demo.wait_for("Testing 16 points")
        ports = demo.ports()
        code, out, err = demo.end()

    table, duties, rest = out.partition("Who must do what")
    assert duties, out + err
    rows = re.findall(
        r"(?m)^ ((?:Xã|Thị trấn) .+?)  .*?([✓✗!?] (?:ready|degraded|not).*?) *$", table
    )
    rooms = dict(rows)
    assert len(rows) == len(rooms) == 16, out
    assert {name: words for name, words in rows if words != "✓ ready"} == HIDDEN
    assert "16 points: 11 ready, 4 not ready, 1 not known" in rest
    assert "Faults found with their cause: 5 of 5; good points found ready: 11 of 11." in rest
    assert "All as in the storyline." in rest
    assert code == 0, err
    assert "Traceback" not in out + err
    assert_nothing_left(demo, ports)


def test_the_demo_stays_up_and_answers_until_ctrl_c(tmp_path: Path) -> None:
    """Without ``--once`` its addresses answer after the test; SIGINT then is its usual end: 0."""
    with running_demo(tmp_path, "--points", "2") as demo:
        demo.wait_for("Test again: ")
        printed = dict(re.findall(r"(?m)^(API|Metrics|Token file): (\S+)$", demo.said()))
        with urllib.request.urlopen(printed["API"], timeout=10) as api:
            assert api.headers.get_content_type() == "application/json"
        with urllib.request.urlopen(printed["Metrics"], timeout=10) as metrics:
            assert (
                'diemcau_point_enabled{hub="bu-dang",point="bom-bo"} 1' in metrics.read().decode()
            )
        assert Path(printed["Token file"]).stat().st_mode & 0o777 == 0o600
        ports = demo.ports()
        demo.process.send_signal(signal.SIGINT)
        code, out, err = demo.end()

    assert "All as in the storyline." in out
    assert code == 0, err
    assert "Traceback" not in out + err
    assert_nothing_left(demo, ports)


def test_ctrl_c_in_the_middle_of_the_test_leaves_nothing(tmp_path: Path) -> None:
    """SIGINT while points are being tested ends the demo with 130; nothing of it stays."""
    with running_demo(tmp_path, "--once", "--points", "3") as demo:
        demo.wait_for("Testing 3 points")
        ports = demo.ports()
        assert len(demo.processes()) > 3  # the look at processes sees them
        demo.process.send_signal(signal.SIGINT)
        code, out, err = demo.end()

    assert code == 130, err
    assert "Traceback" not in out + err
    assert_nothing_left(demo, ports)
