"""A measuring process as its parent sees it: start, commands in, events out, end.

Built on subprocess and one reader thread, because the event loop that MQTT needs on Windows has
no subprocesses. Callbacks run in that thread: hand over with ``loop.call_soon_threadsafe``.
"""

import contextvars
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Literal

from diemcau_line.protocol import Command, Event, ProtocolError, decode_event, encode_command

_log = logging.getLogger(__name__)

Role = Literal["hub", "point"]


class WorkerGoneError(Exception):
    """The measuring process has ended; ``exit_code`` is None where it is not known yet."""

    def __init__(self, role: Role, exit_code: int | None) -> None:
        super().__init__(f"the {role} measuring process has ended (exit code {exit_code})")
        self.exit_code = exit_code


class WorkerProcess:
    """One ``python -m diemcau_line ROLE``.

    ``on_event`` gets every event, ``on_exit`` the exit code, once, after the last event. Both are
    called from a thread of this object and must not raise. The process's log lines go to this
    module's logger. It ends by itself when this process ends.
    """

    def __init__(
        self,
        role: Role,
        on_event: Callable[[Event], None],
        on_exit: Callable[[int], None] | None = None,
    ) -> None:
        self._role: Role = role
        self._on_event = on_event
        self._on_exit = on_exit
        self._process: subprocess.Popen[bytes] | None = None
        self._writing = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def pid(self) -> int | None:
        """Process id, or None before the start."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process.

        Raises:
            RuntimeError: when it was started before.
            OSError: when the system cannot start it.
        """
        if self._process is not None:
            message = "a worker process starts once"
            raise RuntimeError(message)
        self._process = subprocess.Popen(  # our own interpreter and package
            [sys.executable, "-m", "diemcau_line", self._role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        streams = ((self._read, self._process.stdout), (self._log, self._process.stderr))
        for target, stream in streams:
            # In the starter's context: its ids belong to what the process says.
            thread = threading.Thread(
                target=contextvars.copy_context().run, args=(target, stream),
                name=f"{self._role}-{target.__name__}", daemon=True,
            )  # fmt: skip
            self._threads.append(thread)
            thread.start()

    def send(self, command: Command) -> None:
        """Hand one command over; from any thread.

        Raises:
            WorkerGoneError: when the process has ended or was never started.
        """
        process = self._process
        if process is None or process.stdin is None:
            raise WorkerGoneError(self._role, None)
        line = encode_command(command)
        with self._writing:
            try:
                process.stdin.write(line)
                process.stdin.flush()
            except (OSError, ValueError) as error:
                raise WorkerGoneError(self._role, process.poll()) from error

    def stop(self, timeout_seconds: float = 3.0) -> int | None:
        """Close stdin, wait, kill what does not end; return the exit code (None: not started).

        Blocks for at most about ``timeout_seconds`` + 1 s. Not to be called from a callback.
        """
        process = self._process
        if process is None:
            return None
        with self._writing:
            if process.stdin is not None:
                try:
                    process.stdin.close()
                except OSError:
                    _log.debug("the %s process had closed its input", self._role)
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            _log.warning("the %s measuring process did not end: killed", self._role)
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join(1.0)
        return process.returncode

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                try:
                    event = decode_event(line)
                except ProtocolError as error:
                    _log.error("a line of the %s process is no event: %s", self._role, error)
                    continue
                self._on_event(event)
        if self._process is not None:
            code = self._process.wait()
            if self._on_exit is not None:
                self._on_exit(code)

    def _log(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                _log.info("%s: %s", self._role, line.decode(errors="replace").rstrip())
