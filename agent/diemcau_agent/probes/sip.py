"""Ask a codec for a sign of life by SIP OPTIONS (RFC 3261, section 11), over UDP or TCP.

Nothing rings: OPTIONS is answered by the user agent itself, in a call or not.
"""

import secrets
import socket
import time
from dataclasses import dataclass
from typing import Final, Literal

Transport = Literal["udp", "tcp"]

PORT: Final = 5060
DEADLINE_SECONDS: Final = 2.4
FIRST_WAIT_SECONDS: Final = 0.5
"""T1 of RFC 3261 section 17.1.2.2: over UDP the request is sent again, each wait twice as long."""
MAX_BYTES: Final = 65_535
_BRANCH: Final = "z9hG4bK"
_FINAL: Final = 200


@dataclass(frozen=True, slots=True)
class SipAnswer:
    """A final answer: its code, the codec's own name for itself, and the round trip."""

    code: int
    agent: str
    rtt_seconds: float


class NotSipError(Exception):
    """What answers there does not speak SIP."""


def options(host: str, port: int, transport: Transport) -> SipAnswer:
    """Send OPTIONS and return the final answer.

    Raises:
        ConnectionRefusedError: nothing listens.
        TimeoutError: no answer in DEADLINE_SECONDS.
        OSError: no route, no such name, connection lost.
        NotSipError: the answer is no SIP.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    family, kind, _, _, target = socket.getaddrinfo(
        host, port, type=socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    )[0]
    with socket.socket(family, kind) as sock:
        sock.settimeout(DEADLINE_SECONDS)
        # Also over UDP: only a connected socket hears that the port is closed (ICMP).
        sock.connect(target)
        identity = secrets.token_hex(8)
        request = _request(sock, target, transport, identity)
        started = time.perf_counter()
        if transport == "tcp":
            sock.sendall(request)
            text = _over_tcp(sock, identity, deadline)
        else:
            text = _over_udp(sock, request, identity, deadline)
        return _answer(text, time.perf_counter() - started)


def _request(
    sock: socket.socket, target: tuple[object, ...], transport: Transport, identity: str
) -> bytes:
    own_host, own_port = sock.getsockname()[:2]
    host = f"[{target[0]}]" if ":" in str(target[0]) else str(target[0])
    own = f"[{own_host}]" if ":" in own_host else own_host
    uri = f"sip:{host}:{target[1]}" + (";transport=tcp" if transport == "tcp" else "")
    lines = (
        f"OPTIONS {uri} SIP/2.0",
        # rport (RFC 3581): the answer comes back to where the request came from.
        f"Via: SIP/2.0/{transport.upper()} {own}:{own_port};rport;branch={_BRANCH}{identity}",
        "Max-Forwards: 70",
        f"From: <sip:diemcau@{own}>;tag={identity[:8]}",
        f"To: <{uri}>",
        f"Call-ID: {identity}@{own}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:diemcau@{own}:{own_port}>",
        "Accept: application/sdp",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def _over_udp(sock: socket.socket, request: bytes, identity: str, deadline: float) -> str:
    wait_seconds = FIRST_WAIT_SECONDS
    again = 0.0
    while True:
        now = time.monotonic()
        if now >= deadline:
            raise TimeoutError("no answer to OPTIONS")
        if now >= again:
            sock.send(request)
            again = now + wait_seconds
            wait_seconds *= 2
        sock.settimeout(max(0.001, min(again, deadline) - now))
        try:
            text = sock.recv(MAX_BYTES).decode("utf-8", "replace")
        except TimeoutError:
            continue
        if _is_final(text, identity):
            return text


def _over_tcp(sock: socket.socket, identity: str, deadline: float) -> str:
    received = b""
    while True:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        block = sock.recv(MAX_BYTES)
        received += block
        while b"\r\n\r\n" in received:
            head, _, received = received.partition(b"\r\n\r\n")
            text = head.decode("utf-8", "replace").lstrip()
            if _is_final(text, identity):
                return text
            received = received[_content_length(text) :]
        if not block:
            raise ConnectionResetError("closed before an answer")
        if len(received) > MAX_BYTES:
            raise NotSipError("an endless answer")


def _is_final(text: str, identity: str) -> bool:
    """Say whether this is our request's last answer; provisional ones (1xx) are not.

    Raises:
        NotSipError: it is no SIP answer.
    """
    return _code(text) >= _FINAL and f"{_BRANCH}{identity}" in text


def _code(text: str) -> int:
    version, _, rest = text.partition(" ")
    code = rest[:3]
    if version != "SIP/2.0" or not code.isdecimal():
        raise NotSipError(f"answer begins with {text[:20]!r}")
    return int(code)


def _content_length(text: str) -> int:
    length = _header(text, "content-length", "l")
    return int(length) if length.isdecimal() else 0


def _answer(text: str, rtt_seconds: float) -> SipAnswer:
    agent = _header(text, "user-agent", "server")
    return SipAnswer(_code(text), agent, rtt_seconds)


def _header(text: str, *names: str) -> str:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() in names:
            return value.strip()
    return ""
