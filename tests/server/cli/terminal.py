"""A command on a real pseudo-terminal, and what a person saw on its screen, frame by frame."""

import contextlib
import os
import re
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

if sys.platform != "win32":
    import fcntl
    import pty
    import termios

_PIECES = re.compile(
    r"\x1b\[(?P<values>[?\d;]*)(?P<what>[A-Za-z])|(?P<move>[\r\n])|(?P<text>[^\x1b\r\n]+)"
)
_CHUNK = 65_536


@dataclass
class Screen:
    """As much of a terminal as a table needs that is redrawn in place."""

    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    frames: list[list[str]] = field(default_factory=list)
    """What stood there each time before it was drawn over."""
    _clearing: bool = False

    def feed(self, output: str) -> None:
        """Write what a program has put out."""
        for piece in _PIECES.finditer(output):
            if piece["text"]:
                self._clearing = False
                self._write(piece["text"])
            elif piece["move"] == "\r":
                self.column = 0
            elif piece["move"] == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            else:
                self._control(piece["what"], piece["values"])

    def _write(self, text: str) -> None:
        before = self.lines[self.row].ljust(self.column)
        after = self.column + len(text)
        self.lines[self.row] = before[: self.column] + text + before[after:]
        self.column = after

    def _control(self, what: str, values: str) -> None:
        match what, values:
            case "A", _:
                self.row -= int(values or 1)
            case "K", "2":
                if not self._clearing:
                    self.frames.append([line.rstrip() for line in self.lines])
                self._clearing = True
                self.lines[self.row] = ""
            case ("m", _) | ("h" | "l", "?25"):
                pass
            case unknown:
                raise AssertionError(unknown)


def on_terminal(
    argv: Sequence[str], environment: Mapping[str, str], columns: int, rows: int = 40
) -> tuple[int, Screen]:
    """Run ``argv`` on a terminal of that size; return its exit code and the screen."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    output = bytearray()
    with subprocess.Popen(
        argv, env=dict(environment), stdin=its, stdout=its, stderr=its, start_new_session=True
    ) as process:
        os.close(its)
        # Linux ends a terminal that nobody holds any more by an error, not by an end of file.
        with contextlib.suppress(OSError), os.fdopen(mine, "rb", buffering=0) as read:
            while chunk := read.read(_CHUNK):
                output += chunk
    screen = Screen()
    screen.feed(output.decode())
    return process.returncode, screen
