"""A projector: PJLink class 1 and 2 as its specification has it, with a state to choose."""

import hashlib
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from tests.agent.probes.peers.sockets import stay_silent, tcp_peer

READS = frozenset({"POWR", "INPT", "AVMT", "ERST", "LAMP", "CLSS", "IRES"})


@dataclass(slots=True)
class Projector:
    """What it answers; a value ``ERR1`` to ``ERR4`` is an error, ``silent`` no answer at all."""

    power: str = "1"
    input: str = "31"
    mute: str = "30"
    errors: str = "000000"
    lamp: str = "1200 1"
    pjlink_class: str = "2"
    signal: str = "1920x1080"
    password: str | None = None
    manner: Literal["normal", "silent", "hang_up", "nonsense"] = "normal"
    commands: list[str] = field(default_factory=list)
    """Every command that came, for tests that nothing but questions is sent."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: str) -> str | None:
        """Return the answer to one command without its terminator, None for none."""
        with self.lock:
            self.commands.append(request)
        version, command, parameter = request[1:2], request[2:6], request[7:]
        if parameter != "?" or command not in READS:
            return f"%{version}{command}=OK"
        values = {
            "POWR": self.power, "INPT": self.input, "AVMT": self.mute, "ERST": self.errors,
            "LAMP": self.lamp, "CLSS": self.pjlink_class, "IRES": self.signal,
        }  # fmt: skip
        return None if values[command] == "silent" else f"%{version}{command}={values[command]}"


@contextmanager
def projector(state: Projector) -> Iterator[int]:
    """Yield the port of a projector."""
    with tcp_peer(lambda connection: _converse(connection, state)) as port:
        yield port


def _converse(connection: socket.socket, state: Projector) -> None:
    match state.manner:
        case "silent":
            stay_silent(connection)
        case "nonsense":
            connection.sendall(b"220 mail.example ESMTP\r")
            stay_silent(connection)
        case "normal":
            _speak(connection, state)


def _speak(connection: socket.socket, state: Projector) -> None:
    challenge = secrets.token_hex(4)
    greeting = f"PJLINK 1 {challenge}" if state.password else "PJLINK 0"
    connection.sendall(f"{greeting}\r".encode())
    expected = ""
    if state.password:
        digest = hashlib.md5(f"{challenge}{state.password}".encode(), usedforsecurity=False)
        expected = digest.hexdigest()
    received = b""
    while block := connection.recv(4096):
        received += block
        while b"\r" in received:
            line, _, received = received.partition(b"\r")
            request = line.decode()
            if not request.startswith(f"{expected}%"):
                connection.sendall(b"PJLINK ERRA\r")
                return
            reply = state.answer(request.removeprefix(expected))
            expected = ""
            if reply is not None:
                connection.sendall(f"{reply}\r".encode())
