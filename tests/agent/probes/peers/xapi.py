"""A codec's own status over HTTP, from answers in the form of its maker's reference."""

import base64
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.agent.probes.peers.sockets import LOOPBACK

ANSWERS = Path(__file__).parent / "xapi"
USERNAME, PASSWORD = "auditor", "phòng họp"


@dataclass(slots=True)
class Codec:
    """``changes`` are texts to put in the place of others; ``code`` answers all with that."""

    changes: Mapping[str, str] = field(default_factory=dict)
    code: int = 200
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and cookie of each request."""


@contextmanager
def codec(state: Codec, certificate: tuple[Path, Path] | None = None) -> Iterator[int]:
    """Yield the port of a codec; with certificate and key over TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer one location."""
            state.requests.append((self.command, self.path, self.headers.get("Cookie", "")))
            login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
            code = state.code
            if self.headers.get("Authorization") != f"Basic {login}":
                code = 401
            self._send(code, _answer(self.path, state) if code == 200 else b"")

        def _send(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Set-Cookie", "SessionId=4711; Path=/; HttpOnly")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing: tests read standard error."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _answer(path: str, state: Codec) -> bytes:
    location = parse_qs(urlsplit(path).query)["location"][0]
    file = ANSWERS / (location.removeprefix("/Status/").replace("/", ".").lower() + ".xml")
    text = file.read_text(encoding="utf-8") if file.exists() else "<EmptyResult/>"
    for old, new in state.changes.items():
        text = text.replace(old, new)
    return text.encode()
