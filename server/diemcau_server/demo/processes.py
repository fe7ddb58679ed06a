"""Starts the demo's processes and ends every one of them, with what they started themselves."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GRACE_SECONDS: Final = 8.0
"""How long processes may take to end by themselves before they are killed."""
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 12
_TAIL_BYTES: Final = 16_384


@dataclass(slots=True)
class Child:
    """One process that the demo started; its output is in ``log``."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def has_ended(self) -> bool:
        """Say whether it has ended, without reaping it.

        Its number, and with it that of its group, stays its own until it is reaped.
        """
        if self.process.returncode is not None:
            return True
        if sys.platform == "win32":
            return self.process.poll() is not None
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, flags) is not None

    def tail(self) -> str:
        """Return the last lines of its output."""
        try:
            content = self.log.read_bytes()[-_TAIL_BYTES:]
        except OSError:
            return ""
        return "\n".join(content.decode("utf-8", "replace").splitlines()[-_TAIL_LINES:])


class Children:
    """All processes of a demo, in the order in which they were started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []

    def start(self, name: str, module: str, arguments: Sequence[str]) -> Child:
        """Start ``python -m module``; its output goes to a log in the demo's folder."""
        log = self._folder / f"{name}.log"
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as output:
            # A group of its own: Ctrl-C in the terminal reaches the demo alone, which ends them in
            # order. No session of its own: Linux gives each session an equal share of the
            # processors (autogroup), and the hub's end would get as little as one idle probe.
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment,
                process_group=None if sys.platform == "win32" else 0,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    async def stop(self) -> None:
        """End all: the last started first, by request, then by force with their own children."""
        for child in reversed(self._children[1:]):
            _request_end(child)
        await self._wait(self._children[1:])
        for child in self._children[:1]:  # the server: agents say goodbye to its broker first
            _request_end(child)
        await self._wait(self._children)
        for child in self._children:
            _end_by_force(child)
        self._children.clear()

    async def _wait(self, children: Sequence[Child]) -> None:
        end = time.monotonic() + GRACE_SECONDS
        # Ends of processes are not signalled portably, so they are looked for.
        while time.monotonic() < end and not all(  # noqa: ASYNC110
            child.has_ended() for child in children
        ):
            await asyncio.sleep(_POLL_SECONDS)


def _request_end(child: Child) -> None:
    if child.process.stdin is not None:
        with contextlib.suppress(OSError):
            child.process.stdin.close()
    if not child.has_ended():
        child.process.terminate()


def _end_by_force(child: Child) -> None:
    if sys.platform == "win32":
        if not child.has_ended():
            child.process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()
