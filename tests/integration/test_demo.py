"""``diemcau demo`` as a user runs it: it finds what it hid, and nothing of it stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from diemcau_server.demo.storyline import storyline
from tests.integration.district import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
POINTS = 5
OPTIONS = ("--points", str(POINTS), "--lang", "en")
END_SECONDS = 300
"""A limit for a demo that hangs, not a figure: it may wait a minute for a calm machine."""
PROGRAM = (
    # A shell's background job ignores Ctrl-C, and so would all that pytest starts there.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from diemcau_server.cli.main import main; main()"
)


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo of five points with a folder for temporary files of its own."""

    process: subprocess.Popen[bytes]
    temporary: Path
    out: Path
    err: Path

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return exit code, standard output and standard error."""
        code = self.process.wait(timeout=END_SECONDS)
        return code, self.out.read_text("utf-8"), self.err.read_text("utf-8")

    def left_processes(self) -> list[str]:
        """Return the command lines of all processes that work for this demo, itself too."""
        left = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = [*process.cmdline(), *process.environ().values()]
                if any(str(self.temporary) in word for word in words):
                    left.append(" ".join(process.cmdline()))
        return left


@contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """Start the demo; end it, and by its own rules all that it started, whatever happens."""
    temporary, out, err = folder / "temporary", folder / "out", folder / "err"
    temporary.mkdir()
    environment = {
        **os.environ, "TMPDIR": str(temporary), "COLUMNS": "160", "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    with out.open("wb") as out_sink, err.open("wb") as err_sink:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "demo", "--once", *OPTIONS],
            env=environment, stdin=subprocess.DEVNULL, stdout=out_sink, stderr=err_sink,
        )  # fmt: skip
    try:
        yield Demo(process, temporary, out, err)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)


def assert_nothing_left(demo: Demo) -> None:
    """Neither a file nor a process of the demo is there any more."""
    assert list(demo.temporary.glob("diemcau-demo-*")) == []
    assert demo.left_processes() == []


def test_demo_finds_all_that_its_storyline_hides(tmp_path: Path) -> None:
    """Five points, five faults, each found with its cause; exit code 0 and nothing left."""
    with running_demo(tmp_path) as demo:
        code, out, err = demo.end()

    _, title, outcome = out.partition("Did the test find what the storyline hid?")
    assert title, out + err
    rows = [line for line in outcome.splitlines() if "✓" in line or "✗" in line]
    found = {
        point.name: [row for row in rows if point.name in row] for point in storyline(POINTS).points
    }
    assert len(rows) == POINTS, out
    assert all(len(lines) == 1 and "✓" in lines[0] for lines in found.values()), out
    assert "Faults found with their cause: 5 of 5" in outcome
    assert "All as in the storyline." in outcome
    assert code == 0, err
    assert "Traceback" not in out + err
    assert_nothing_left(demo)


def test_ctrl_c_in_the_middle_of_the_test_leaves_nothing(tmp_path: Path) -> None:
    """SIGINT while points are being tested ends the demo with 130; nothing of it stays."""
    with running_demo(tmp_path) as demo:
        wait_until(
            "the demo tests its points, or has ended",
            lambda: (
                f"Testing {POINTS} points" in demo.err.read_text("utf-8")
                or demo.process.poll() is not None
            ),
            END_SECONDS,
        )
        assert demo.process.poll() is None, demo.err.read_text("utf-8")
        assert len(demo.left_processes()) > POINTS  # the look at processes sees them
        demo.process.send_signal(signal.SIGINT)
        code, out, err = demo.end()

    assert code == 130, err
    assert "Traceback" not in out + err
    assert_nothing_left(demo)
