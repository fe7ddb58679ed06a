"""A SIP user agent that answers OPTIONS, over UDP and TCP."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.agent.probes.peers.sockets import LOOPBACK, tcp_peer


@dataclass(slots=True)
class UserAgent:
    """How it answers; ``lost`` is how many first requests never reach it."""

    code: int = 200
    manner: Literal["normal", "silent", "nonsense", "stranger"] = "normal"
    provisional: bool = False
    lost: int = 0
    requests: list[str] = field(default_factory=list)

    def answers(self, request: str) -> list[bytes]:
        """Return the answers to one request."""
        self.requests.append(request)
        if self.manner == "silent" or len(self.requests) <= self.lost:
            return []
        if self.manner == "nonsense":
            return [b"HTTP/1.1 400 Bad Request\r\n\r\n"]
        if self.manner == "stranger":
            # Of another transaction: it must not be taken for ours.
            request = request.replace("z9hG4bK", "z9hG4bKother")
        codes = [100] if self.provisional else []
        return [_response(request, code) for code in (*codes, self.code)]


def _response(request: str, code: int) -> bytes:
    kept = [
        line
        for line in request.split("\r\n")
        if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))
    ]
    lines = [f"SIP/2.0 {code} Reason", *kept, "User-Agent: Room Codec 9", "Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def sip_over_udp(agent: UserAgent) -> Iterator[int]:
    """Yield the port of a user agent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        port = sock.getsockname()[1]
        thread = threading.Thread(target=_serve, args=(sock, agent), daemon=True)
        thread.start()
        try:
            yield port
        finally:
            # An empty datagram is the end: nothing else wakes the thread.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as goodbye:
                goodbye.sendto(b"", (LOOPBACK, port))
            thread.join(10)


def _serve(sock: socket.socket, agent: UserAgent) -> None:
    while True:
        data, sender = sock.recvfrom(65_535)
        if not data:
            return
        for answer in agent.answers(data.decode()):
            with suppress(OSError):
                sock.sendto(answer, sender)


@contextmanager
def sip_over_tcp(agent: UserAgent) -> Iterator[int]:
    """Yield the port of a user agent; an answer comes in two pieces, as TCP may cut it."""

    def handle(connection: socket.socket) -> None:
        received = b""
        while block := connection.recv(4096):
            received += block
            while b"\r\n\r\n" in received:
                request, _, received = received.partition(b"\r\n\r\n")
                for answer in agent.answers(request.decode()):
                    connection.sendall(answer[:20])
                    connection.sendall(answer[20:])

    with tcp_peer(handle) as port:
        yield port
